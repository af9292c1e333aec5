"""States, tallies and heartbeats become rows of upserts; tombstones delete, foreign records are handed back."""

from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec
import pytest

from schemas.events import Channel, Kind, Mark
from schemas.state import (
    Anomaly,
    AnomalyCode,
    ChangeCause,
    Dossier,
    DueChange,
    Flow,
    Pause,
    Status,
    Timeliness,
)
from schemas.tallies import Progress, Tally, of_procedure, progress_key
from services.sink.batches import Batch, Rows
from services.sink.upsert_rows import COUNTERS, PROGRESS, dossier_columns, tally_columns
from streams.domain.dossier import micros
from tests.factories import at
from tests.unit.sink.make import FakeRecord, batch

ToColumns = Callable[[Batch], Rows]
MICROS = micros(at("2021-03-01 08:30"))
ZEROS = dict.fromkeys((*COUNTERS, *PROGRESS), 0)


def record(offset: int, key: str, value: object) -> FakeRecord:
    return FakeRecord(offset, key=key.encode(), value=None if value is None else msgspec.json.encode(value))


def row_of(to_columns: ToColumns, key: str, value: object) -> dict[str, Any]:
    columns = to_columns(batch(record(11, key, value))).columns
    return {name: values[0] for name, values in columns.items()}


def test_a_dossier() -> None:
    dossier = Dossier(
        id="D1",
        offset=40,
        rules="ab12cd34",
        policy_id="vn-day-1",
        calendar_id="vn-1",
        status=Status.FINISHED,
        unit_id="06808",
        channel=Channel.ONLINE,
        accepted_at=MICROS,
        marks=(Mark.DIGITISED,),
        due_original=MICROS + 1,
        due_announced=MICROS,
        due_changes=(DueChange(MICROS, ChangeCause.APOLOGY, MICROS, None),),
        pauses=(Pause(MICROS, MICROS + 1),),
        supplements=1,
        finished_at=MICROS,
        ended_at=MICROS,
        outcome="granted",
        timeliness=Timeliness.EARLY,
        flows=[Flow("2021-03-01", "06808", "received_online"), Flow("2021-03-02", "06808", "resolved_early")],
        anomalies=[Anomaly("ab", Kind.FINISHED, AnomalyCode.NOT_ALLOWED, None)],
    )
    row = row_of(dossier_columns, "D1", dossier)
    assert {name: value for name, value in row.items() if value not in (None, "")} == {
        "dossier_id": "D1",
        "kpart": 3,
        "koffset": 11,
        "is_deleted": False,
        "event_offset": 40,
        "rules": "ab12cd34",
        "policy_id": "vn-day-1",
        "calendar_id": "vn-1",
        "status": "finished",
        "unit_id": "06808",
        "channel": "online",
        "accepted_at": MICROS,
        "marks": ("digitised",),
        "due_original_at": MICROS + 1,
        "due_announced_at": MICROS,
        "change_ats": [MICROS],
        "change_causes": ["apology"],
        "change_due_ats": [MICROS],
        "change_closes_ats": [None],
        "pause_starts": [MICROS],
        "pause_ends": [MICROS + 1],
        "supplements": 1,
        "finished_at": MICROS,
        "ended_at": MICROS,
        "outcome": "granted",
        "timeliness": "early",
        "flow_days": [date(2021, 3, 1), date(2021, 3, 2)],
        "flow_units": ["06808", "06808"],
        "flow_counters": ["received_online", "resolved_early"],
        "anomaly_identities": ["ab"],
        "anomaly_kinds": ["finished"],
        "anomaly_codes": ["not_allowed"],
        "anomaly_statuses": [""],
    }


def test_a_stock_share() -> None:
    share = Tally(unit_id="06808", partition=2, offset=40, as_of=MICROS, counts={"open_overdue": 3})
    assert row_of(tally_columns, share.key, share) == {
        **ZEROS,
        "scope": "stock",
        "unit_id": "06808",
        "subset": "",
        "day": date(1970, 1, 1),
        "partition": 2,
        "next_offset": 40,
        "as_of": MICROS,
        "open_overdue": 3,
        "kpart": 3,
        "koffset": 11,
        "is_deleted": False,
    }


def test_a_flow_share() -> None:
    share = Tally(unit_id="U", partition=0, offset=1, as_of=0, counts={"received_online": 2}, day="2021-03-01")
    row = row_of(tally_columns, share.key, share)
    assert (row["scope"], row["day"], row["received_online"]) == ("flow", date(2021, 3, 1), 2)


def test_a_share_of_one_procedures_dossiers() -> None:
    part = of_procedure("1.001612")
    share = Tally(unit_id="U", partition=0, offset=1, as_of=0, counts={"open_paused": 2}, subset=part)
    row = row_of(tally_columns, share.key, share)
    assert (row["scope"], row["subset"], row["open_paused"]) == ("stock", "procedure=1.001612", 2)


def test_a_heartbeat() -> None:
    beat = Progress(partition=2, offset=40, as_of=MICROS, dossiers=5, anomalies=1, parked=7)
    row = row_of(tally_columns, progress_key(2), beat)
    assert (row["scope"], row["unit_id"], row["partition"], row["next_offset"]) == ("progress", "", 2, 40)
    assert [row[name] for name in PROGRESS] == [5, 1, 7]


@pytest.mark.parametrize(
    ("to_columns", "key", "address"),
    [
        pytest.param(dossier_columns, "D1", {"dossier_id": "D1"}, id="dossier"),
        pytest.param(
            tally_columns,
            "U/2/2021-03-01",
            {"scope": "flow", "unit_id": "U", "partition": 2, "day": date(2021, 3, 1)},
            id="flow",
        ),
        pytest.param(tally_columns, "U/2", {"scope": "stock", "unit_id": "U", "partition": 2}, id="stock"),
        pytest.param(tally_columns, "/2", {"scope": "progress", "unit_id": "", "partition": 2}, id="heartbeat"),
    ],
)
def test_a_tombstone_deletes_the_row_of_its_key(to_columns: ToColumns, key: str, address: dict[str, Any]) -> None:
    row = row_of(to_columns, key, None)
    assert row["is_deleted"]
    assert row.items() >= address.items()


@pytest.mark.parametrize(
    ("to_columns", "key", "value"),
    [
        pytest.param(dossier_columns, b"D1", b"not json", id="not JSON"),
        pytest.param(dossier_columns, b"D1", b'{"id": "D1", "accepted_at": 9999999999999999999}', id="beyond all time"),
        pytest.param(dossier_columns, b"D1", b'{"id": "D1", "flows": [["yesterday", "U", "x"]]}', id="no day"),
        pytest.param(dossier_columns, b"D1", b'{"id": "D2"}', id="other dossier"),
        pytest.param(dossier_columns, b"\xff", b'{"id": "D1"}', id="key that is no UTF-8"),
        pytest.param(dossier_columns, None, b"[]", id="no key"),
        pytest.param(tally_columns, b"", b"{}", id="empty key"),
        pytest.param(
            tally_columns, b"U/1", b'{"unit_id":"U","partition":2,"offset":1,"as_of":0,"counts":{}}', id="other key"
        ),
        pytest.param(
            tally_columns,
            b"U/2",
            b'{"unit_id":"U","partition":2,"offset":1,"as_of":0,"counts":{"new":1}}',
            id="new counter",
        ),
        pytest.param(tally_columns, b"U/two", None, id="no partition"),
    ],
)
def test_a_foreign_record_is_handed_back_and_its_neighbours_stay(
    to_columns: ToColumns, key: bytes | None, value: bytes | None
) -> None:
    good = {dossier_columns: "D2", tally_columns: "U/9"}[to_columns]
    foreign = FakeRecord(1, key=key, value=value)
    rows = to_columns(batch(record(0, good, None), foreign, record(2, good, None)))
    assert rows.unreadable == [foreign]
    assert rows.columns["koffset"] == [0, 2]


def test_a_batch_of_nothing_but_foreign_records_has_no_rows() -> None:
    rows = dossier_columns(batch(FakeRecord(1, value=b"[]")))
    assert len(rows.unreadable) == 1
    assert rows.columns == {}
