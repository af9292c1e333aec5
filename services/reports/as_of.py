"""Dossiers and figures on two axes: as they stood at T, by what was known at K (ADR 0011).

T keeps out facts that happened later in the office; K keeps out records that came into the log later. Retractions are
knowledge: one that was known by K counts, whatever its own time. Everything is folded anew by the core, so an answer
never depends on what the tables conclude today.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from schemas.state import Dossier
from schemas.tallies import FLOW, STOCK, Counts
from services.reports.log import Ask, Known, Selection, last_recorded, read_known
from streams.domain.deadline import Rulebook
from streams.domain.dossier import fold, micros
from streams.domain.story import happened_by
from streams.domain.tally import recount, without_zeros

OFFICE: Final = ZoneInfo("Asia/Ho_Chi_Minh")  # the marts' clock
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The two instants of a question."""

    at: datetime  # T: what happened in the office up to here
    known_at: datetime  # K: what was in the log up to here

    @classmethod
    def of(cls, ask: Ask, *, now: datetime, at: datetime | None = None, known_at: datetime | None = None) -> "View":
        """Both instants: what was not asked for is now, and K is no later than the newest record."""
        newest = last_recorded(ask) or now
        return cls(at=at or min(now, known_at or now), known_at=known_at or newest)

    @classmethod
    def of_period(cls, ask: Ask, last_on: date, *, now: datetime, known_at: datetime | None = None) -> "View":
        """The view of a report: as of the end of its last day, or of the question when that came before it."""
        return cls.of(ask, now=now, at=min(end_of(last_on), known_at or now), known_at=known_at)


def instant_of(text: str) -> datetime:
    """An instant as people write it: a day (its end), or an ISO time, without a zone on the office's clock.

    A plus sign that came through a URL as a space is read as one. `ValueError` for anything else.
    """
    if len(text) == len("2021-01-31"):
        return end_of(date.fromisoformat(text))
    moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    return moment if moment.tzinfo else moment.replace(tzinfo=OFFICE)


def end_of(day: date) -> datetime:
    """The last moment of an office's day."""
    return datetime.combine(day + timedelta(days=1), time(0), OFFICE) - timedelta(microseconds=1)


def moment_of(micros_: int | None) -> datetime | None:
    """A moment of the core on the office's clock."""
    return None if micros_ is None else (EPOCH + timedelta(microseconds=micros_)).astimezone(OFFICE)


def state_of(known: Known, rules: Rulebook, at: datetime) -> Dossier:
    """The dossier as of `at`, with the offset that its state would carry."""
    dossier = fold(known.dossier_id, happened_by(known.entries, micros(at)), rules)
    dossier.offset = known.event_offset
    return dossier


def dossiers_as_of(
    ask: Ask,
    view: View,
    rules: Rulebook,
    *,
    units: Sequence[str] = (),
    dossiers: Sequence[str] = (),
    counts: Mapping[int, int] | None = None,
    advance: Callable[[int], None] = lambda _records: None,
) -> Iterator[Dossier]:
    """Every chosen dossier of which something had happened by T."""
    selection = Selection(units=units, dossiers=dossiers, known_at=view.known_at)
    for known in read_known(ask, selection, counts=counts, advance=advance):
        dossier = state_of(known, rules, view.at)
        if dossier.status is not None:
            yield dossier


def counters_as_of(dossiers: Iterator[Dossier], at: datetime, unit_id: str) -> Counts:
    """A unit's stock at T and its flows up to T."""
    book = recount(dossiers, micros(at))
    total: dict[str, int] = dict.fromkeys((*STOCK, *FLOW), 0)
    found = [book.stock.get((unit_id, ""), {})]
    found += [counts for (unit, subset, _), counts in book.flow.items() if (unit, subset) == (unit_id, "")]
    for counts in found:
        for counter, count in without_zeros(counts).items():
            total[counter] += count
    return total
