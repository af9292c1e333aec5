"""Topics in memory, and a consumer that reads them as aiokafka's does."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiokafka.structs import TopicPartition


class Record(msgspec.Struct):
    """A record as a consumer gives it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]] = []
    timestamp: int = 1_700_000_000_000
    timestamp_type: int = 0


@dataclass
class Topics:
    """Records by partition; numbers may be passed over, as commit markers do."""

    records: dict[TopicPartition, list[Record]] = field(default_factory=lambda: defaultdict(list))
    ends: dict[TopicPartition, int] = field(default_factory=lambda: defaultdict(int))

    def write(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Any = ()) -> int:
        """Append a record; its offset."""
        tp = TopicPartition(topic, partition)
        self.records[tp].append(Record(topic, partition, self.ends[tp], key, value, list(headers)))
        self.ends[tp] += 1
        return self.ends[tp] - 1

    def mark(self, topic: str, partition: int) -> None:
        """A number without a record."""
        self.ends[TopicPartition(topic, partition)] += 1

    def consumer(self, **_settings: Any) -> "MemoryConsumer":
        """What stands for `AIOKafkaConsumer`."""
        return MemoryConsumer(self)


class MemoryConsumer:
    """The few calls that the audit makes."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._positions: dict[TopicPartition, int] = {}

    async def __aenter__(self) -> "MemoryConsumer":
        return self

    async def __aexit__(self, *_error: object) -> None:
        return None

    def assign(self, partitions: list[TopicPartition]) -> None:
        self._positions = dict.fromkeys(partitions, 0)

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self._positions[tp] = offset

    async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: self._topics.ends[tp] for tp in partitions}

    async def position(self, tp: TopicPartition) -> int:
        return self._positions[tp]

    async def getmany(self, tp: TopicPartition, timeout_ms: int) -> dict[TopicPartition, list[Record]]:
        found = [record for record in self._topics.records[tp] if record.offset >= self._positions[tp]]
        self._positions[tp] = self._topics.ends[tp]
        return {tp: found}
