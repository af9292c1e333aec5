"""Partial tallies merged into totals per unit: the latest share of each partition, summed.

Shares are absolute and say which offset they include, so an older or repeated one changes nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from schemas.tallies import Counts, Tally, UnitCounters
from streams.domain.tally import without_zeros


@dataclass(slots=True)
class _Unit:
    stock: dict[int, Tally] = field(default_factory=dict)  # by partition
    days: dict[str, dict[int, Tally]] = field(default_factory=dict)  # by day, then partition
    by_day: dict[str, Counts] = field(default_factory=dict)  # sums over partitions
    by_year: dict[str, Counts] = field(default_factory=dict)
    total: Counts = field(default_factory=dict)


class Totals:
    """Totals of many units. Sums are kept by difference: a new share costs its own size, not the year's."""

    def __init__(self) -> None:
        self._units: dict[str, _Unit] = {}

    def apply(self, tally: Tally) -> bool:
        """Take a share over; False when a newer one of its key is already known, and for parts of a unit's dossiers."""
        if tally.subset:
            return False
        unit = self._units.setdefault(tally.unit_id, _Unit())
        shares = unit.stock if tally.day is None else unit.days.setdefault(tally.day, {})
        known = shares.get(tally.partition)
        if known is not None and (known.offset, known.as_of) >= (tally.offset, tally.as_of):
            return False
        shares[tally.partition] = tally
        if tally.day is not None:
            before = known.counts if known is not None else {}
            for sums in (
                unit.by_day.setdefault(tally.day, {}),
                unit.by_year.setdefault(tally.day[:4], {}),
                unit.total,
            ):
                _replace(sums, before, tally.counts)
        return True

    def units(self) -> Iterable[str]:
        """Every unit that was ever counted."""
        return self._units.keys()

    def counters(self, unit_id: str) -> UnitCounters:
        """A unit's totals; `KeyError` for a unit never counted."""
        unit = self._units[unit_id]
        stock: Counts = {}
        for share in unit.stock.values():
            _replace(stock, {}, share.counts)
        return UnitCounters(
            unit_id=unit_id,
            version=sum(share.offset for share in unit.stock.values()),
            as_of=min((share.as_of for share in unit.stock.values()), default=0),
            stock=without_zeros(stock),
            total=without_zeros(unit.total),
            years={year: without_zeros(counts) for year, counts in sorted(unit.by_year.items())},
        )

    def days(self, unit_id: str) -> dict[str, Counts]:
        """A unit's flow by local day, in order; `KeyError` for a unit never counted."""
        return {day: without_zeros(counts) for day, counts in sorted(self._units[unit_id].by_day.items())}


def _replace(sums: Counts, before: Counts, after: Counts) -> None:
    for counter, count in before.items():
        sums[counter] = sums.get(counter, 0) - count
    for counter, count in after.items():
        sums[counter] = sums.get(counter, 0) + count
