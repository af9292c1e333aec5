"""The event log as the gateway sees it, and the one in Kafka.

Promises: a record has an address only when all in-sync replicas have it (acks=all); records of one key are stored in
the order given, on the partition that every Kafka client chooses for that key; no call waits for a silent broker
longer than ACK_S_MAX after its last progress.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.codec import STRUCTURED
from schemas.errors import Unavailable
from services.gateway.kafka import started
from services.gateway.partitioner import partition_hash

log = structlog.get_logger()

Record = tuple[bytes, bytes]  # key, value
Address = tuple[int, int]  # partition, offset; the offset is -1 when a repeated write was recognised too late to know

HEADERS: Final = [("content-type", STRUCTURED.encode())]
ACK_S_MAX: Final = 10.0  # a leader election takes a few seconds; HTTP clients give up after 30
STOP_S_MAX: Final = 3.0  # every request has been answered by then; what still waits was called failed
# Half of the broker's default message.max.bytes: larger ones were not faster, smaller ones cost round trips.
BATCH_BYTES_MAX: Final = 512 * 1024
# Up to here one by one: such records share batches with those of other requests.
RECORDS_ONE_BY_ONE_MAX: Final = 16


class EventLog(Protocol):
    """Where accepted events go."""

    async def append(self, records: Sequence[Record]) -> list[Address | None]:
        """Store records; None stands for one that was not acknowledged, which may still arrive."""


@dataclass(slots=True)
class _Delivery:
    """Records of one partition that travel together; `places` are their places in the call."""

    partition: int
    builder: Any = None
    places: list[int] = field(default_factory=list)
    future: Any = None


class KafkaLog:
    """The event topic."""

    def __init__(self, *, bootstrap: str, topic: str) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._producer: Any = None
        self._spent = False  # the producer met an error after which it can only fail
        self._renewal = asyncio.Lock()
        self._retired: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Connect; `Unavailable` when that cannot be done."""
        self._producer = await self._connected()

    async def stop(self) -> None:
        """Send what waits, at most STOP_S_MAX long."""
        if self._producer is not None:
            await asyncio.gather(_stop(self._producer), *self._retired)

    async def check(self) -> str:
        """Empty when the broker answers."""
        try:
            async with asyncio.timeout(ACK_S_MAX / 5):
                answers = await self._producer.client.force_metadata_update()
        except TimeoutError:
            answers = False
        return "" if answers else f"no broker answers at {self._bootstrap}; start it or set HOSO_KAFKA"

    async def append(self, records: Sequence[Record]) -> list[Address | None]:
        """Store records, in batches of our own when there are many."""
        deliveries: list[_Delivery] = []
        try:
            async with asyncio.timeout(ACK_S_MAX) as patience:
                producer = await self._usable()
                if len(records) <= RECORDS_ONE_BY_ONE_MAX:
                    await self._send_each(producer, records, deliveries)
                else:
                    await self._send_batches(producer, records, deliveries, patience)
        except TimeoutError:
            log.warning("broker_silent", bootstrap=self._bootstrap, waited_s=ACK_S_MAX)
        except KafkaError as error:
            self._note(error)
        addresses: list[Address | None] = [None] * len(records)
        if deliveries:
            await asyncio.wait([delivery.future for delivery in deliveries], timeout=ACK_S_MAX)
        for delivery in deliveries:
            base = self._outcome(delivery.future)
            if base is not None:
                for step, place in enumerate(delivery.places):
                    addresses[place] = (delivery.partition, base + step if base >= 0 else -1)
        return addresses

    async def _send_each(self, producer: Any, records: Sequence[Record], deliveries: list[_Delivery]) -> None:
        partitions = sorted(await producer.partitions_for(self._topic))
        for place, (key, value) in enumerate(records):
            partition = partitions[partition_hash(key) % len(partitions)]
            future = await producer.send(self._topic, value, key=key, partition=partition, headers=HEADERS)
            deliveries.append(_Delivery(partition, places=[place], future=future))

    async def _send_batches(
        self, producer: Any, records: Sequence[Record], deliveries: list[_Delivery], patience: asyncio.Timeout
    ) -> None:
        async def submit(delivery: _Delivery) -> None:
            """Hand a full batch over; waits while an earlier one of its partition is still here."""
            delivery.builder.close()
            delivery.future = await producer.send_batch(delivery.builder, self._topic, partition=delivery.partition)
            delivery.builder = None
            deliveries.append(delivery)
            patience.reschedule(asyncio.get_running_loop().time() + ACK_S_MAX)

        partitions = sorted(await producer.partitions_for(self._topic))
        filling: dict[int, _Delivery] = {}
        for place, (key, value) in enumerate(records):
            partition = partitions[partition_hash(key) % len(partitions)]
            delivery = filling.get(partition)
            if delivery is None or not _add(delivery.builder, key, value):
                if delivery is not None:
                    await submit(delivery)
                delivery = filling[partition] = _Delivery(partition, producer.create_batch())
                _add(delivery.builder, key, value)  # an empty batch takes any record
            delivery.places.append(place)
        for delivery in filling.values():
            await submit(delivery)

    def _outcome(self, future: asyncio.Future[Any]) -> int | None:
        """The first offset of a delivery, or None when it was not acknowledged."""
        if not future.done():
            future.cancel()  # only our waiting for it
            return None
        error = future.exception()
        if error is None:
            offset: int = future.result().offset
            return offset
        if not isinstance(error, KafkaError):
            raise error
        self._note(error)
        return None

    def _note(self, error: KafkaError) -> None:
        """Log an error. One that retrying does not heal leaves a gap in the sequence: this producer is spent."""
        log.warning("events_not_acknowledged", error=type(error).__name__)
        self._spent = self._spent or not error.retriable

    async def _usable(self) -> Any:
        async with self._renewal:
            if self._spent:
                retiring, self._producer = self._producer, await self._connected()
                self._spent = False
                task = asyncio.create_task(_stop(retiring))
                self._retired.add(task)
                task.add_done_callback(self._retired.discard)
            return self._producer

    async def _connected(self) -> Any:
        """A started producer. Compression is left to the topic: ours would cost more than the wire saves here."""
        producer = await started(
            lambda: AIOKafkaProducer(
                bootstrap_servers=self._bootstrap,
                acks="all",
                enable_idempotence=True,
                max_batch_size=BATCH_BYTES_MAX,
                request_timeout_ms=int(ACK_S_MAX * 1000),
            ),
            bootstrap=self._bootstrap,
        )
        try:
            await producer.partitions_for(self._topic)
        except KafkaError as error:
            await producer.stop()
            raise Unavailable(
                f"the topic {self._topic} cannot be written ({type(error).__name__}); `hoso up` creates it"
            ) from error
        return producer


def _add(builder: Any, key: bytes, value: bytes) -> bool:
    return builder.append(timestamp=None, key=key, value=value, headers=HEADERS) is not None


async def _stop(producer: Any) -> None:
    try:
        async with asyncio.timeout(STOP_S_MAX):
            await producer.stop()
    except TimeoutError:
        log.warning("unpromised_events_dropped")  # their senders were told that they failed
