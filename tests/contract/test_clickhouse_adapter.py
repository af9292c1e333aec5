"""One suite for the adapter to ClickHouse, embedded, through the SQL door (reading), and against a server."""

import subprocess
import sys
import uuid
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from schemas.errors import SettingsError, Unavailable
from services.sink.clickhouse import Warehouse, open_embedded, open_server
from tests.kafka import free_port

OFFICE = ZoneInfo("Asia/Ho_Chi_Minh")

ONE_OF_EACH: dict[str, tuple[str, list[Any]]] = {
    "kpart": ("Int32", [0, 1]),
    "koffset": ("Int64", [2**40, 7]),
    "name": ("String", ["Hồ sơ thất lạc, đã tìm thấy", "it's a \\ tab\t and\nline"]),
    "code": ("LowCardinality(String)", ["một cửa", ""]),
    "at": ("DateTime64(3, 'Asia/Ho_Chi_Minh')", [datetime(2021, 1, 1, 7, 30, 0, 123000, OFFICE)] * 2),
    "due_at": ("Nullable(DateTime64(3, 'Asia/Ho_Chi_Minh'))", [None, datetime(2021, 12, 31, 23, 59, 59, 0, OFFICE)]),
    "ingested_at": ("DateTime64(6, 'UTC')", [datetime(2021, 1, 1, 0, 30, 0, 5, UTC)] * 2),
    "on": ("Date", [date(2021, 2, 12), date(1970, 1, 1)]),
    "days": ("Nullable(Int16)", [None, -3]),
    "kinds": ("Array(LowCardinality(String))", [["a", "b"], []]),
    "moments": ("Array(DateTime64(3, 'UTC'))", [[datetime(2021, 1, 1, tzinfo=UTC)], []]),
    "id": ("UUID", [uuid.UUID(int=1), uuid.UUID(int=2)]),
    "late": ("Bool", [True, False]),
}


@pytest.fixture(params=["embedded", "server"])
def store(request: pytest.FixtureRequest) -> Warehouse:
    """A ClickHouse that can be written."""
    warehouse: Warehouse = request.getfixturevalue(request.param)
    return warehouse


@pytest.fixture(params=["embedded", "door", "server"])
def readers(request: pytest.FixtureRequest) -> tuple[Warehouse, Warehouse]:
    """A ClickHouse to write, and the same data to read."""
    reader: Warehouse = request.getfixturevalue(request.param)
    return (request.getfixturevalue("embedded") if request.param == "door" else reader), reader


def create(store: Warehouse, table: str, columns: str, *, partition_by: str = "tuple()") -> None:
    store.command(
        f"CREATE TABLE {table} ({columns}) ENGINE = MergeTree PARTITION BY {partition_by} ORDER BY tuple() "
        "SETTINGS non_replicated_deduplication_window = 100"
    )


def test_what_goes_in_comes_out(readers: tuple[Warehouse, Warehouse], table: str) -> None:
    writer, reader = readers
    create(writer, table, ", ".join(f"`{name}` {kind}" for name, (kind, _) in ONE_OF_EACH.items()))
    columns = {name: values for name, (_, values) in ONE_OF_EACH.items()}

    writer.insert(table, columns, token="events:0:0:1")

    rows = reader.query(f"SELECT * FROM {table} ORDER BY kpart")
    assert rows == list(zip(*columns.values(), strict=True))
    assert rows[0][4].isoformat() == "2021-01-01T07:30:00.123000+07:00"


def test_bytes_are_kept_as_they_are(readers: tuple[Warehouse, Warehouse], table: str) -> None:
    writer, reader = readers
    create(writer, table, "payload String")
    values = [b'{"id": "\xff\x00"}\r\n', "đ".encode(), b""]

    writer.insert(table, {"payload": values}, token="events:0:0:2")

    found = [bytes.fromhex(row[0]) for row in reader.query(f"SELECT hex(payload) FROM {table}")]
    assert sorted(found) == sorted(values)


def test_parameters_are_values_and_never_sql(readers: tuple[Warehouse, Warehouse]) -> None:
    _, reader = readers
    given = {"text": "Hồ sơ 'x' \\ \n {y}", "names": ["a'b", "c"], "at": datetime(2021, 1, 1, tzinfo=UTC), "n": None}

    [(text, names, at, nothing)] = reader.query(
        "SELECT {text:String}, {names:Array(String)}, {at:DateTime64(3, 'UTC')}, {n:Nullable(Int32)}", given
    )

    assert (text, names, at, nothing) == tuple(given.values())


def test_an_error_of_the_statement_is_the_callers(readers: tuple[Warehouse, Warehouse]) -> None:
    _, reader = readers
    with pytest.raises(DatabaseError) as caught:
        reader.query("SELECT * FROM contract.nowhere")
    assert (caught.value.code, caught.value.name) == (60, "UNKNOWN_TABLE")


def test_text_without_a_zone_means_the_office(readers: tuple[Warehouse, Warehouse]) -> None:
    _, reader = readers
    assert reader.query("SELECT toDateTime64('2021-01-01 07:00:00', 3)") == [
        (datetime(2021, 1, 1, 7, 0, 0, 0, OFFICE),)
    ]


def test_out_of_time_is_unavailable(store: Warehouse) -> None:
    with pytest.raises(Unavailable, match="TIMEOUT_EXCEEDED"):
        store.query("SELECT sum(sipHash64(number)) FROM numbers(1e12) SETTINGS max_execution_time = 0.2")


def test_a_repeat_under_its_token_stores_nothing(store: Warehouse, table: str) -> None:
    create(store, table, "koffset Int64")
    for token in ("events:0:0:1", "events:0:0:1", "events:0:2:3"):
        store.insert(table, {"koffset": [0, 1]}, token=token)
    assert store.query(f"SELECT count() FROM {table}") == [(4,)]


def test_a_batch_is_one_part(store: Warehouse, table: str) -> None:
    create(store, table, "koffset Int64, payload String")
    rows = 50_000
    store.insert(table, {"koffset": list(range(rows)), "payload": [b"x" * 240] * rows}, token="events:0:0:49999")
    parts = "SELECT rows FROM system.parts WHERE active AND database || '.' || table = {table:String}"
    assert store.query(parts, {"table": table}) == [(rows,)]


def test_a_batch_that_would_split_is_refused_whole(store: Warehouse, table: str) -> None:
    create(store, table, "kpart Int32", partition_by="kpart")
    with pytest.raises(DatabaseError, match="TOO_MANY_PARTS"):  # our mistake: not Unavailable
        store.insert(table, {"kpart": [0, 1]}, token="events:0:0:1")
    assert store.query(f"SELECT count() FROM {table}") == [(0,)]


def test_a_datetime_without_a_zone_is_refused(store: Warehouse, table: str) -> None:
    create(store, table, "at DateTime64(3, 'UTC')")
    with pytest.raises(ValueError, match=r"\.at: a datetime without a zone"):
        store.insert(table, {"at": [datetime(2021, 1, 1)]}, token="events:0:0:0")  # noqa: DTZ001


def test_columns_of_different_lengths_are_refused(store: Warehouse, table: str) -> None:
    create(store, table, "a Int8, b Int8")
    with pytest.raises(ValueError, match="columns differ in length"):
        store.insert(table, {"a": [1], "b": [1, 2]}, token="events:0:0:0")


def test_a_second_process_is_told_who_holds_the_directory(embedded: Warehouse, engine_path: Path) -> None:
    code = "import sys, pathlib, services.sink.clickhouse as c; c.open_embedded(pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(engine_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Unavailable: another process has" in done.stderr
    assert "set HOSO_VAR" in done.stderr


def test_a_second_connection_shares_the_engine(embedded: Warehouse, engine_path: Path, table: str) -> None:
    create(embedded, table, "a Int8")
    second = open_embedded(engine_path)
    second.insert(table, {"a": [1]}, token="events:0:0:0")
    second.close()
    assert embedded.query(f"SELECT * FROM {table}") == [(1,)]


def test_a_second_directory_in_one_process_is_refused(embedded: Warehouse, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot hold the embedded engine's data"):
        open_embedded(tmp_path)


def test_nobody_at_the_address_names_the_setting() -> None:
    with pytest.raises(Unavailable, match="check HOSO_CLICKHOUSE"):
        open_server(host="127.0.0.1", port=free_port(), user="default", password="", secure=False)
