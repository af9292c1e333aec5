"""The event log as the gateway sees it, and the one in Kafka.

Promises: a record has an address only when all in-sync replicas have it (acks=all); records of one key are stored in
the order given, on the partition that every Kafka client chooses for that key; no call waits for a silent broker
longer than ACK_S_MAX after its last progress.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import structlog
from aiokafka.errors import KafkaError

from schemas.codec import STRUCTURED
from services.gateway.partitioner import partition_hash
from services.gateway.producer import Producer

log = structlog.get_logger()

Record = tuple[bytes, bytes]  # key, value
Address = tuple[int, int]  # partition, offset; the offset is -1 when a repeated write was recognised too late to know

HEADERS: Final = [("content-type", STRUCTURED.encode())]
ACK_S_MAX: Final = 10.0  # a leader election takes a few seconds; HTTP clients give up after 30
ANSWER_S_MAX: Final = 2.0  # for the readiness check
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
    """The event topic, written by two producers: a stream of single events would keep batches waiting for ever.

    (aiokafka gives the place after a partition's running batch to whoever comes first, and lets a waiting batch's
    patience run out faster than time does.) For the same reason batches queue here, first come, first served.
    """

    def __init__(self, *, bootstrap: str, topic: str) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._singles = Producer(bootstrap=bootstrap, topic=topic, request_s_max=ACK_S_MAX)
        self._batches = Producer(bootstrap=bootstrap, topic=topic, request_s_max=ACK_S_MAX)
        self._turns: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)  # by partition

    async def start(self) -> None:
        """Connect; `Unavailable` when that cannot be done."""
        await self._singles.start()
        await self._batches.start()

    async def stop(self) -> None:
        """Send what waits, and leave."""
        await asyncio.gather(self._singles.stop(), self._batches.stop())

    async def check(self) -> str:
        """Empty when the broker answers."""
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                answers = await (await self._singles.current()).client.force_metadata_update()
        except TimeoutError:
            answers = False
        return "" if answers else f"no broker answers at {self._bootstrap}; start it or set HOSO_KAFKA"

    async def append(self, records: Sequence[Record]) -> list[Address | None]:
        """Store records, in batches of our own when there are many."""
        few = len(records) <= RECORDS_ONE_BY_ONE_MAX
        writer = self._singles if few else self._batches
        deliveries: list[_Delivery] = []
        producer: Any = None
        try:
            async with asyncio.timeout(ACK_S_MAX) as patience:
                producer = await writer.current()
                if few:
                    await self._send_each(producer, records, deliveries)
                else:
                    await self._send_batches(producer, records, deliveries, patience)
        except TimeoutError:
            log.warning("broker_silent", bootstrap=self._bootstrap, waited_s=ACK_S_MAX)
        except KafkaError as error:
            writer.note(error, producer)
        addresses: list[Address | None] = [None] * len(records)
        if deliveries:
            await asyncio.wait([delivery.future for delivery in deliveries], timeout=ACK_S_MAX)
        for delivery in deliveries:
            base = _base_offset(delivery.future)
            if isinstance(base, KafkaError):
                writer.note(base, producer)
            elif base is not None:
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
            async with self._turns[delivery.partition]:
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


def _add(builder: Any, key: bytes, value: bytes) -> bool:
    return builder.append(timestamp=None, key=key, value=value, headers=HEADERS) is not None


def _base_offset(future: asyncio.Future[Any]) -> int | KafkaError | None:
    """The first offset of a delivery, the error that ended it, or None when there is no answer yet."""
    if not future.done():
        future.cancel()  # only our waiting for it
        return None
    match future.exception():
        case None:
            offset: int = future.result().offset
            return offset
        case KafkaError() as error:
            return error
        case fault:
            raise fault
