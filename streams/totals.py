"""`unit-counters`: the partial tallies of a partition of `unit-tallies`, merged into totals per unit.

A unit's tallies lie in one partition; the worker that has the event partition of the same number publishes its totals.
Opening fences the worker that had it and reads the tallies from their beginning, so totals never go back; shares are
absolute, so reading some of them twice changes nothing. The tick reads on and publishes: a replay does not publish
every step of the way, and between two ticks only the newest share of each key is decoded.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerFenced
from aiokafka.structs import TopicPartition

from schemas import topics
from schemas.settings import Settings
from schemas.tallies import Tally
from streams.domain.totals import Totals
from streams.ending import end_fenced
from streams.kafka import Log, Message, partition_of, read_on, send_all, transactional_producer

log = structlog.get_logger()

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Tally)


class TotalsPartition:
    """The totals of one partition's units, and the producer that alone may publish them."""

    def __init__(self, partition: int, settings: Settings) -> None:
        self._partition = partition
        self._settings = settings
        self._totals = Totals()
        self._moved: set[str] = set()
        self._producer: AIOKafkaProducer | None = None
        self._consumer: AIOKafkaConsumer | None = None

    async def open(self) -> None:
        """Fence the earlier owner; the next reading begins at the beginning."""
        settings = self._settings
        producer = transactional_producer(settings.bootstrap, f"{settings.group}-totals-{self._partition}")
        consumer = Log(settings.bootstrap).consumer()
        tallies = TopicPartition(settings.topics[topics.TALLIES], self._partition)
        try:
            await producer.start()
            await consumer.start()
            consumer.assign([tallies])
            await consumer.seek_to_beginning(tallies)
        except BaseException:
            await asyncio.gather(producer.stop(), consumer.stop())
            raise
        self._producer, self._consumer = producer, consumer

    async def close(self) -> None:
        """Give producer and consumer up."""
        producer, consumer, self._producer, self._consumer = self._producer, self._consumer, None, None
        if producer is not None and consumer is not None:
            await asyncio.gather(producer.stop(), consumer.stop())

    @property
    def is_open(self) -> bool:
        """Whether this process may publish these units."""
        return self._producer is not None

    async def read_on(self) -> None:
        """Merge what came since the last reading; keys without a unit (heartbeats) say nothing about one."""
        assert self._consumer is not None
        newest: dict[bytes, bytes] = {}
        async for records in read_on(self._consumer):
            for record in records:
                if record.key and record.value and not record.key.startswith(b"/"):
                    newest[record.key] = record.value
        for value in newest.values():
            tally = _DECODER.decode(value)
            if self._totals.apply(tally):
                self._moved.add(tally.unit_id)

    async def publish(self) -> None:
        """Publish the totals of every unit that moved since they were last published."""
        if not self._moved:
            return
        assert self._producer is not None
        outbox: dict[int, list[Message]] = {}
        for unit_id in self._moved:
            value = _ENCODER.encode(self._totals.counters(unit_id))
            partition = partition_of(unit_id, self._settings.partitions)
            outbox.setdefault(partition, []).append((unit_id.encode(), value, []))
        await self._producer.begin_transaction()
        for partition, messages in outbox.items():
            await send_all(self._producer, self._settings.topics[topics.COUNTERS], partition, messages)
        await self._producer.commit_transaction()
        self._moved.clear()


class TotalsPublisher:
    """The partitions of `unit-tallies` that are ours."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._partitions: dict[int, TotalsPartition] = {}
        self._lock = asyncio.Lock()

    async def revoke(self) -> None:
        """Before a rebalance: give everything up."""
        async with self._lock:
            partitions, self._partitions = self._partitions, {}
            for partition in partitions.values():
                await partition.close()

    def assign(self, partitions: Iterable[int]) -> None:
        """After a rebalance: these are ours."""
        self._partitions = {partition: TotalsPartition(partition, self._settings) for partition in partitions}

    async def publish(self) -> None:
        """Publish what moved; a partition whose broker fails is opened again at the next tick."""
        async with self._lock:
            for partition in self._partitions.values():
                try:
                    if not partition.is_open:
                        await partition.open()
                    await partition.read_on()
                    await partition.publish()
                except ProducerFenced:
                    end_fenced("the totals of units have a new publisher; this worker was away too long")
                except KafkaError as error:
                    log.warning("totals not published, again at the next tick", error=type(error).__name__)
                    await partition.close()
