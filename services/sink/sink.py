"""The loop: records from Kafka into their tables, batch by batch, until told to stop.

The order of things is the guarantee: an insert is stored before Kafka hears of it, and after any end, also kill -9,
the tables say where to go on. What is committed to Kafka is a hint for dashboards.
"""

import asyncio
import socket
from contextlib import suppress
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka.errors import IllegalStateError, KafkaError, OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from schemas.errors import Unavailable
from schemas.settings import Settings
from services.sink.checkpoint import check_topic
from services.sink.clickhouse import Warehouse
from services.sink.inserts import Inserts, read
from services.sink.marks import filled_from, remember_topic
from services.sink.metrics import Metrics
from services.sink.opening import Lane, Opener
from services.sink.retry import patiently
from services.sink.targets import TARGETS
from services.sink.topic_ids import topic_ids

POLL_S_MAX: Final = 0.2  # how late a stop is heard
BUSY_S: Final = 0.05  # how late the end of an insert is seen when no record comes
TELL_S: Final = 1.0
START_S_MAX: Final = 60.0  # broker and topics may be starting too
FETCH_BYTES: Final = 4 * 1024 * 1024
SESSION_MS: Final = 45_000  # an insert ends within 30 s: by the time a partition is given away, it is over

log = structlog.get_logger()


class Sink(ConsumerRebalanceListener):
    """One member of the group `hoso-sink`."""

    def __init__(
        self, settings: Settings, warehouse: Warehouse, *, metrics: Metrics, stop: asyncio.Event, rebuild: bool = False
    ) -> None:
        self._settings = settings
        self._warehouse = warehouse
        self._metrics = metrics
        self._stop = stop
        self._rebuild = rebuild
        self._targets = {settings.topics[target.topic]: target for target in TARGETS}
        self._inserts = Inserts(warehouse, metrics=metrics, stop=stop)
        self._assigned: set[TopicPartition] = set()
        self._lanes: dict[TopicPartition, Lane] = {}
        self._told_at = 0.0
        self._hinted: dict[TopicPartition, int] = {}

    async def check(self) -> str:
        """What is missing before all assigned partitions are read; empty when nothing is."""
        if not self._assigned:
            return "no partition is assigned yet"
        waiting = len(self._assigned - self._lanes.keys())
        return f"{waiting} partitions are not open yet" if waiting else ""

    async def run(self) -> None:
        """Move records until `stop` is set; then finish the insert in hand."""
        await patiently(self._know_topics, stop=self._stop, limit_s=START_S_MAX)
        consumer = await patiently(self._join, stop=self._stop, limit_s=START_S_MAX)
        opener = Opener(
            consumer=consumer,
            warehouse=self._warehouse,
            targets=self._targets,
            rows_max=self._settings.sink_rows_max,
            wait_s=self._settings.sink_wait_s,
            rebuild=self._rebuild,
        )
        try:
            while not self._stop.is_set():
                await self._open(opener)
                await self._take(consumer)
                await self._tell(consumer)
            await self._inserts.settle()
            self._told_at = 0.0
            await self._tell(consumer)
        except KafkaError as error:
            raise Unavailable(f"the broker at {self._settings.bootstrap} failed: {error!r}") from error
        finally:
            await self._inserts.idle()
            await consumer.stop()

    async def on_partitions_revoked(self, _revoked: set[TopicPartition]) -> None:
        """Give up: what is in hand is stored before the next owner asks the table, what waits is dropped."""
        self._assigned = set()
        self._lanes.clear()
        await self._inserts.idle()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """The loop opens them; until then nothing is read from them."""
        self._assigned = set(assigned)

    async def _know_topics(self) -> None:
        ids = await topic_ids(self._settings.bootstrap, self._targets)
        for topic, target in self._targets.items():
            known = await asyncio.to_thread(filled_from, self._warehouse, target.table)
            check_topic(topic=topic, table=target.table, filled_from=known, topic_id=ids[topic])
            if known is None:
                await asyncio.to_thread(remember_topic, self._warehouse, target.table, topic, ids[topic])

    async def _join(self) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.bootstrap,
            group_id=f"{self._settings.topic_prefix}hoso-sink",
            # A known member that comes back after kill -9 gets its partitions at once, not when its session has ended.
            group_instance_id=f"{socket.gethostname()}-{self._settings.sql_port}",
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            session_timeout_ms=SESSION_MS,
            max_partition_fetch_bytes=FETCH_BYTES,
        )
        try:
            await consumer.start()
        except KafkaError as error:
            await consumer.stop()
            raise Unavailable(f"no broker answers at {self._settings.bootstrap}; check HOSO_KAFKA") from error
        consumer.subscribe(list(self._targets), listener=self)
        return consumer

    async def _open(self, opener: Opener) -> None:
        """Open what is assigned and not yet open. A rebalance meanwhile makes it void."""
        assigned = self._assigned
        new = assigned - self._lanes.keys()
        if not new:
            return
        opened = await patiently(lambda: opener.open(new), stop=self._stop)
        if self._assigned is not assigned:
            return
        for partition, lane in opened.items():
            with suppress(IllegalStateError):  # taken away just now
                opener.consumer.seek(partition, lane.at)
                self._lanes[partition] = lane
                if lane.mark:
                    self._inserts.stored[partition] = lane.mark.last

    async def _take(self, consumer: AIOKafkaConsumer) -> None:
        """Read what has come, and hand over what makes a batch."""
        clock = asyncio.get_running_loop().time
        if not self._lanes:
            await asyncio.sleep(POLL_S_MAX)
            return
        dues = [due for lane in self._lanes.values() if (due := lane.cutter.due_at) is not None]
        timeout_s = min([POLL_S_MAX, *(max(due - clock(), 0.0) for due in dues)])
        if self._inserts.is_busy:
            timeout_s = BUSY_S
        try:
            fetched = await consumer.getmany(
                *self._lanes, timeout_ms=int(timeout_s * 1000), max_records=self._settings.sink_rows_max
            )
        except OffsetOutOfRangeError as error:
            await self._inserts.settle()
            for partition in error.args[0]:  # the log has changed under us: decide again
                self._lanes.pop(partition, None)
            return
        now = clock()
        for partition, records in fetched.items():
            if lane := self._lanes.get(partition):
                lane.cutter.add(records, now=now)
        for partition, lane in [*self._lanes.items()]:
            # Behind an insert, batches grow: large ones cost less a row, and make fewer parts to merge.
            while batch := lane.cutter.cut(now=clock(), behind=self._inserts.is_busy):
                expected = lane.expected if batch.repeats else None
                rows = asyncio.create_task(read(lane.target, batch, expected=expected))
                await self._inserts.settle()
                if self._lanes.get(partition) is not lane or self._stop.is_set():
                    rows.cancel()
                    break  # taken away while we waited
                self._inserts.start(lane.target, batch, rows=rows)

    async def _tell(self, consumer: AIOKafkaConsumer) -> None:
        """Now and then, tell metrics and Kafka how far the tables are; whether Kafka hears does not matter."""
        now = asyncio.get_running_loop().time()
        if now < self._told_at + TELL_S:
            return
        self._told_at = now
        hints: dict[TopicPartition, int] = {}
        try:
            for partition, lane in self._lanes.items():
                reached = await self._reached(consumer, partition, lane)
                end = consumer.highwater(partition)
                if end is not None:
                    self._metrics.lag.labels(lane.target.topic.name, partition.partition).set(max(end - reached, 0))
                if partition in self._inserts.stored:  # an empty table must not look as if it had been filled
                    hints[partition] = reached
            if hints != self._hinted:
                await consumer.commit(hints)
                self._hinted = hints
        except KafkaError as error:
            log.info("hint not committed", reason=type(error).__name__)

    async def _reached(self, consumer: AIOKafkaConsumer, partition: TopicPartition, lane: Lane) -> int:
        """The offset below which everything is stored. Past the last record there may be commit markers."""
        in_hand = self._inserts.in_hand
        if in_hand and (in_hand.topic, in_hand.partition) == partition:
            return in_hand.first_offset
        waiting = lane.cutter.first_offset
        return int(await consumer.position(partition)) if waiting is None else waiting
