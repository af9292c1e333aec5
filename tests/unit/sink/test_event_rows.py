"""Whatever a record of dossier-events holds becomes a row: verbatim, and typed when it is an event."""

import unicodedata
from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.codec import encode
from schemas.errors import Reason
from schemas.events import FACTS, Kind
from services.sink.event_rows import event_columns
from tests.factories import DOSSIER, SOURCE, UNIT, event
from tests.unit.sink.make import FakeRecord, batch

TYPED = (
    *("source", "event_id", "type", "kind", "dossier_id", "unit_id", "procedure_id", "channel", "policy_id", "root_id"),
    *("to_unit_id", "cause", "outcome", "reason", "retracts_source", "retracts_id"),
)
ACCEPTED = encode(event(Kind.ACCEPTED, "2021-03-01 08:30", id="e1", due_at="2021-03-05 17:00"))


def rows_of(*records: FakeRecord, prev_offset: int = -1) -> list[dict[str, Any]]:
    columns = event_columns(batch(*records, prev_offset=prev_offset)).columns
    return [{name: values[index] for name, values in columns.items()} for index in range(len(records))]


def accepted(**changes: Any) -> FakeRecord:
    return FakeRecord(**{"offset": 7, "key": DOSSIER.encode(), "value": ACCEPTED, **changes})


def test_an_event_is_typed_and_kept_verbatim() -> None:
    (row,) = rows_of(accepted(headers=(("content-type", b"application/cloudevents+json"), ("x", None))))
    assert row == {
        **dict.fromkeys(TYPED, ""),
        "marks": (),
        "kpart": 3,
        "koffset": 7,
        "batch_first": 7,
        "prev_offset": -1,
        "recorded_at": datetime(2021, 3, 1, 1, 30, tzinfo=UTC),
        "key": DOSSIER.encode(),
        "headers": (("content-type", b"application/cloudevents+json"), ("x", None)),
        "value": ACCEPTED,
        "flaw": "",
        "flaw_detail": "",
        "source": SOURCE,
        "event_id": "e1",
        "type": "vn.hoso.dossier.accepted.v1",
        "kind": "accepted",
        "dossier_id": DOSSIER,
        "unit_id": UNIT,
        "occurred_at": datetime(2021, 3, 1, 1, 30, tzinfo=UTC),
        "due_at": datetime(2021, 3, 5, 10, 0, tzinfo=UTC),
        "procedure_id": "1.001612",
        "channel": "direct",
    }


def test_every_row_names_its_batch_and_the_record_before_it() -> None:
    rows = rows_of(FakeRecord(5), FakeRecord(6), FakeRecord(9), prev_offset=2)
    assert [(row["koffset"], row["batch_first"], row["prev_offset"]) for row in rows] == [
        (5, 5, 2),
        (6, 5, 5),
        (9, 5, 6),
    ]


def test_binary_mode_is_an_event_and_its_bytes_stay_as_sent() -> None:
    headers = (
        ("ce_specversion", b"1.0"),
        ("ce_id", b"e1"),
        ("ce_source", SOURCE.encode()),
        ("ce_type", b"vn.hoso.dossier.finished.v1"),
        ("ce_subject", DOSSIER.encode()),
        ("ce_time", b"2021-03-01T08:30:00+07:00"),
        ("content-type", b"application/json"),
    )
    data = b'{"unit_id": "06808",  "outcome": "granted"}'
    (row,) = rows_of(accepted(value=data, headers=headers))
    assert (row["kind"], row["outcome"], row["flaw"]) == ("finished", "granted", "")
    assert (row["value"], row["headers"]) == (data, headers)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        pytest.param(accepted(value=None), Reason.NO_VALUE, id="null value"),
        pytest.param(accepted(value=b""), Reason.NOT_JSON, id="empty value"),
        pytest.param(accepted(value=b"not json"), Reason.NOT_JSON, id="not JSON"),
        pytest.param(accepted(value=b"[]"), Reason.NOT_CLOUDEVENT, id="not an object"),
        pytest.param(accepted(value=b"\xff\xfe\x00"), Reason.NOT_UTF8, id="invalid UTF-8"),
        pytest.param(accepted(value=ACCEPTED[: len(ACCEPTED) // 2]), Reason.NOT_JSON, id="cut in half"),
        pytest.param(accepted(value=bytes(2_000_000)), Reason.TOO_LARGE, id="2 MB"),
        pytest.param(accepted(value=b"[" * 50_000), Reason.NOT_JSON, id="nested too deep"),
        pytest.param(
            accepted(value=ACCEPTED.replace(b"accepted.v1", b"accepted.v9")), Reason.UNKNOWN_TYPE, id="version"
        ),
        pytest.param(
            accepted(value=ACCEPTED.replace(b'"unit_id"', b'"x":1,"unit_id"')), Reason.UNKNOWN_FIELD, id="field"
        ),
        pytest.param(accepted(value=ACCEPTED.replace(b"+07:00", b"")), Reason.INVALID_VALUE, id="no zone"),
        pytest.param(
            accepted(value=ACCEPTED.replace(b"2021-03-01", b"9999-03-01")), Reason.INVALID_VALUE, id="year 9999"
        ),
        pytest.param(accepted(value=ACCEPTED.replace(b'"e1"', b"NaN")), Reason.NOT_JSON, id="NaN"),
        pytest.param(
            accepted(value=ACCEPTED.replace(b"1.001612", unicodedata.normalize("NFD", "Hồ").encode())),
            Reason.INVALID_VALUE,
            id="text that is not NFC",
        ),
        pytest.param(accepted(key=None), Reason.KEY_MISMATCH, id="no key"),
        pytest.param(accepted(key=b""), Reason.KEY_MISMATCH, id="empty key"),
        pytest.param(accepted(key=b"\xff"), Reason.KEY_MISMATCH, id="foreign key"),
        pytest.param(
            accepted(headers=(("ce_id", None), ("content-type", None))), Reason.MISSING_FIELD, id="null headers"
        ),
        pytest.param(accepted(headers=(("ce_id", b"\xff"),)), Reason.NOT_JSON, id="header that is no UTF-8"),
    ],
)
def test_poison_keeps_its_bytes_and_says_why(record: FakeRecord, reason: Reason) -> None:
    (before, row, after) = rows_of(accepted(offset=6), record, accepted(offset=8))
    assert (row["flaw"], row["koffset"], row["prev_offset"]) == (reason, 7, 6)
    assert (row["key"], row["headers"], row["value"]) == (record.key, record.headers, record.value)
    assert row["flaw_detail"]
    assert {name: row[name] for name in TYPED} == dict.fromkeys(TYPED, "")
    assert row["due_at"] is None
    assert before["flaw"] == after["flaw"] == ""


@pytest.mark.parametrize("timestamp", [-(2**63), -1, 0, 2**63 - 1])
def test_any_record_timestamp_fits_the_column(timestamp: int) -> None:
    (row,) = rows_of(accepted(timestamp=timestamp))
    assert 1900 <= row["recorded_at"].year <= 2299


def test_every_field_of_every_fact_has_a_column() -> None:
    fields = {name for fact in FACTS for name in fact.model_fields}
    columns = event_columns(batch(accepted())).columns
    assert fields <= columns.keys()
