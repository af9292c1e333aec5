"""Storing batches: one at a time, in a thread, while another makes the next columns and the event loop reads on."""

import asyncio
from collections import Counter
from time import perf_counter

import structlog
from aiokafka.structs import TopicPartition

from services.sink.batches import Batch, Rows
from services.sink.checkpoint import Place, TopicRecreatedError
from services.sink.clickhouse import Warehouse
from services.sink.marks import LastInsert, digest
from services.sink.metrics import Metrics
from services.sink.retry import patiently
from services.sink.targets import Target

log = structlog.get_logger()


class Inserts:
    """The insert in hand, and how far each partition is stored.

    A batch's columns are made once, so a retry sends the very same rows under the same token.
    """

    def __init__(self, warehouse: Warehouse, *, metrics: Metrics, stop: asyncio.Event) -> None:
        self._warehouse = warehouse
        self._metrics = metrics
        self._stop = stop
        self._in_hand: asyncio.Task[None] | None = None
        self._batch: Batch | None = None
        self.stored: dict[TopicPartition, int] = {}  # last offset that is in its table

    @property
    def in_hand(self) -> Batch | None:
        """The batch being stored now."""
        return self._batch

    @property
    def is_busy(self) -> bool:
        """Whether an insert is going on; one that has failed is not, and waits for `settle`."""
        return self._in_hand is not None and not self._in_hand.done()

    async def settle(self) -> None:
        """Wait until nothing is in hand. Raises what the insert raised."""
        if self._in_hand is not None:
            await self._in_hand
            self._in_hand = None

    async def idle(self) -> None:
        """Wait until nothing is in hand; its error, if any, is left for `settle`."""
        if self._in_hand is not None:
            await asyncio.wait([self._in_hand])

    def start(self, target: Target, batch: Batch, *, rows: "asyncio.Task[Rows]") -> None:
        """Begin to store a batch, `rows` as `read` makes them; nothing may be in hand."""
        assert self._in_hand is None
        self._batch = batch
        self._in_hand = asyncio.create_task(self._store(target, batch, rows))

    async def _store(self, target: Target, batch: Batch, reading: "asyncio.Task[Rows]") -> None:
        rows = await reading
        if rows.columns:
            began = perf_counter()
            await patiently(lambda: self._insert(target, batch, rows), stop=self._stop)
            self._metrics.insert_seconds.labels(target.table).observe(perf_counter() - began)
            self.stored[TopicPartition(batch.topic, batch.partition)] = batch.last_offset
        self._count(target, batch, rows)
        self._batch = None

    async def _insert(self, target: Target, batch: Batch, rows: Rows) -> None:
        await asyncio.to_thread(self._warehouse.insert, target.table, rows.columns, token=batch.token)

    def _count(self, target: Target, batch: Batch, rows: Rows) -> None:
        stored = len(batch.records) - len(rows.unreadable)
        poison = sum(1 for flaw in rows.columns.get("flaw", ()) if flaw)
        self._metrics.rows.labels(target.topic.name, "ok").inc(stored - poison)
        if poison:
            self._metrics.rows.labels(target.topic.name, "poison").inc(poison)
            log.warning(
                "poison stored",
                topic=batch.topic,
                partition=batch.partition,
                first_offset=batch.first_offset,
                last_offset=batch.last_offset,
                reasons=dict(Counter(str(flaw) for flaw in rows.columns["flaw"] if flaw)),
            )
        for record in rows.unreadable:
            self._metrics.unreadable.labels(target.topic.name).inc()
            log.error("unreadable record skipped", topic=batch.topic, partition=batch.partition, offset=record.offset)


async def read(target: Target, batch: Batch, *, expected: LastInsert | None) -> Rows:
    """A batch's columns, made in a thread. `expected`: it repeats that insert, and must equal it."""
    if expected is not None:
        _check_same(target, batch, expected)
    return await asyncio.to_thread(target.read, batch)


def _check_same(target: Target, batch: Batch, expected: LastInsert) -> None:
    """Refuse a log that gives other records at the offsets of the last insert than it gave then."""
    records = batch.records
    if len(records) == expected.rows:
        first, last = records[0], records[-1]
        digests = digest(key=first.key, value=first.value), digest(key=last.key, value=last.value)
        if digests == (expected.first_digest, expected.last_digest):
            return
    place = Place(topic=batch.topic, partition=batch.partition, table=target.table)
    found = f"the log holds other records at the offsets of the last insert ({expected.rows} rows) than the table"
    raise TopicRecreatedError(place, found, "Bring the old log back, or empty the table and start with --rebuild")
