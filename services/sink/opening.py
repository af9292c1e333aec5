"""From assigned partitions to positions: asks the table and the log, decides, and seeks."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from services.sink.batches import Cutter
from services.sink.checkpoint import Log, Mark, Place, decide
from services.sink.clickhouse import Warehouse
from services.sink.marks import NO_RECORD, LastInsert, last_insert
from services.sink.targets import Target

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Lane:
    """An open partition: where its records go, and how they are cut."""

    target: Target
    cutter: Cutter
    at: int  # the offset to read from
    mark: Mark | None
    expected: LastInsert | None  # what its first batch must equal, when that one repeats an insert


@dataclass(frozen=True, slots=True, kw_only=True)
class Opener:
    """Opens partitions; raises `UnsafeStartError` when going on would not be safe."""

    consumer: AIOKafkaConsumer
    warehouse: Warehouse
    targets: Mapping[str, Target]  # by name of the topic
    rows_max: int
    wait_s: float
    rebuild: bool

    async def open(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, Lane]:
        """A lane for each partition."""
        marks = {
            topic: await asyncio.to_thread(self.targets[topic].marks, self.warehouse)
            for topic in {partition.topic for partition in partitions}
        }
        starts = await self.consumer.beginning_offsets(list(partitions))
        ends = await self.consumer.end_offsets(list(partitions))
        lanes = {
            partition: await self._lane(
                partition,
                marks[partition.topic].get(partition.partition),
                Log(start=starts[partition], end=ends[partition]),
            )
            for partition in sorted(partitions)
        }
        for topic in sorted(marks):
            reads_from = {part.partition: lane.at for part, lane in lanes.items() if part.topic == topic}
            log.info("partitions opened", topic=topic, reads_from=reads_from)
        return lanes

    async def _lane(self, partition: TopicPartition, mark: Mark | None, log_: Log) -> Lane:
        target = self.targets[partition.topic]
        committed = await self.consumer.committed(partition)
        place = Place(topic=partition.topic, partition=partition.partition, table=target.table)
        start = decide(place, mark=mark, committed=committed, log=log_, rebuild=self.rebuild)
        expected = None
        if mark is not None and start.repeat_to is not None:
            expected = await asyncio.to_thread(last_insert, self.warehouse, partition.partition, mark)
        cutter = Cutter(
            topic=partition.topic,
            partition=partition.partition,
            prev_offset=expected.prev_offset if expected else mark.last if mark else NO_RECORD,
            rows_max=self.rows_max,
            wait_s=self.wait_s,
            repeat_to=start.repeat_to,
        )
        return Lane(target, cutter, start.at, mark, expected)
