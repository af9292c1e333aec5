"""Reporting periods. A year is the calendar's, or begins in the year before: on 15 December, says ND 09/2019/ND-CP.

Quarters and months are quarters and twelfths of that year: the first month of a year that begins on 15 December runs
to 14 January. The cut-off is a policy's (`year_begins`), because both readings are in use and give other figures.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

CUT_OFFS: Final = {"calendar": "01-01", "15-december": "12-15"}
"""By what people call them: month and day on which a reporting year begins."""

MONTHS: Final = 12
MONTHS_OF_QUARTER: Final = 3


@dataclass(frozen=True, slots=True)
class Period:
    """Days of a report, both included, and what the period is called."""

    first: date
    last: date
    name_vi: str
    name_en: str
    cut_off: str  # month and day on which the reporting year begins; empty for days chosen freely


def year_of(year: int, begins: str = "01-01") -> Period:
    """The reporting year `year`; `begins` is a policy's `year_begins`."""
    return _months(year, 0, MONTHS, begins, f"Năm {year}", f"Year {year}")


def quarter_of(year: int, quarter: int, begins: str = "01-01") -> Period:
    """A quarter, 1 to 4, of the reporting year."""
    start = (quarter - 1) * MONTHS_OF_QUARTER
    roman = ("I", "II", "III", "IV")[quarter - 1]
    return _months(
        year, start, start + MONTHS_OF_QUARTER, begins, f"Quý {roman} năm {year}", f"Quarter {quarter} of {year}"
    )


def month_of(year: int, month: int, begins: str = "01-01") -> Period:
    """A month, 1 to 12, of the reporting year."""
    return _months(year, month - 1, month, begins, f"Tháng {month} năm {year}", f"Month {month} of {year}")


def days_between(first: date, last: date) -> Period:
    """Days chosen freely."""
    name = f"{first:%d/%m/%Y} - {last:%d/%m/%Y}"
    return Period(first, last, name, name, "")


def _months(year: int, start: int, end: int, begins: str, name_vi: str, name_en: str) -> Period:
    last = _month_start(year, end, begins) - timedelta(days=1)
    return Period(_month_start(year, start, begins), last, name_vi, name_en, begins)


def _month_start(year: int, number: int, begins: str) -> date:
    """The day on which month `number` (0: the first) begins; where a month is too short for it, its last day."""
    month, day = map(int, begins.split("-"))
    months = (year if month == 1 else year - 1) * MONTHS + (month - 1) + number
    on_year, on_month = months // MONTHS, months % MONTHS + 1
    return date(on_year, on_month, min(day, monthrange(on_year, on_month)[1]))
