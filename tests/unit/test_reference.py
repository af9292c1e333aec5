"""What `hoso reference check` finds in files. All records are synthetic."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import SettingsError
from schemas.reference import CalendarRecord, OnTime, PolicyRecord, ProcedureRecord, Unit, UnitRules
from schemas.settings import Settings
from services.reference import find_flaws, read_files, read_sound_files

DAY = date(2021, 1, 1)


def unit(id: str, **changes: Any) -> Unit:
    return Unit(id=id, name_vi="Thử", name_en="Test", **changes)


def calendar(id: str = "c", **changes: Any) -> CalendarRecord:
    values = {"id": id, "zone": "Asia/Ho_Chi_Minh", "hours": [["07:00", "11:00"]], "source": "test", **changes}
    return CalendarRecord.model_validate(values)


def policy(id: str = "p", **changes: Any) -> PolicyRecord:
    values = {"id": id, "zone": "Asia/Ho_Chi_Minh", "on_time": OnTime.DAY, "source": "test", **changes}
    return PolicyRecord.model_validate(values)


def procedure(id: str, **changes: Any) -> ProcedureRecord:
    values = {"id": id, "name_vi": "a", "name_en": "a", "field_id": "F", "field_vi": "f", "field_en": "f", **changes}
    return ProcedureRecord.model_validate({"desk": "centre", **values})


def flaws(**records: list[Any]) -> list[tuple[str, str, str]]:
    everything = {"units": [], "procedures": [], "calendars": [calendar()], "policies": [policy()], **records}
    return [(flaw.kind, flaw.id, flaw.what) for flaw in find_flaws(everything)]


def test_what_comes_with_hoso_is_sound() -> None:
    assert find_flaws(read_files(Settings())) == []


@pytest.mark.parametrize(
    ("units", "found"),
    [
        ([unit("1", parent_id="2")], [("1", "has the parent 2, which is not there")]),
        ([unit("1", parent_id="1")], [("1", "is above itself")]),
        ([unit("1", parent_id="2"), unit("2", parent_id="1")], [("1", "is above itself"), ("2", "is above itself")]),
        ([unit("1", valid_from=DAY, valid_to=date(2020, 1, 1))], [("1", "ends before it begins")]),
        (
            [unit("1", valid_to=DAY), unit("2", parent_id="1")],
            [("2", "is there on days on which its parent 1 is not")],
        ),
        (
            [unit("1", valid_from=DAY), unit("2", parent_id="1")],
            [("2", "is there on days on which its parent 1 is not")],
        ),
        ([unit("1", successor_ids=("2",)), unit("2")], [("1", "has successors and no last day")]),
        (
            [unit("1", valid_to=DAY, successor_ids=("2",))],
            [("1", "has the successor 2, which is not there")],
        ),
        (
            [unit("1", valid_to=DAY, successor_ids=("2",)), unit("2", valid_from=date(2021, 1, 3))],
            [("1", "has the successor 2, which is not there on the day after")],
        ),
        (
            [unit("1", valid_to=DAY, successor_ids=("1",))],
            [("1", "has the successor 1, which is not there on the day after")],
        ),
        (
            [unit("1", rules=(UnitRules(valid_from=DAY, policy_id="q", calendar_id="d"),))],
            [("1", "goes by the policy q, which is not there"), ("1", "goes by the calendar d, which is not there")],
        ),
        (
            [unit("1", rules=(UnitRules(valid_from=DAY, policy_id="p"), UnitRules(valid_from=DAY, policy_id="p")))],
            [("1", "has two rules from the same day on")],
        ),
        ([unit("1"), unit("1")], [("1", "is there 2 times")]),
        (
            [unit("1", valid_to=DAY, successor_ids=("2",)), unit("2", valid_from=date(2021, 1, 2))],
            [],
        ),
    ],
)
def test_units(units: list[Unit], found: list[tuple[str, str]]) -> None:
    assert flaws(units=units) == [("units", *flaw) for flaw in found]


def test_policies_and_calendars() -> None:
    assert flaws(policies=[policy(calendar_id="d")]) == [
        ("policies", "p", "goes by the calendar d, which is not there")
    ]
    assert flaws(policies=[policy(zone="UTC", calendar_id="c")]) == [
        ("policies", "p", "has another zone than its calendar c")
    ]
    odd = calendar(days_off=["2021-01-02", "2021-01-04", "2021-01-04"], make_up_days=["2021-01-05"])
    assert flaws(calendars=[odd]) == [
        ("calendars", "c", "has 2021-01-02 off, which is weekend"),
        ("calendars", "c", "has 2021-01-04 off 2 times"),
        ("calendars", "c", "has 2021-01-05 made up, which is no weekend"),
    ]


def test_a_field_has_one_name() -> None:
    assert flaws(procedures=[procedure("1"), procedure("2", field_vi="g"), procedure("3", field_id="G")]) == [
        ("procedures", "2", "names field F differently")
    ]


def test_files_that_cannot_be_used_name_the_setting(tmp_path: Path) -> None:
    wrong = tmp_path / "units.json"
    with pytest.raises(SettingsError, match="set HOSO_UNITS_FILE"):
        read_files(Settings(units_file=wrong))
    wrong.write_text('[{"id": "1", "name_vi": "a"}]')
    with pytest.raises(SettingsError, match="units: wrong at /0/name_en: Field required; see HOSO_UNITS_FILE"):
        read_files(Settings(units_file=wrong))
    wrong.write_text('[{"id": "1", "name_vi": "a", "name_en": "a", "parent_id": "2"}]')
    with pytest.raises(SettingsError, match="units 1 has the parent 2, which is not there; `hoso reference check`"):
        read_sound_files(Settings(units_file=wrong))
