"""From a unit's sums to the numbers people read: periods with opening and closing stock, and shares.

Opening and closing stock follow from the flow alone: what came in before a day and did not leave before it. So every
period balances by construction, and only the stock at the present instant depends on the clock.
"""

from collections.abc import Iterable, Sequence
from datetime import date

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


def unit_view(
    unit_id: str, *, unit: Unit | None, parent_id: str | None, family: Sequence[Sums], today: date | None
) -> UnitView:
    """A unit as watchers see it; `family` are the sums of the unit and of those below it, empty for no data."""
    stock = _sum(sums.stock for sums in family)
    return UnitView(
        id=unit_id,
        name_vi=unit.name_vi if unit else unit_id,
        name_en=unit.name_en if unit else unit_id,
        parent_id=parent_id,
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
    first, last = _iso(first_on), _iso(last_on)
    if not first and not last:
        flow, opening = _sum(counts for sums in family for counts in sums.years.values()), 0
    else:
        flow = _sum(counts for sums in family for day, counts in sums.days.items() if _within(day, first, last))
        opening = _stock_before(family, first)
    return _period(opening, flow, first_on, last_on)


def days(family: Sequence[Sums], first_on: date | None, last_on: date | None) -> list[Period] | None:
    """Each day of the period on which something happened, with its opening and closing stock; None: no data yet."""
    if not family:
        return None
    first, last = _iso(first_on), _iso(last_on)
    opening, series = _stock_before(family, first), []
    for day in sorted({day for sums in family for day in sums.days if _within(day, first, last)}):
        flow, on = _sum(sums.days.get(day, {}) for sums in family), date.fromisoformat(day)
        if any(flow.values()):
            series.append(_period(opening, flow, on, on))
            opening = series[-1].closing
    return series


def _years(family: Sequence[Sums]) -> dict[str, Period] | None:
    if not family:
        return None
    opening, found = 0, {}
    for year in sorted({year for sums in family for year in sums.years}):
        flow = _sum(sums.years.get(year, {}) for sums in family)
        if any(flow.values()):
            found[year] = _period(opening, flow, date(int(year), 1, 1), date(int(year), 12, 31))
            opening = found[year].closing
    return found


def _stock_before(family: Sequence[Sums], first: str) -> int:
    """Open dossiers at the start of a day: all that ever came, less what came from that day on."""
    if not first:
        return 0
    ever = _sum(counts for sums in family for counts in sums.years.values())
    since = _sum(counts for sums in family for day, counts in sums.days.items() if day >= first)
    return _came(ever) - _resolved(ever) - _came(since) + _resolved(since)


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


def _sum(counts: Iterable[Counts]) -> Counts:
    total: Counts = {}
    for each in counts:
        add_counts(total, each)
    return total


def _iso(day: date | None) -> str:
    return day.isoformat() if day else ""


def _within(day: str, first: str, last: str) -> bool:
    return first <= day and (not last or day <= last)
