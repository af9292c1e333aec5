"""Partial tallies merged into totals per unit: the latest share of each partition, summed.

Shares are absolute and say which offset they include, so an older or repeated one changes nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from schemas.tallies import LINKED, Counts, LinkedCounters, Tally, UnitCounters
from streams.domain.tally import without_zeros


@dataclass(slots=True)
class _Part:
    """A unit's dossiers, or those of them that are linked to a root elsewhere."""

    stock: dict[int, Tally] = field(default_factory=dict)  # by partition
    days: dict[str, dict[int, Tally]] = field(default_factory=dict)  # by day, then partition
    by_day: dict[str, Counts] = field(default_factory=dict)  # sums over partitions
    by_year: dict[str, Counts] = field(default_factory=dict)
    total: Counts = field(default_factory=dict)

    def apply(self, tally: Tally) -> bool:
        """Take a share over; False when a newer one of its key is already known."""
        shares = self.stock if tally.day is None else self.days.setdefault(tally.day, {})
        known = shares.get(tally.partition)
        if known is not None and (known.offset, known.as_of) >= (tally.offset, tally.as_of):
            return False
        shares[tally.partition] = tally
        if tally.day is not None:
            before = known.counts if known is not None else {}
            for sums in (
                self.by_day.setdefault(tally.day, {}),
                self.by_year.setdefault(tally.day[:4], {}),
                self.total,
            ):
                _replace(sums, before, tally.counts)
        return True

    def counts(self) -> tuple[Counts, Counts, dict[str, Counts]]:
        """Stock, flow since the first day, and flow by calendar year."""
        stock: Counts = {}
        for share in self.stock.values():
            _replace(stock, {}, share.counts)
        years = {year: without_zeros(counts) for year, counts in sorted(self.by_year.items())}
        return without_zeros(stock), without_zeros(self.total), years


@dataclass(slots=True)
class _Unit:
    whole: _Part = field(default_factory=_Part)
    linked: _Part | None = None


class Totals:
    """Totals of many units. Sums are kept by difference: a new share costs its own size, not the year's."""

    def __init__(self) -> None:
        self._units: dict[str, _Unit] = {}

    def apply(self, tally: Tally) -> bool:
        """Take a share over; False when a newer one of its key is already known, and for those of procedures."""
        if tally.subset not in ("", LINKED):
            return False
        unit = self._units.setdefault(tally.unit_id, _Unit())
        if not tally.subset:
            return unit.whole.apply(tally)
        unit.linked = unit.linked or _Part()
        return unit.linked.apply(tally)

    def units(self) -> Iterable[str]:
        """Every unit that was ever counted."""
        return self._units.keys()

    def counters(self, unit_id: str) -> UnitCounters:
        """A unit's totals; `KeyError` for a unit never counted."""
        unit = self._units[unit_id]
        stock, total, years = unit.whole.counts()
        linked = None
        if unit.linked is not None:
            linked_stock, linked_total, linked_years = unit.linked.counts()
            linked = LinkedCounters(stock=linked_stock, total=linked_total, years=linked_years)
        shares = unit.whole.stock.values()
        return UnitCounters(
            unit_id=unit_id,
            version=sum(share.offset for share in shares),
            as_of=min((share.as_of for share in shares), default=0),
            stock=stock,
            total=total,
            years=years,
            linked=linked,
        )

    def days(self, unit_id: str) -> dict[str, Counts]:
        """A unit's flow by local day, in order; `KeyError` for a unit never counted."""
        return {day: without_zeros(counts) for day, counts in sorted(self._units[unit_id].whole.by_day.items())}


def _replace(sums: Counts, before: Counts, after: Counts) -> None:
    for counter, count in before.items():
        sums[counter] = sums.get(counter, 0) - count
    for counter, count in after.items():
        sums[counter] = sums.get(counter, 0) + count
