"""Records as they come from Kafka, for the sink's tests."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.sink.batches import Batch


@dataclass(slots=True)
class FakeRecord:
    """A consumed record."""

    offset: int
    value: bytes | None = b"{}"
    key: bytes | None = b"D1"
    headers: Sequence[tuple[str, bytes | None]] = ()
    timestamp: int = 1_614_562_200_000  # 2021-03-01 08:30 in the office


def batch(*records: FakeRecord, prev_offset: int = -1) -> Batch:
    """The records as one batch of partition 3."""
    return Batch(topic="t", partition=3, records=records, prev_offset=prev_offset)
