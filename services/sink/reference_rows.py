"""Records of the topics of reference data to rows: one way for all kinds.

A column has the name of its field. The id is named after the kind (`unit_id`); a reference that is absent is empty, any
other absent value NULL; a record within a record becomes columns of its own, and a list of them one of named tuples.
"""

from collections.abc import Iterator
from datetime import time
from functools import partial
from typing import Any, Final

from schemas.reference import (
    CalendarRecord,
    OnTime,
    PolicyRecord,
    ProcedureRecord,
    ProcessingTime,
    ReferenceRecord,
    Unit,
)
from services.sink.upsert_rows import Row, check_key, row_columns

ID: Final = "0"
_BLANK: Final[tuple[tuple[str, ReferenceRecord], ...]] = (
    ("unit_id", Unit(id=ID, name_vi="", name_en="")),
    (
        "procedure_id",
        ProcedureRecord(id=ID, name_vi="", name_en="", field_id=ID, field_vi="", field_en="", desk="centre"),
    ),
    ("calendar_id", CalendarRecord(id=ID, zone="UTC", hours=((time(0), time(1)),), source="")),
    ("policy_id", PolicyRecord(id=ID, zone="UTC", on_time=OnTime.DAY, source="")),
)
"""What a deleted record leaves beside its id, and the name of that column."""


def _row(key: str, value: bytes | None, *, id_column: str, blank: ReferenceRecord) -> Row:
    record = blank.model_copy(update={"id": key}) if value is None else type(blank).model_validate_json(value)
    row = dict(_cells(record))
    row[id_column] = row.pop("id")
    check_key(key, row[id_column])
    return row


def _cells(record: ReferenceRecord) -> Iterator[tuple[str, Any]]:
    for name, value in record:
        if name == "processing_time":  # absent or not, it has the same columns
            yield from ((f"{name}_{part}", getattr(value, part, None)) for part in ProcessingTime.model_fields)
        elif value is None and name.endswith("_id"):
            yield name, ""
        else:
            yield name, _cell(value)


def _cell(value: Any) -> Any:
    match value:
        case ReferenceRecord():
            return dict(_cells(value))
        case tuple() as values:
            return [_cell(each) for each in values]
        case time():
            return value.isoformat()
        case _:
            return value


unit_columns, procedure_columns, calendar_columns, policy_columns = (
    partial(row_columns, to_row=partial(_row, id_column=id_column, blank=blank)) for id_column, blank in _BLANK
)
