"""Reporting periods: both readings of a year, and that quarters and months tile it."""

from datetime import date, timedelta
from itertools import pairwise

import pytest

from services.reports.periods import Period, days_between, month_of, quarter_of, year_of


def test_the_calendar_year_and_the_one_from_15_december() -> None:
    assert year_of(2021) == Period(date(2021, 1, 1), date(2021, 12, 31), "Năm 2021", "Year 2021", "01-01")
    assert year_of(2021, "12-15") == Period(date(2020, 12, 15), date(2021, 12, 14), "Năm 2021", "Year 2021", "12-15")


def test_quarters_and_months_run_from_the_15th_to_the_14th() -> None:
    first = quarter_of(2021, 1, "12-15")
    assert (first.first, first.last, first.name_vi) == (date(2020, 12, 15), date(2021, 3, 14), "Quý I năm 2021")
    third = month_of(2021, 3, "12-15")
    assert (third.first, third.last, third.name_vi) == (date(2021, 2, 15), date(2021, 3, 14), "Tháng 3 năm 2021")


@pytest.mark.parametrize("begins", ["01-01", "12-15", "07-01", "01-15", "12-31", "02-29"])
def test_quarters_and_months_tile_the_year(begins: str) -> None:
    year = year_of(2021, begins)
    for parts in (
        [quarter_of(2021, number, begins) for number in range(1, 5)],
        [month_of(2021, number, begins) for number in range(1, 13)],
    ):
        assert (parts[0].first, parts[-1].last) == (year.first, year.last)
        assert all(later.first - earlier.last == timedelta(days=1) for earlier, later in pairwise(parts))
    assert year_of(2022, begins).first - year.last == timedelta(days=1)


def test_days_chosen_freely_have_no_cut_off() -> None:
    found = days_between(date(2021, 2, 3), date(2021, 4, 5))
    assert found == Period(date(2021, 2, 3), date(2021, 4, 5), "03/02/2021 - 05/04/2021", "03/02/2021 - 05/04/2021", "")
