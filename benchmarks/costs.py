"""Where a processor's time for an event goes, in this process: decode, fold, encode; and how that cost grows."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Final

from schemas.records import FetchedRecord
from schemas.reference import read_calendars, read_policies
from streams.domain.deadline import Rulebook
from streams.kafka import Message
from streams.ledger import Ledger, read_records
from streams.slices import Record

SLICE: Final = 5_000  # events, as the worker's setting is
NOW: Final = 1_640_970_000_000_000  # microseconds, the end of 2021


@dataclass(slots=True)
class Costs:
    """Seconds by part of the work."""

    decode: float = 0.0
    fold: float = 0.0
    encode: float = 0.0  # of the states and counters that moved, and the moving of counters

    @property
    def total(self) -> float:
        """All parts."""
        return sum(self.by_name().values())

    def by_name(self) -> dict[str, float]:
        """Each part, in the order of the work."""
        return asdict(self)


def new_ledger() -> Ledger:
    """The books of a partition, by the rules that come with Hoso."""
    return Ledger(partition=0, rules=Rulebook.of(read_policies(), read_calendars(), default="vn-day-1"))


def records_of(messages: Iterable[Message]) -> list[Record]:
    """Messages as they are read from partition 0."""
    return [
        FetchedRecord("events", 0, offset, 0, 0, key, value, headers)
        for offset, (key, value, headers) in enumerate(messages)
    ]


def fold_all(ledger: Ledger, records: Sequence[Record], *, slice_events: int = SLICE) -> Costs:
    """Take records through the books slice by slice, as a shard does, without Kafka."""
    costs = Costs()
    for start in range(0, len(records), slice_events):
        portion = records[start : start + slice_events]
        ledger.advance(NOW)
        begun = perf_counter()
        read = read_records(portion)
        decoded = perf_counter()
        ledger.fold(portion, read)
        folded = perf_counter()
        ledger.take_changes(next_offset=portion[-1].offset + 1, parts=False)
        costs.decode += decoded - begun
        costs.fold += folded - decoded
        costs.encode += perf_counter() - folded
    return costs
