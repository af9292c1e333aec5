"""Where a processor's time for an event goes, in this process: decode, fold, encode, keep; and how that cost grows."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final

from schemas.records import FetchedRecord
from schemas.reference import read_calendars, read_policies
from streams.cache import Cache
from streams.domain.deadline import Rulebook
from streams.domain.tally import BOOK_VERSION
from streams.kafka import Message
from streams.ledger import Ledger, read_records
from streams.slices import Record

SLICE: Final = 5_000  # events, as the worker's setting is
TICK: Final = 10  # slices, about a second of work: then counters by procedure are published too
NOW: Final = 1_640_970_000_000_000  # microseconds, the end of 2021


@dataclass(slots=True)
class Costs:
    """Seconds by part of the work."""

    decode: float = 0.0
    fold: float = 0.0
    encode: float = 0.0  # of the states and counters that moved, and the moving of counters
    keep: float = 0.0  # in the cache on disk

    @property
    def total(self) -> float:
        """All parts."""
        return sum(self.by_name().values())

    def by_name(self) -> dict[str, float]:
        """Each part, in the order of the work."""
        return asdict(self)


@contextmanager
def new_ledger() -> Iterator[Ledger]:
    """The books of a partition, by the rules that come with Hoso."""
    rules = Rulebook.of(read_policies(), read_calendars(), default="vn-day-1")
    with TemporaryDirectory() as folder:
        cache = Cache(Path(folder), book=BOOK_VERSION)
        try:
            yield Ledger(partition=0, rules=rules, cache=cache)
        finally:
            cache.close()


def records_of(messages: Iterable[Message]) -> list[Record]:
    """Messages as they are read from partition 0."""
    return [
        FetchedRecord("events", 0, offset, 0, 0, key, value, headers)
        for offset, (key, value, headers) in enumerate(messages)
    ]


def fold_all(ledger: Ledger, records: Sequence[Record], *, slice_events: int = SLICE) -> Costs:
    """Take records through the books slice by slice, as a shard does, without Kafka."""
    costs = Costs()
    for number, start in enumerate(range(0, len(records), slice_events), 1):
        portion = records[start : start + slice_events]
        ledger.advance(NOW)
        begun = perf_counter()
        read = read_records(portion)
        decoded = perf_counter()
        ledger.fold(portion, read)
        folded = perf_counter()
        changes = ledger.take_changes(next_offset=portion[-1].offset + 1, parts=number % TICK == 0)
        encoded = perf_counter()
        ledger.keep(changes, portion[-1].offset if changes.states else None)
        costs.decode += decoded - begun
        costs.fold += folded - decoded
        costs.encode += encoded - folded
        costs.keep += perf_counter() - encoded
    return costs
