"""Counters, derived from states and never stored as increments: a dossier moves between counts, and can be recounted.

Flow counts come from `Dossier.flows`; the stock bucket of an open dossier depends on the clock, so time is an argument.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterable
from functools import lru_cache
from typing import Final, NamedTuple, TypeVar

from schemas.state import Dossier, Flow
from schemas.tallies import (
    LINKED,
    OPEN_DUE_SOON,
    OPEN_OVERDUE,
    OPEN_PAUSED,
    OPEN_REGISTERED,
    OPEN_UNDATED,
    OPEN_WITHIN_DUE,
    WHOLE,
    Counts,
    is_of_procedure,
    of_procedure,
)

# Raise it when dossiers are counted differently: counts that a worker has on disk are then counted anew.
BOOK_VERSION: Final = 1


class Standing(NamedTuple):
    """Where an open dossier is counted, and until when the clock alone leaves it there."""

    bucket: str | None  # None: closed, or nothing known yet
    until: int | None  # the first moment at which it counts elsewhere; None: only an event moves it


NOWHERE = Standing(None, None)


def standing(dossier: Dossier, as_of: int) -> Standing:
    """The stock bucket at `as_of`; the limits were set by the policy when the promise was made."""
    if dossier.status is None or dossier.ended_at is not None:
        return NOWHERE
    if dossier.accepted_at is None:
        return Standing(OPEN_REGISTERED, None)
    if dossier.paused_at is not None:
        return Standing(OPEN_PAUSED, None)
    if dossier.closes_at is None or dossier.due_soon_at is None:
        return Standing(OPEN_UNDATED, None)
    if as_of > dossier.closes_at:
        return Standing(OPEN_OVERDUE, None)
    if as_of >= dossier.due_soon_at:
        return Standing(OPEN_DUE_SOON, dossier.closes_at + 1)
    return Standing(OPEN_WITHIN_DUE, dossier.due_soon_at)


class Footprint(NamedTuple):
    """All that a dossier adds to the counters."""

    unit_id: str
    bucket: str | None
    flows: tuple[Flow, ...]
    procedure_id: str | None
    is_linked: bool


def footprint(dossier: Dossier, bucket: str | None) -> Footprint:
    """What `dossier` adds now; `bucket` is its standing's."""
    return Footprint(dossier.unit_id or "", bucket, dossier.flows, dossier.procedure_id, dossier.root_id is not None)


Stock = tuple[str, str]  # unit, subset (empty: all of the unit's dossiers)
Day = tuple[str, str, str]  # unit, subset, day; of a procedure's subset the first day of the year
Key = TypeVar("Key", Stock, Day)


class _Counted(dict[Key, Counts]):
    """Counts by key; those of a key that is not here come from elsewhere."""

    def __init__(self, recall: Callable[..., Counts]) -> None:
        self._recall = recall

    def __missing__(self, key: Key) -> Counts:
        counts = self[key] = self._recall(*key)
        return counts

    def keep(self, keys: Container[Key]) -> None:
        """Drop all others."""
        for key in [key for key in self if key not in keys]:
            del self[key]


def _nothing(*_: str) -> Counts:
    return {}


class TallyBook:
    """The counters of one partition, and which of them moved since they were last taken.

    `recall` gives the counts of a unit, a subset and, for flow, a day, as they were last taken; without it nothing was.
    """

    def __init__(self, recall: Callable[..., Counts] = _nothing) -> None:
        self.stock: _Counted[Stock] = _Counted(recall)
        self.flow: _Counted[Day] = _Counted(recall)
        self.moved_stock: set[Stock] = set()
        self.moved_flow: set[Day] = set()
        self._waiting_stock: set[Stock] = set()  # moved earlier, left for later
        self._waiting_flow: set[Day] = set()

    def move(self, before: Footprint | None, after: Footprint) -> None:
        """Take a dossier out of where it was counted and count it where it is now."""
        if before is None:
            self._add_stock(after, 1)
            self._add_flows(after, after.flows, 1)
            return
        same = (before.procedure_id, before.is_linked) == (after.procedure_id, after.is_linked)
        if not same or (before.unit_id, before.bucket) != (after.unit_id, after.bucket):
            self._add_stock(before, -1)
            self._add_stock(after, 1)
        known = len(before.flows)
        if same and after.flows[:known] == before.flows:  # the fold only went on
            self._add_flows(after, after.flows[known:], 1)
        else:
            self._add_flows(before, before.flows, -1)
            self._add_flows(after, after.flows, 1)

    def take_moved(self, *, parts: bool) -> tuple[set[Stock], set[Day]]:
        """What moved since it was last taken; without `parts`, those of single procedures are left for later.

        What came down to nothing never waits: a worker that starts anew counts every part that still holds a dossier,
        and would not know of one that holds none.
        """
        stock, flow = self.moved_stock, self.moved_flow
        self.moved_stock, self.moved_flow = set(), set()
        if parts:
            stock |= self._waiting_stock
            flow |= self._waiting_flow
            self._waiting_stock, self._waiting_flow = set(), set()
            return stock, flow
        stock_waits = {key for key in stock if is_of_procedure(key[1]) and any(self.stock[key].values())}
        flow_waits = {key for key in flow if is_of_procedure(key[1]) and any(self.flow[key].values())}
        self._waiting_stock |= stock_waits
        self._waiting_flow |= flow_waits
        return stock - stock_waits, flow - flow_waits

    def forget(self) -> None:
        """Forget the counts that `recall` gives as they are: all but those that moved since they were last taken."""
        self.stock.keep(self.moved_stock | self._waiting_stock)
        self.flow.keep(self.moved_flow | self._waiting_flow)

    def _add_stock(self, of: Footprint, count: int) -> None:
        if of.bucket is None:
            return
        for subset, _ in _parts(of.procedure_id, of.is_linked):
            key = of.unit_id, subset
            counts = self.stock[key]
            counts[of.bucket] = counts.get(of.bucket, 0) + count
            self.moved_stock.add(key)

    def _add_flows(self, of: Footprint, flows: Iterable[Flow], count: int) -> None:
        parts = _parts(of.procedure_id, of.is_linked)
        for flow in flows:
            for subset, is_yearly in parts:
                key = flow.unit_id, subset, f"{flow.day[:4]}-01-01" if is_yearly else flow.day
                counts = self.flow[key]
                counts[flow.counter] = counts.get(flow.counter, 0) + count
                self.moved_flow.add(key)


@lru_cache(maxsize=4096)
def _parts(procedure_id: str | None, is_linked: bool) -> tuple[tuple[str, bool], ...]:
    """The unit's dossiers as a whole and the parts of them that are counted apart; whether a part's days are years."""
    parts = [(WHOLE, False)]
    if procedure_id is not None:
        parts.append((of_procedure(procedure_id), True))
    if is_linked:
        parts.append((LINKED, False))
    if is_linked and procedure_id is not None:
        parts.append((of_procedure(procedure_id, linked=True), True))
    return tuple(parts)


def recount(dossiers: Iterable[Dossier], as_of: int) -> TallyBook:
    """The counters from nothing but states: what the moving counters must equal."""
    book = TallyBook()
    for dossier in dossiers:
        book.move(None, footprint(dossier, standing(dossier, as_of).bucket))
    return book


def without_zeros(counts: Counts) -> Counts:
    """Counts as they are published: a counter that came back to zero is absent."""
    return {counter: count for counter, count in counts.items() if count}


def add_counts(shares: Iterable[Counts]) -> Counts:
    """The sum of several shares, counter by counter."""
    total: Counter[str] = Counter()
    for share in shares:
        total.update(share)
    return dict(total)
