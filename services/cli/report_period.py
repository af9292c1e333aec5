"""Which days a report is about: a year, a quarter or month of it, or days chosen freely; and when its year begins."""

from collections.abc import Callable
from datetime import date
from enum import StrEnum

import typer

from services.reports.periods import CUT_OFFS, Period, days_between, month_of, quarter_of, year_of


class CutOff(StrEnum):
    """When the reporting year begins."""

    CALENDAR = "calendar"
    DECEMBER = "15-december"


def chosen_period(
    *,
    this_year: int,
    begins: Callable[[int], str],
    year: int | None,
    quarter: int | None,
    month: int | None,
    first: str,
    last: str,
    cut_off: CutOff | None,
) -> Period:
    """The period that the options name; `BadParameter` when they contradict each other.

    `begins` says when a reporting year begins, by the policy, where `cut_off` does not.
    """
    if first or last:
        if year is not None or quarter or month:
            raise typer.BadParameter("a year or two days, not both", param_hint="--year")
        begin, end = _day(first, "--from"), _day(last, "--to")
        if begin > end:
            raise typer.BadParameter("the first day is after the last", param_hint="--from")
        return days_between(begin, end)
    if quarter and month:
        raise typer.BadParameter("a quarter or a month, not both", param_hint="--quarter")
    year = this_year if year is None else year
    start = CUT_OFFS[cut_off] if cut_off else begins(year)
    if quarter:
        return quarter_of(year, quarter, start)
    return month_of(year, month, start) if month else year_of(year, start)


def _day(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("expected a day such as 2021-01-31", param_hint=option) from None
