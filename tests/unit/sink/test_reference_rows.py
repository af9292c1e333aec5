"""Records of reference data become rows of one way; tombstones delete, foreign records are handed back."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from schemas.reference import (
    CalendarRecord,
    Level,
    PeriodUnit,
    ProcedureRecord,
    ProcessingTime,
    ReferenceRecord,
    Unit,
    UnitRules,
    read_calendars,
    read_policies,
)
from services.sink.batches import Batch, Rows
from services.sink.reference_rows import calendar_columns, policy_columns, procedure_columns, unit_columns
from tests.unit.sink.make import FakeRecord, batch

ToColumns = Callable[[Batch], Rows]
ADDRESS = {"kpart", "koffset", "is_deleted"}
UNIT = Unit(
    id="06820",
    name_vi="Phường Trưng Vương",
    name_en="Trung Vuong Ward",
    parent_id="196",
    level=Level.COMMUNE,
    valid_to=date(2025, 6, 30),
    successor_ids=("A", "B"),
    rules=(UnitRules(valid_from=date(2021, 1, 1), policy_id="vn-day-1"),),
)
PROCEDURE = ProcedureRecord(
    id="9.000001",
    name_vi="Thử",
    name_en="Test",
    field_id="H49-HT",
    field_vi="Hộ tịch",
    field_en="Civil status",
    desk="commune",
    synthetic=True,
)


def row_of(to_columns: ToColumns, record: ReferenceRecord) -> dict[str, Any]:
    return only_row(to_columns, record.id, record.model_dump_json().encode())  # type: ignore[attr-defined]


def only_row(to_columns: ToColumns, key: str, value: bytes | None) -> dict[str, Any]:
    columns = to_columns(batch(FakeRecord(0, key=key.encode(), value=value))).columns
    return {name: values[0] for name, values in columns.items() if name not in ADDRESS}


def test_a_unit() -> None:
    assert row_of(unit_columns, UNIT) == {
        "unit_id": "06820",
        "name_vi": "Phường Trưng Vương",
        "name_en": "Trung Vuong Ward",
        "parent_id": "196",
        "level": "commune",
        "valid_from": None,
        "valid_to": date(2025, 6, 30),
        "successor_ids": ["A", "B"],
        "rules": [{"valid_from": date(2021, 1, 1), "policy_id": "vn-day-1", "calendar_id": ""}],
        "synthetic": False,
    }


def test_a_procedure_has_its_processing_time_in_two_columns() -> None:
    row = {
        "procedure_id": "9.000001",
        "name_vi": "Thử",
        "name_en": "Test",
        "field_id": "H49-HT",
        "field_vi": "Hộ tịch",
        "field_en": "Civil status",
        "desk": "commune",
        "linkage": "none",
        "online_level": 2,
        "on_national_portal": False,
        "processing_time_amount": None,
        "processing_time_unit": None,
        "synthetic": True,
    }
    assert row_of(procedure_columns, PROCEDURE) == row
    stated = PROCEDURE.model_copy(update={"processing_time": ProcessingTime(amount=3, unit=PeriodUnit.WORKING_DAYS)})
    assert row_of(procedure_columns, stated) == row | {
        "processing_time_amount": 3,
        "processing_time_unit": "working_days",
    }


def test_a_calendar() -> None:
    calendar = CalendarRecord(
        id="c-1",
        zone="Asia/Ho_Chi_Minh",
        hours=(("07:00", "11:30"), ("13:30", "17:00")),  # type: ignore[arg-type]
        days_off=(date(2021, 1, 1),),
        source="test",
    )
    assert row_of(calendar_columns, calendar) == {
        "calendar_id": "c-1",
        "zone": "Asia/Ho_Chi_Minh",
        "weekend": [5, 6],
        "hours": [["07:00:00", "11:30:00"], ["13:30:00", "17:00:00"]],
        "days_off": [date(2021, 1, 1)],
        "make_up_days": [],
        "source": "test",
    }


def test_policies_with_and_without_what_is_optional() -> None:
    policies = read_policies()
    late = row_of(policy_columns, policies["vn-day-1500-1"])
    assert (late["policy_id"], late["calendar_id"], late["reception_closes"]) == ("vn-day-1500-1", "vn-1", "15:00:00")
    assert late["pauses"] == ["supplement_requested", "payment_requested"]
    boston = row_of(policy_columns, policies["us-boston-instant-1"])
    assert (boston["calendar_id"], boston["reception_closes"]) == ("", None)


@pytest.mark.parametrize(
    ("to_columns", "record"),
    [
        (unit_columns, UNIT),
        (procedure_columns, PROCEDURE),
        (calendar_columns, read_calendars()["vn-1"]),
        (policy_columns, read_policies()["vn-day-1"]),
    ],
)
def test_a_tombstone_has_the_same_columns_and_a_foreign_record_is_handed_back(
    to_columns: ToColumns, record: ReferenceRecord
) -> None:
    row = row_of(to_columns, record)
    blank = only_row(to_columns, "other", None)
    assert blank.keys() == row.keys()
    (id_column,) = [name for name, cell in blank.items() if cell == "other"]
    assert row[id_column] == record.id  # type: ignore[attr-defined]
    foreign = [
        FakeRecord(1, key=b"other", value=record.model_dump_json().encode()),
        FakeRecord(2, key=b"other", value=b'{"id": "other"}'),
    ]
    rows = to_columns(batch(FakeRecord(0, key=b"other", value=None), *foreign))
    assert rows.unreadable == foreign
    assert (rows.columns[id_column], rows.columns["is_deleted"]) == (["other"], [True])
