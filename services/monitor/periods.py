"""From a unit's sums to the numbers people read: periods with opening and closing stock, and shares.

Opening and closing stock follow from the flow alone: what came in before a day and did not leave before it. So every
period balances by construction, and only the stock at the present instant depends on the clock.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Final

from schemas.reference import Unit
from schemas.state import Timeliness
from schemas.tallies import (
    FLOW,
    OPEN_ACCEPTED,
    RECEIVED,
    REOPENED,
    RESOLVED,
    STOCK,
    TRANSFERRED_IN,
    TRANSFERRED_OUT,
    Counts,
)
from services.monitor.board import Sums, add_counts
from services.monitor.views import Flow, Period, Share, Stock, UnitView

ONE_DAY: Final = timedelta(days=1)


def unit_view(
    unit_id: str, *, unit: Unit | None, parent_id: str | None, family: Sequence[Sums], today: date | None
) -> UnitView:
    """A unit as watchers see it; `family` are the sums of the unit and of those below it, empty for no data."""
    stock = sum_counts(sums.stock for sums in family)
    return UnitView(
        id=unit_id,
        name_vi=unit.name_vi if unit else unit_id,
        name_en=unit.name_en if unit else unit_id,
        parent_id=parent_id,
        valid_from=unit.valid_from if unit else None,
        valid_to=unit.valid_to if unit else None,
        stock=Stock(**{counter: stock.get(counter, 0) for counter in STOCK}) if family else None,
        in_progress=sum(stock.get(counter, 0) for counter in OPEN_ACCEPTED) if family else None,
        today=period(family, today, today) if today else None,
        total=period(family, None, None),
        years=_years(family),
    )


def period(family: Sequence[Sums], first_on: date | None, last_on: date | None) -> Period | None:
    """The days from `first_on` to `last_on`, both included, None leaving that end open; None: no data yet."""
    if not family:
        return None
    opening = _before(family, first_on)
    until = None if last_on in (None, date.max) else last_on + ONE_DAY
    flow = sum_counts(_all_years(family)) if until is None else _before(family, until)
    add_counts(flow, opening, -1)
    return _period(_stock(opening), flow, first_on, last_on)


def days(family: Sequence[Sums], first_on: date | None, last_on: date | None) -> list[Period] | None:
    """Each day of the period on which something happened, with its opening and closing stock; None: no data yet."""
    if not family:
        return None
    first, last = first_on or date.min, last_on or date.max
    opening, series = _stock(_before(family, first_on)), []
    for day in sorted({day for sums in family for year in sums.days.values() for day in year}):
        on = date.fromisoformat(day)
        flow = sum_counts(sums.days[day[:4]].get(day, {}) for sums in family if day[:4] in sums.days)
        if first <= on <= last and any(flow.values()):
            series.append(_period(opening, flow, on, on))
            opening = series[-1].closing
    return series


def _years(family: Sequence[Sums]) -> dict[str, Period] | None:
    if not family:
        return None
    opening, found = 0, {}
    for year in sorted({year for sums in family for year in sums.years}):
        flow = sum_counts(sums.years.get(year, {}) for sums in family)
        if any(flow.values()):
            found[year] = _period(opening, flow, date(int(year), 1, 1), date(int(year), 12, 31))
            opening = found[year].closing
    return found


def _before(family: Sequence[Sums], day: date | None) -> Counts:
    """All flow before `day`: whole years, and the day's own year less what came from that day on."""
    if day is None:
        return {}
    first = day.isoformat()
    year = first[:4]
    before = sum_counts(counts for sums in family for each, counts in sums.years.items() if each <= year)
    for sums in family:
        for each, counts in sums.days.get(year, {}).items():
            if each >= first:
                add_counts(before, counts, -1)
    return before


def _all_years(family: Sequence[Sums]) -> Iterator[Counts]:
    for sums in family:
        yield from sums.years.values()


def _stock(flow: Counts) -> int:
    """What is open after all of `flow`."""
    return _came(flow) - _resolved(flow)


def _period(opening: int, flow: Counts, first_on: date | None, last_on: date | None) -> Period:
    resolved, workload = _resolved(flow), opening + _came(flow)
    share = {timeliness: share_of(flow.get(counter, 0), resolved) for timeliness, counter in RESOLVED.items()}
    return Period(
        first_on=first_on,
        last_on=last_on,
        opening=opening,
        received=sum(flow.get(counter, 0) for counter in RECEIVED.values()),
        workload=workload,
        resolved=resolved,
        closing=workload - resolved,
        resolved_share=share_of(resolved, workload),
        early_share=share[Timeliness.EARLY],
        on_time_share=share[Timeliness.ON_TIME],
        overdue_share=share[Timeliness.OVERDUE],
        flow=Flow(**{counter: flow.get(counter, 0) for counter in FLOW}),
    )


def share_of(numerator: int, denominator: int) -> Share:
    """Half up to two decimals in whole numbers: 74.0751 % is 74.08, as the offices round, and never by truncation."""
    if denominator <= 0:
        return Share(numerator=numerator, denominator=denominator, percent=None)
    hundredths = (2 * 10_000 * numerator + denominator) // (2 * denominator)
    return Share(numerator=numerator, denominator=denominator, percent=hundredths / 100)


def _came(flow: Counts) -> int:
    came = sum(flow.get(counter, 0) for counter in (*RECEIVED.values(), TRANSFERRED_IN, REOPENED))
    return came - flow.get(TRANSFERRED_OUT, 0)


def _resolved(flow: Counts) -> int:
    return sum(flow.get(counter, 0) for counter in RESOLVED.values())


def sum_counts(counts: Iterable[Counts]) -> Counts:
    """The sum, counter by counter."""
    total: Counts = {}
    for each in counts:
        add_counts(total, each)
    return total
