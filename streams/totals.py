"""`unit-counters`: the partial tallies of a partition of `unit-tallies`, merged into totals per unit.

A unit's tallies lie in one partition, so one worker publishes a unit's totals. Opening a partition fences the worker
that had it and reads the tallies back to their end, so totals never go back; shares are absolute, so reading some of
them twice changes nothing. The tick publishes: a replay does not publish every step of the way.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

import msgspec
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerFenced

from schemas import topics
from schemas.settings import Settings
from schemas.tallies import Tally
from streams.domain.totals import Totals
from streams.ending import end_fenced
from streams.kafka import Log, Message, partition_of, send_all, transactional_producer
from streams.slices import Record, Slice

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
        self._read_to = 0  # everything below was read back
        self._producer: AIOKafkaProducer | None = None

    async def open(self) -> None:
        """Fence the earlier owner, then read everything it may have published from."""
        settings, read_to = self._settings, 0
        producer = transactional_producer(settings.bootstrap, f"{settings.group}-totals-{self._partition}")
        await producer.start()
        try:
            async for records in Log(settings.bootstrap).read_to_end(settings.topics[topics.TALLIES], self._partition):
                self.take(records)
                read_to = records[-1].offset + 1
        except BaseException:
            await producer.stop()
            raise
        self._producer, self._read_to = producer, read_to

    async def close(self) -> None:
        """Give the producer up."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    @property
    def is_open(self) -> bool:
        """Whether this process may publish these units."""
        return self._producer is not None

    def take(self, records: Iterable[Record]) -> None:
        """Merge tallies; heartbeats (keys without a unit) say nothing about a unit."""
        for record in records:
            if record.offset < self._read_to or not record.key or not record.value or record.key.startswith(b"/"):
                continue
            tally = _DECODER.decode(record.value)
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

    def take(self, slice_: Slice) -> None:
        """Merge a slice. Opening reads everything back, so nothing depends on which slices came before."""
        partition = self._partitions.get(slice_.partition)
        if partition is not None:
            partition.take(slice_.value)

    async def publish(self) -> None:
        """Publish what moved; a partition whose broker fails is opened again at the next tick."""
        async with self._lock:
            for partition in self._partitions.values():
                try:
                    if not partition.is_open:
                        await partition.open()
                    await partition.publish()
                except ProducerFenced:
                    end_fenced("the totals of units have a new publisher; this worker was away too long")
                except KafkaError as error:
                    log.warning("totals not published, again at the next tick", error=type(error).__name__)
                    await partition.close()
