"""The newest partial tallies merged into units: what is counted, without a broker and without a clock.

Promises: only the newest record of a key counts, so repeats and any interleaving of partitions give the same sums; a
unit that no tally ever named has no numbers, which is not the same as zeros; a unit's numbers hold those of the units
below it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from sys import intern
from typing import Final, NamedTuple

import msgspec

from schemas.reference import Unit
from schemas.tallies import Counts, Progress, Tally

DAY_AT: Final = 2  # `unit/partition/day`
_TALLY: Final = msgspec.json.Decoder(Tally)
_PROGRESS: Final = msgspec.json.Decoder(Progress)


class Heartbeat(NamedTuple):
    """A partition's newest sign of life and when it was written, in milliseconds of the writer's clock."""

    progress: Progress
    at_ms: int


class Changes(NamedTuple):
    """What moved since it was last asked: units whose numbers differ, and whether the units themselves do."""

    units: frozenset[str]
    hierarchy: bool


@dataclass(slots=True)
class Sums:
    """One unit's own numbers over all partitions. Days are ISO texts, which sort as dates do."""

    keys: int = 0  # tallies that are in here; none left: the unit is unknown again
    stock: Counts = field(default_factory=dict)
    years: dict[str, Counts] = field(default_factory=dict)
    days: dict[str, dict[str, Counts]] = field(default_factory=dict)  # by year, then day

    def add(self, day: str, counts: Counts, sign: int) -> None:
        """Put a tally's counts in (`sign` 1) or take them out (-1); no `day`: they are stock."""
        self.keys += sign
        if day:
            year = intern(day[:4])
            add_counts(self.years.setdefault(year, {}), counts, sign)
            add_counts(self.days.setdefault(year, {}).setdefault(intern(day), {}), counts, sign)
        else:
            add_counts(self.stock, counts, sign)


class Board:
    """Apply records in the order of their partition; read sums at any time."""

    def __init__(self) -> None:
        self.units: dict[str, Unit] = {}  # in the order of the topic, which is the order for people
        self._heartbeats: dict[str, Heartbeat] = {}
        self._newest: dict[str, Counts] = {}  # by the topic's key
        self._sums: dict[str, Sums] = {}
        self._below: dict[str | None, list[str]] | None = None  # who hangs below whom; None: to be found again
        self._moved: set[str] = set()
        self._hierarchy_moved = False

    @property
    def heartbeats(self) -> list[Heartbeat]:
        """The newest of each partition that ever gave one, by partition."""
        return sorted(self._heartbeats.values(), key=lambda heartbeat: heartbeat.progress.partition)

    def apply_tally(self, key: str, value: bytes | None, *, at_ms: int) -> None:
        """A record of `unit-tallies`; None takes the key back. `msgspec.MsgspecError`: it is no tally, skip it."""
        if key.startswith("/"):
            self._apply_heartbeat(key, value, at_ms)
            return
        if key.count("/") > DAY_AT:
            return  # a part of the unit's dossiers
        new = None if value is None else _TALLY.decode(value).counts
        old = self._newest.get(key)
        if new == old:
            return
        if new is not None:
            self._newest[key] = new
            self._move(key, new, 1)
        elif old is not None:
            del self._newest[key]
        if old is not None:
            self._move(key, old, -1)

    def apply_unit(self, key: str, value: bytes | None) -> None:
        """A record of `units`; None takes the unit's name away. `pydantic.ValidationError`: it is no unit, skip it."""
        new = None if value is None else Unit.model_validate_json(value)
        if new == self.units.get(key):
            return
        if new is None:
            del self.units[key]
        else:
            self.units[key] = new
        self._regroup()

    def take_changes(self) -> Changes:
        """What moved since the last call: with each unit, those above it."""
        moved = frozenset(above for unit_id in self._moved for above in self._upwards(unit_id))
        changes = Changes(moved, self._hierarchy_moved)
        self._moved.clear()
        self._hierarchy_moved = False
        return changes

    def unit_ids(self) -> list[str]:
        """Every unit, named or only counted, each followed by those below it."""
        return [unit_id for root in self._tree().get(None, []) for unit_id in self._downwards(root)]

    def parent_of(self, unit_id: str) -> str | None:
        """The unit above, when it is known. Units that go round in a circle have none: every unit has a root."""
        parent = above = self._named_parent(unit_id)
        passed: set[str] = set()
        while above is not None and above not in passed:
            if above == unit_id:
                return None
            passed.add(above)
            above = self._named_parent(above)
        return parent

    def own(self, unit_id: str) -> Sums | None:
        """The unit's numbers without those below it; None: no data yet."""
        return self._sums.get(unit_id)

    def family(self, unit_id: str) -> list[Sums]:
        """The own numbers of the unit and of all below it, as far as there are any; empty: no data yet."""
        return [self._sums[each] for each in self._downwards(unit_id) if each in self._sums]

    def _apply_heartbeat(self, key: str, value: bytes | None, at_ms: int) -> None:
        if value is None:
            self._heartbeats.pop(key, None)
        else:
            self._heartbeats[key] = Heartbeat(_PROGRESS.decode(value), at_ms)

    def _move(self, key: str, counts: Counts, sign: int) -> None:
        unit_id, _, place = key.partition("/")
        sums = self._sums.setdefault(unit_id, Sums())
        first = not sums.keys
        sums.add(place.partition("/")[2], counts, sign)
        if not sums.keys:
            del self._sums[unit_id]
        if (first or not sums.keys) and unit_id not in self.units:
            self._regroup()  # a unit that has numbers but no name comes or goes
        self._moved.add(unit_id)

    def _regroup(self) -> None:
        self._below = None
        self._hierarchy_moved = True

    def _everyone(self) -> Iterator[str]:
        yield from self.units
        yield from (unit_id for unit_id in self._sums if unit_id not in self.units)

    def _tree(self) -> dict[str | None, list[str]]:
        if self._below is None:
            self._below = {}
            for unit_id in self._everyone():
                self._below.setdefault(self.parent_of(unit_id), []).append(unit_id)
        return self._below

    def _named_parent(self, unit_id: str) -> str | None:
        unit = self.units.get(unit_id)
        return unit.parent_id if unit and unit.parent_id in self.units else None

    def _upwards(self, unit_id: str) -> Iterator[str]:
        above: str | None = unit_id
        while above is not None:
            yield above
            above = self.parent_of(above)

    def _downwards(self, unit_id: str) -> Iterator[str]:
        yield unit_id
        for below in self._tree().get(unit_id, []):
            yield from self._downwards(below)


def add_counts(into: Counts, counts: Counts, sign: int = 1) -> None:
    """Add `counts` to `into` in place; `sign` -1 subtracts."""
    for counter, count in counts.items():
        into[counter] = into.get(counter, 0) + sign * count
