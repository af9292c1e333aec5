"""Runs of records as one record, so that Faust's per-record machinery (250 us) runs once per slice.

`SliceScheduler` packs what one fetch brought for a partition; `SliceSchema` hands it to the agent untouched and never
raises, because a decode error raised inside Faust would lose the record.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from faust.serializers.schemas import Schema
from faust.transport.utils import DefaultSchedulingStrategy
from faust.types import TP


class Record(Protocol):
    """A consumed record: aiokafka's, or a test's."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Slice:
    """Consecutive records of one partition, in the shape that Faust expects of a single record."""

    topic: str
    partition: int
    value: list[Record]

    key: ClassVar[None] = None
    headers: ClassVar[tuple[()]] = ()
    checksum: ClassVar[None] = None
    serialized_key_size: ClassVar[int] = 0
    serialized_value_size: ClassVar[int] = 0

    @property
    def offset(self) -> int:
        """Of the last record: Faust goes on after it."""
        return self.value[-1].offset

    @property
    def timestamp(self) -> int:
        """Of the last record, milliseconds."""
        return self.value[-1].timestamp

    @property
    def timestamp_type(self) -> int:
        """Of the last record."""
        return self.value[-1].timestamp_type


class SliceScheduler(DefaultSchedulingStrategy):
    """Yields slices instead of records, round robin over partitions."""

    events_max: ClassVar[int]

    @classmethod
    def of(cls, events_max: int) -> type["SliceScheduler"]:
        """Faust takes a class, so the limit travels as a class attribute."""
        return type(cls.__name__, (cls,), {"events_max": events_max})

    def iterate(self, records: Mapping[TP, list[Record]]) -> Iterator[tuple[TP, Any]]:
        """Cut what was fetched into slices."""
        return super().iterate({tp: self._cut(tp, run) for tp, run in records.items()})

    def _cut(self, tp: TP, run: list[Record]) -> list[Slice]:
        size = self.events_max
        return [Slice(tp.topic, tp.partition, run[start : start + size]) for start in range(0, len(run), size)]


class SliceSchema(Schema):
    """No decoding here: whoever owns the partition decodes, and parks what it cannot."""

    def loads_key(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> Any:  # noqa: ARG002
        """A slice has no key."""
        return None

    def loads_value(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> Any:  # noqa: ARG002
        """The records as they came."""
        return message.value
