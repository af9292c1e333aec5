"""An idempotent producer that is replaced when it can only fail."""

import asyncio
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError

from schemas.errors import Unavailable
from services.gateway.kafka import RETRY_MS, started, stop

log = structlog.get_logger()

# Half of the broker's default message.max.bytes, so that one batch is never refused as too large.
BATCH_BYTES_MAX: Final = 512 * 1024


class Producer:
    """Holds a started AIOKafkaProducer for one topic; `current()` is the one to use now."""

    def __init__(self, *, bootstrap: str, topic: str, request_s_max: float) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._request_s_max = request_s_max
        self._producer: Any = None
        self._partitions = 0
        self._spent = False
        self._renewal = asyncio.Lock()
        self._retired: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Connect; `Unavailable` when that cannot be done."""
        self._producer = await self._connected()

    async def stop(self) -> None:
        """Send what waits, and leave."""
        if self._producer is not None:
            await asyncio.gather(_leave(self._producer), *self._retired)

    async def current(self) -> Any:
        """The producer, a new one when the last is spent."""
        async with self._renewal:
            if self._spent:
                retiring, self._producer = self._producer, await self._connected()
                self._spent = False
                task = asyncio.create_task(_leave(retiring))
                self._retired.add(task)
                task.add_done_callback(self._retired.discard)
            return self._producer

    def create_batch(self) -> Any:
        """An empty batch; whichever producer is current can send it."""
        return self._producer.create_batch()

    def partitions(self) -> int:
        """How many partitions the topic has, as was last seen: Kafka only ever adds some, at the end."""
        seen = self._producer.client.cluster.partitions_for_topic(self._topic)
        self._partitions = len(seen) if seen else self._partitions
        return self._partitions

    def note(self, error: KafkaError, producer: Any) -> None:
        """Log an error of `producer`. One that retrying does not heal leaves a gap in its sequence: it is spent."""
        log.warning("events_not_acknowledged", error=type(error).__name__)
        heals = error.retriable or isinstance(error, KafkaTimeoutError)
        self._spent = self._spent or (producer is self._producer and not heals)

    async def _connected(self) -> Any:
        """A started producer. Compression is left to the topic: ours would cost more than the wire saves here."""
        producer = await started(
            lambda: AIOKafkaProducer(
                bootstrap_servers=self._bootstrap,
                acks="all",
                enable_idempotence=True,
                max_batch_size=BATCH_BYTES_MAX,
                request_timeout_ms=int(self._request_s_max * 1000),
                retry_backoff_ms=RETRY_MS,
            ),
            bootstrap=self._bootstrap,
        )
        try:
            await producer.partitions_for(self._topic)
        except KafkaError as error:
            await stop(producer)
            raise Unavailable(
                f"the topic {self._topic} cannot be written ({type(error).__name__}); `hoso up` creates it"
            ) from error
        return producer


async def _leave(producer: Any) -> None:
    if not await stop(producer):
        log.warning("unpromised_events_dropped")  # their senders were told that they failed
