"""The newest partial tallies merged into units: what is counted, without a broker and without a clock.

Promises: only the newest record of a key counts, so repeats and any interleaving of partitions give the same sums; a
unit that no tally ever named has no numbers, which is not the same as zeros; a unit's numbers hold those of the units
below it, and each dossier of several levels once (`counted_once`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from sys import intern
from typing import Final, NamedTuple

import msgspec

from schemas.reference import ProcedureRecord, Unit
from schemas.tallies import Counts, Progress, Tally, read_subset

_TALLY: Final = msgspec.json.Decoder(Tally)
_PROGRESS: Final = msgspec.json.Decoder(Progress)


class Heartbeat(NamedTuple):
    """A partition's newest sign of life and when it was written, in milliseconds of the writer's clock."""

    progress: Progress
    at_ms: int


class Changes(NamedTuple):
    """What moved since it was last asked: units whose numbers differ, and whether the units or procedures do."""

    units: frozenset[str]
    hierarchy: bool


@dataclass(slots=True)
class Sums:
    """Numbers of some dossiers over all partitions. Days are ISO texts, which sort as dates do."""

    stock: Counts = field(default_factory=dict)
    years: dict[str, Counts] = field(default_factory=dict)
    days: dict[str, dict[str, Counts]] = field(
        default_factory=dict
    )  # by year, then day; a procedure's year lies on its first

    def add(self, day: str, counts: Counts, sign: int) -> None:
        """Put a tally's counts in (`sign` 1) or take them out (-1); no `day`: they are stock."""
        if day:
            year = intern(day[:4])
            add_counts(self.years.setdefault(year, {}), counts, sign)
            add_counts(self.days.setdefault(year, {}).setdefault(intern(day), {}), counts, sign)
        else:
            add_counts(self.stock, counts, sign)

    def less(self, part: "Sums") -> "Sums":
        """These numbers without those of a part of the dossiers."""
        return Sums(
            stock=_difference(self.stock, part.stock),
            years=_differences(self.years, part.years),
            days={year: _differences(days, part.days.get(year, {})) for year, days in self.days.items()},
        )


@dataclass(slots=True)
class Part:
    """Some of a unit's dossiers, and those among them that are linked to a root elsewhere."""

    all: Sums = field(default_factory=Sums)
    linked: Sums = field(default_factory=Sums)
    _rooted: Sums | None = None

    @property
    def rooted(self) -> Sums:
        """All but the linked."""
        if not (self.linked.stock or self.linked.years):
            return self.all
        if self._rooted is None:
            self._rooted = self.all.less(self.linked)
        return self._rooted

    def add(self, day: str, counts: Counts, sign: int, *, linked: bool) -> None:
        """Put a tally's counts in or take them out, as `Sums.add` does."""
        self._rooted = None
        (self.linked if linked else self.all).add(day, counts, sign)


@dataclass(slots=True)
class UnitSums:
    """A unit's own dossiers, as a whole and by procedure."""

    keys: int = 0  # tallies that are in here; none left: the unit is unknown again
    whole: Part = field(default_factory=Part)
    procedures: dict[str, Part] = field(default_factory=dict)


def counted_once(parts: Iterable[Part], *, levels: bool) -> list[Sums]:
    """What a unit counts of its own part and of those of the units below it; `levels`: there are units below it.

    The root of a linked dossier is the one that the applicant filed, which lies at or below every level that handles
    it. So a sum over levels holds the root already, and takes the linked of every part off: the application counts
    once, where it was filed. A unit without units below counts all that lies with it, the linked included (ADR 0012).
    """
    return [part.rooted if levels else part.all for part in parts]


class Board:
    """Apply records in the order of their partition; read sums at any time."""

    def __init__(self) -> None:
        self.units: dict[str, Unit] = {}  # in the order of the topic, which is the order for people
        self.procedures: dict[str, ProcedureRecord] = {}
        self._heartbeats: dict[str, Heartbeat] = {}
        self._newest: dict[str, Counts] = {}  # by the topic's key
        self._sums: dict[str, UnitSums] = {}
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

    def apply_procedure(self, key: str, value: bytes | None) -> None:
        """A record of `procedures`; None takes it back. `pydantic.ValidationError`: it is no procedure, skip it."""
        new = None if value is None else ProcedureRecord.model_validate_json(value)
        if new == self.procedures.get(key):
            return
        if new is None:
            del self.procedures[key]
        else:
            self.procedures[key] = new
        self._hierarchy_moved = True

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

    def own(self, unit_id: str) -> Part | None:
        """The unit's numbers without those below it; None: no data yet."""
        sums = self._sums.get(unit_id)
        return sums.whole if sums else None

    def family(self, unit_id: str) -> list[Sums]:
        """What the unit counts, its own and that of all below it, as far as there is any; empty: no data yet."""
        return counted_once((sums.whole for sums in self._below_and(unit_id)), levels=self._has_levels(unit_id))

    def by_procedure(self, unit_id: str) -> dict[str, list[Sums]]:
        """The same by procedure: stock and whole years."""
        parts: dict[str, list[Part]] = {}
        for sums in self._below_and(unit_id):
            for procedure_id, part in sums.procedures.items():
                parts.setdefault(procedure_id, []).append(part)
        levels = self._has_levels(unit_id)
        return {procedure_id: counted_once(found, levels=levels) for procedure_id, found in parts.items()}

    def everywhere(self) -> dict[str, list[Sums]]:
        """All units' numbers by procedure, each dossier of several levels once."""
        parts: dict[str, list[Sums]] = {}
        for sums in self._sums.values():
            for procedure_id, part in sums.procedures.items():
                parts.setdefault(procedure_id, []).append(part.rooted)
        return parts

    def _below_and(self, unit_id: str) -> Iterator[UnitSums]:
        return (self._sums[each] for each in self._downwards(unit_id) if each in self._sums)

    def _has_levels(self, unit_id: str) -> bool:
        return bool(self._tree().get(unit_id))

    def _apply_heartbeat(self, key: str, value: bytes | None, at_ms: int) -> None:
        if value is None:
            self._heartbeats.pop(key, None)
        else:
            self._heartbeats[key] = Heartbeat(_PROGRESS.decode(value), at_ms)

    def _move(self, key: str, counts: Counts, sign: int) -> None:
        unit_id, _, place = key.partition("/")
        sums = self._sums.setdefault(unit_id, UnitSums())
        first = not sums.keys
        sums.keys += sign
        _, day, subset = [*place.split("/"), "", ""][:3]
        procedure_id, linked = read_subset(subset)
        part = sums.whole if procedure_id is None else sums.procedures.setdefault(procedure_id, Part())
        part.add(day, counts, sign, linked=linked)
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


def _difference(counts: Counts, part: Counts) -> Counts:
    left = dict(counts)
    add_counts(left, part, -1)
    return left


def _differences(counts: dict[str, Counts], parts: dict[str, Counts]) -> dict[str, Counts]:
    return {key: _difference(each, parts[key]) if key in parts else each for key, each in counts.items()}
