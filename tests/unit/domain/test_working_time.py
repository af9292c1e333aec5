"""Working days, office hours and the periods of the law, on the calendar of 2021 (domain edge case 1)."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.reference import CalendarRecord, PeriodUnit, ProcessingTime, read_calendars
from streams.domain.dossier import micros
from streams.domain.working_time import HOUR_US, Calendar
from tests.factories import at

CALENDAR = Calendar.of(read_calendars()["vn-1"])
NEW_YEAR = micros(at("2021-01-01 00:00"))
MOMENTS = st.integers(0, 365 * 24 * 60).map(lambda minute: NEW_YEAR + minute * 60_000_000)


def end_of(day: str) -> int:
    return micros(at(f"{day} 00:00") + timedelta(days=1)) - 1


def test_2021_has_its_working_days_and_so_has_the_reporting_year():
    months = [(date(2021, month, 1), date(2021, month % 12 + 1, 1)) for month in range(1, 12)]
    counts = [CALENDAR.working_days(first, following - timedelta(days=1)) for first, following in months]
    assert counts == [20, 15, 23, 20, 20, 22, 22, 22, 20, 21, 22]
    assert CALENDAR.working_days(date(2021, 12, 1), date(2021, 12, 31)) == 23
    assert CALENDAR.working_days(date(2021, 1, 1), date(2021, 12, 31)) == 250
    assert CALENDAR.working_days(date(2020, 12, 15), date(2021, 12, 14)) == 250


@pytest.mark.parametrize("accepted", ["2021-02-09 16:59", "2021-02-09 17:01"])  # the eve of Tet
@pytest.mark.parametrize(("days", "ends"), [(1, "2021-02-17"), (3, "2021-02-19"), (5, "2021-02-23")])
def test_working_days_pass_over_tet_and_the_first_day_does_not_count(accepted, days, ends):
    assert CALENDAR.add_working_days(micros(at(accepted)), days) == end_of(ends)


def test_what_comes_in_on_a_saturday_begins_to_count_on_monday():
    assert CALENDAR.add_working_days(micros(at("2021-03-06 09:00")), 1) == end_of("2021-03-08")


@pytest.mark.parametrize(
    ("accepted", "unit", "amount", "ends"),
    [
        ("2021-02-09 16:59", PeriodUnit.DAYS, 3, "2021-02-17"),  # 12 February is a holiday: art. 148
        ("2021-03-01 08:00", PeriodUnit.DAYS, 5, "2021-03-08"),  # 6 March is a Saturday
        ("2021-01-31 08:00", PeriodUnit.MONTHS, 1, "2021-03-01"),  # 28 February is a Sunday
        ("2021-03-15 08:00", PeriodUnit.MONTHS, 1, "2021-04-15"),
    ],
)
def test_days_and_months_end_with_a_working_day(accepted, unit, amount, ends):
    assert CALENDAR.add(micros(at(accepted)), ProcessingTime(amount=amount, unit=unit)) == end_of(ends)


@pytest.mark.parametrize(
    ("accepted", "hours", "ends"),
    [
        ("2021-03-01 10:30", 2, "2021-03-01 14:30"),  # over lunch
        ("2021-03-01 16:00", 8, "2021-03-02 16:00"),  # overnight
        ("2021-03-01 11:45", 1, "2021-03-01 14:30"),  # from within lunch
        ("2021-03-05 16:00", 1, "2021-03-05 17:00"),  # to the very end of the day, not to Monday's begin
        ("2021-03-06 09:00", 4, "2021-03-08 11:00"),
    ],
)
def test_working_hours_pass_over_lunch_night_and_weekend(accepted, hours, ends):
    period = ProcessingTime(amount=hours, unit=PeriodUnit.WORKING_HOURS)
    assert CALENDAR.add(micros(at(accepted)), period) == micros(at(ends))


def test_plain_hours_start_at_once():
    assert CALENDAR.add(micros(at("2021-03-06 09:00")), ProcessingTime(amount=4, unit=PeriodUnit.HOURS)) == micros(
        at("2021-03-06 13:00")
    )


@pytest.mark.parametrize(
    ("arrived", "starts"),
    [
        ("2021-03-01 08:00", "2021-03-01 08:00"),
        ("2021-03-01 06:00", "2021-03-01 07:00"),
        ("2021-03-01 11:45", "2021-03-01 13:30"),
        ("2021-03-01 15:00", "2021-03-02 07:00"),
        ("2021-03-01 17:01", "2021-03-02 07:00"),
        ("2021-02-09 16:59", "2021-02-17 07:00"),
    ],
)
def test_reception_after_15_00_begins_on_the_next_working_day(arrived, starts):
    assert CALENDAR.starts_at(micros(at(arrived)), closes=15 * HOUR_US) == micros(at(starts))


def test_a_make_up_saturday_is_worked_and_its_monday_is_not():
    swapped = CalendarRecord(
        **{
            **read_calendars()["vn-1"].model_dump(),
            "days_off": [date(2024, 4, 29)],
            "make_up_days": [date(2024, 5, 4)],
        }
    )
    calendar = Calendar.of(swapped)
    assert [calendar.is_working_day(date(2024, 5, day)) for day in (3, 4, 5)] == [True, True, False]
    assert calendar.add_working_days(micros(at("2024-04-26 09:00")), 1) == end_of("2024-04-30")


def test_another_zone_has_its_own_days_also_where_the_clock_is_changed():
    record = CalendarRecord(id="us", zone="America/New_York", hours=[["09:00", "17:00"]], source="invented")
    calendar = Calendar.of(record)
    friday = micros(at("2021-03-13 03:00"))  # 15:00 on Friday in New York; its clocks change on Sunday
    assert calendar.between(friday, calendar.add_working_time(friday, 4 * HOUR_US)) == 4 * HOUR_US
    assert calendar.add_working_time(friday, 4 * HOUR_US) == friday + (3 * 24 - 1 - 4) * HOUR_US


def test_hours_that_do_not_follow_each_other_are_refused():
    with pytest.raises(ValueError, match="in order"):
        CalendarRecord(id="x", zone="UTC", hours=[["13:00", "17:00"], ["07:00", "11:00"]], source="invented")


@given(MOMENTS, MOMENTS, MOMENTS)
def test_working_time_adds_up(first, second, third):
    a, b, c = sorted((first, second, third))
    assert CALENDAR.between(a, b) + CALENDAR.between(b, c) == CALENDAR.between(a, c)
    assert 0 <= CALENDAR.between(a, b) <= b - a


@given(MOMENTS, st.integers(0, 400 * 3600))
def test_what_is_added_has_passed(moment, seconds):
    amount = seconds * 1_000_000
    end = CALENDAR.add_working_time(moment, amount)
    assert CALENDAR.between(moment, end) == amount
    assert amount == 0 or CALENDAR.between(moment, end - 1) < amount


@given(MOMENTS, st.integers(0, 300))
def test_working_days_are_counted_as_a_calendar_on_the_wall_would(moment, days):
    day = at("2021-01-01 00:00").date() + timedelta(microseconds=moment - NEW_YEAR)
    left = days
    while left:
        day += timedelta(days=1)
        left -= CALENDAR.is_working_day(day)
    assert CALENDAR.add_working_days(moment, days) == end_of(day.isoformat())
