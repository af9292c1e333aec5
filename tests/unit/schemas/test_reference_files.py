"""The reference data that comes with Hoso: what it must say, and where it differs from an independent source."""

from collections import Counter
from datetime import date, timedelta

import holidays
import pytest

from schemas.reference import Level, read_calendars, read_procedures, read_units
from services.demo import year
from streams.domain.working_time import Calendar

YEARS = range(2018, 2027)
CALENDAR = read_calendars()["vn-1"]
WORKED = Calendar.of(CALENDAR)


def test_the_calendar_differs_from_the_holidays_package_in_known_days_only() -> None:
    """Its days come from rules and a table of its own; what was announced goes first."""
    theirs = holidays.VN(years=YEARS)
    first, last = date(YEARS[0], 1, 1), date(YEARS[-1], 12, 31)
    days = [first + timedelta(days=ordinal) for ordinal in range((last - first).days + 1)]
    ours = {day: WORKED.is_working_day(day) for day in days}
    differing = {day: is_worked for day, is_worked in ours.items() if is_worked != theirs.is_working_day(day)}
    assert differing == {
        date(2026, 1, 2): False,  # announced late, after the library's table: exchanged for Saturday, 10 January
        date(2026, 1, 10): True,
    }


@pytest.mark.parametrize(
    ("off", "worked"),
    [
        ("2018-12-31", "2019-01-05"),
        ("2019-04-29", "2019-05-04"),
        ("2024-04-29", "2024-05-04"),
        ("2025-05-02", "2025-04-26"),
        ("2026-01-02", "2026-01-10"),
        ("2026-08-31", "2026-08-22"),
    ],
)
def test_a_day_that_was_exchanged_for_a_saturday(off: str, worked: str) -> None:
    assert not WORKED.is_working_day(date.fromisoformat(off))
    assert WORKED.is_working_day(date.fromisoformat(worked))


def test_the_catalogue_has_the_counts_that_the_article_prints() -> None:
    procedures = list(read_procedures().values())
    linked = {
        desk: Counter(each.linkage.value for each in procedures if each.desk == desk) for desk in ("centre", "commune")
    }
    assert linked == {
        "centre": {"three_level": 18, "two_level": 27, "horizontal": 12, "vertical": 73, "none": 147},
        "commune": {"three_level": 19, "two_level": 18, "none": 74},
    }
    assert {desk: sum(counts.values()) for desk, counts in linked.items()} == {"centre": 277, "commune": 111}
    online = [each for each in procedures if each.online_level >= 3]
    assert (len(online), sum(each.online_level == 4 for each in online)) == (242, 211)
    assert sum(each.on_national_portal for each in procedures) == 227
    assert all(each.on_national_portal <= (each.online_level >= 3) for each in procedures)


def test_the_catalogue_is_invented_and_says_so() -> None:
    procedures = read_procedures()
    assert all(each.synthetic and id_.startswith("9.") for id_, each in procedures.items())
    assert len({(each.desk, each.name_vi) for each in procedures.values()}) == len(procedures)
    assert len({each.field_id for each in procedures.values()}) == 14


def test_what_the_demo_applies_for_is_online_at_the_desk_that_takes_it_in() -> None:
    procedures = read_procedures()
    for ids, desk in ((year._AT_CENTRE, "centre"), (year._AT_COMMUNES, "commune")):
        assert {(procedures[id_].desk, procedures[id_].online_level >= 3) for id_ in ids} == {(desk, True)}


def test_the_units_of_the_city_then_and_now() -> None:
    units = {unit.id: unit for unit in read_units()}
    of_2021 = [unit for unit in units.values() if unit.parent_id == "196" and unit.valid_to == date(2025, 6, 30)]
    assert {unit.id for unit in of_2021} == {year.CENTRE, *year.COMMUNES}
    heirs = Counter(unit.successor_ids for unit in of_2021 if unit.level is Level.COMMUNE)
    assert heirs == {
        ("22.YENTU",): 3,
        ("22.VANGDANH",): 3,
        ("22.UONGBI",): 3,
        ("22.VANGDANH", "22.UONGBI"): 1,
    }
    split, merged = units["06820"], units["196.DIENCONG"]
    assert len(split.successor_ids) == 2
    assert (merged.valid_to, merged.successor_ids, merged.synthetic) == (date(2019, 12, 31), ("06820",), True)
    now = [unit for unit in units.values() if unit.valid_from == date(2025, 7, 1)]
    assert [(unit.name_vi, unit.parent_id, unit.synthetic) for unit in now] == [
        ("Phường Yên Tử", "22", True),
        ("Phường Vàng Danh", "22", True),
        ("Phường Uông Bí", "22", True),
    ]
