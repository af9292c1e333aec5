"""The SQL door as its clients see it: plain HTTP, `clickhouse-connect`, and people who try to get through it."""

import contextlib
import json
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import clickhouse_connect
import httpx
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from services.sink.clickhouse import Warehouse
from services.sink.reader import LIMITS
from services.sink.sql_door import READERS_MAX

OFFICE = ZoneInfo("Asia/Ho_Chi_Minh")
IMPATIENT = httpx.Timeout(30, read=0.2)
ENDLESS = "SELECT sum(sipHash64(number)) FROM numbers(1e15)"


@pytest.fixture(scope="module", autouse=True)
def dossiers(embedded: Warehouse) -> str:
    """A table to read, and to try to change."""
    embedded.command(
        "CREATE TABLE contract.dossiers (id UInt32, unit LowCardinality(String), name String COMMENT 'Tên / Name', "
        "due_at Nullable(DateTime64(3, 'Asia/Ho_Chi_Minh')), on Date, kinds Array(String)) "
        "ENGINE = MergeTree ORDER BY id"
    )
    due_at = datetime(2021, 3, 1, 17, 0, 0, 0, OFFICE)
    embedded.insert(
        "contract.dossiers",
        {
            "id": [1, 2, 3],
            "unit": ["u1", "u1", "u2"],
            "name": ["Hồ sơ một", "Hồ sơ hai", "Hồ sơ ba"],
            "due_at": [due_at, None, due_at],
            "on": [date(2021, 1, 1)] * 3,
            "kinds": [["a", "b"], [], ["c"]],
        },
        token="dossiers",
    )
    return "contract.dossiers"


@pytest.fixture
def http(door_port: int) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{door_port}", timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def client(door_port: int) -> Iterator[Client]:
    """The stock client, with its defaults."""
    found = clickhouse_connect.get_client(host="127.0.0.1", port=door_port)
    yield found
    found.close()


# --- plain HTTP


@pytest.mark.parametrize("path", ["/", "/ping", "/replicas_status"])
def test_it_says_that_it_is_there(http: httpx.Client, path: str) -> None:
    answer = http.get(path)
    assert (answer.status_code, answer.text) == (200, "Ok.\n")


def test_the_statement_is_the_parameter_and_then_the_body(http: httpx.Client) -> None:
    assert http.get("/", params={"query": "SELECT 1"}).text == "1\n"
    assert http.post("/", content="SELECT 'Hồ sơ'").text == "Hồ sơ\n"
    assert http.post("/", params={"query": "SELECT 1 +"}, content="2 -- three").text == "3\n"


def test_headers_say_what_the_answer_is(http: httpx.Client, dossiers: str) -> None:
    answer = http.post("/", params={"query_id": "mine-1"}, content=f"SELECT id FROM {dossiers} FORMAT JSON")
    assert answer.headers["Content-Type"] == "application/json; charset=UTF-8"
    assert answer.headers["X-ClickHouse-Format"] == "JSON"
    assert answer.headers["X-ClickHouse-Timezone"] == "Asia/Ho_Chi_Minh"
    assert answer.headers["X-ClickHouse-Query-Id"] == "mine-1"
    assert answer.headers["X-ClickHouse-Server-Display-Name"] == "hoso"
    summary = json.loads(answer.headers["X-ClickHouse-Summary"])
    assert (summary["read_rows"], summary["result_rows"]) == ("3", "3")
    assert answer.json()["data"] == [{"id": 1}, {"id": 2}, {"id": 3}]


def test_a_query_id_cannot_bring_a_header(http: httpx.Client) -> None:
    answer = http.get("/", params={"query": "SELECT 1", "query_id": "a\r\nX-Mine: 1"})
    assert "X-Mine" not in answer.headers
    assert uuid.UUID(answer.headers["X-ClickHouse-Query-Id"])


@pytest.mark.parametrize(
    ("params", "headers", "sql", "expected"),
    [
        ({}, {}, "SELECT 1 AS a, 'x' AS b", "1\tx\n"),
        ({"default_format": "CSVWithNames"}, {}, "SELECT 1 AS a, 'x' AS b", '"a","b"\n1,"x"\n'),
        ({"default_format": "CSV"}, {"X-ClickHouse-Format": "JSONEachRow"}, "SELECT 1 AS a", '{"a":1}\n'),
        ({"default_format": "CSV"}, {}, "SELECT 1 AS a FORMAT JSONCompactEachRow", "[1]\n"),
        ({}, {}, "SELECT ' FORMAT CSV SETTINGS ' AS a", " FORMAT CSV SETTINGS \n"),
        (
            {"output_format_json_quote_64bit_integers": "1"},
            {},
            "SELECT 1::Int64 AS a FORMAT JSONEachRow",
            '{"a":"1"}\n',
        ),
    ],
)
def test_formats(http: httpx.Client, params: dict[str, str], headers: dict[str, str], sql: str, expected: str) -> None:
    assert http.post("/", params=params, headers=headers, content=sql).text == expected


@pytest.mark.parametrize(
    "where", [{"params": {"database": "contract"}}, {"headers": {"X-ClickHouse-Database": "contract"}}]
)
def test_the_default_database(http: httpx.Client, where: dict[str, dict[str, str]]) -> None:
    assert http.post("/", content="SELECT count() FROM dossiers", **where).text == "3\n"


def test_parameters_are_bound_by_the_engine(http: httpx.Client, dossiers: str) -> None:
    sql = f"SELECT id FROM {dossiers} WHERE name = {{name:String}} OR id IN {{ids:Array(UInt32)}} ORDER BY id"
    given = {"param_name": "Hồ sơ hai", "param_ids": "[3]"}
    assert http.post("/", params=given, content=sql).text == "2\n3\n"
    form = {name: (None, value) for name, value in {"query": sql, **given}.items()}
    assert http.post("/", files=form).text == "2\n3\n"  # how clickhouse-connect sends long ones


def test_what_speaks_of_the_connection_has_no_effect(http: httpx.Client) -> None:
    asked = {
        "session_id": "s",
        "enable_http_compression": "1",
        "wait_end_of_query": "1",
        "buffer_size": "1",
        "role": "x",
    }
    answer = http.get("/", params={"query": "SELECT 1", **asked}, headers={"Accept-Encoding": "zstd, gzip"})
    assert (answer.text, "Content-Encoding" in answer.headers) == ("1\n", False)


def test_a_client_may_ask_for_less_and_never_for_more(http: httpx.Client) -> None:
    def limit(name: str, value: str) -> int:
        return int(http.get("/", params={"query": f"SELECT toUInt64(getSetting('{name}'))", name: value}).text)

    assert limit("max_result_bytes", "1000") == 1000
    assert limit("max_result_bytes", "0") == limit("max_result_bytes", "1e99") == LIMITS["max_result_bytes"]
    assert limit("max_execution_time", "100000") == LIMITS["max_execution_time"]


@pytest.mark.parametrize(
    ("params", "sql", "status", "code", "text"),
    [
        ({}, "SELECT * FROM contract.nowhere", 404, 60, "contract.nowhere"),
        ({}, "SELECT nothing", 404, 47, "Unknown expression identifier `nothing`"),
        ({}, "SELECT 1 FORMAT Nope", 404, 73, "Unknown format Nope"),
        ({}, "SELECT 1 FORMAT DataFrame", 404, 73, "Unknown format DataFrame"),
        ({"database": "nowhere"}, "SELECT 1", 404, 81, "nowhere"),
        ({}, "SELEC 1", 400, 62, "failed at position 7"),
        ({}, "SELECT 1; SELECT 2", 400, 62, "Multi-statements are not allowed"),
        ({}, "", 400, 62, "Empty query"),
        ({}, b"SELECT '\xff'", 400, 62, "not UTF-8"),
        ({}, "SELECT {a:UInt8}", 500, 456, "`a` is not set"),
        ({"param_a": "x"}, "SELECT {a:UInt8}", 500, 457, "UInt8"),
        ({"max_execution_time": "0.1"}, ENDLESS, 408, 159, "TIMEOUT_EXCEEDED"),
        ({"max_memory_usage": "1000000"}, "SELECT groupArray(number) FROM numbers(1e7)", 500, 241, "memory limit"),
        ({"max_result_bytes": "1000"}, "SELECT number FROM numbers(1000)", 500, 396, "Limit for result exceeded"),
        ({"max_threads": "many"}, "SELECT 1", 400, None, "many"),
        ({"no_such_setting": "1"}, "SELECT 1", 500, 164, "Cannot modify 'no_such_setting'"),
        ({"user": "admin"}, "SELECT 1", 403, 516, "the only user here is `default`"),
        ({}, "SELECT '" + "x" * (1 << 20) + "'", 413, 229, "QUERY_IS_TOO_LARGE"),
    ],
)
def test_errors_are_those_of_a_server(
    http: httpx.Client, params: dict[str, str], sql: str | bytes, status: int, code: int | None, text: str
) -> None:
    answer = http.post("/", params=params, content=sql)
    assert (answer.status_code, answer.text.count("DB::Exception")) == (status, 1), answer.text
    assert text in answer.text
    if code is not None:
        assert answer.headers["X-ClickHouse-Exception-Code"] == str(code)
        assert answer.text.startswith(f"Code: {code}. DB::Exception: ")


def test_the_user_may_come_in_three_ways(http: httpx.Client) -> None:
    for headers in ({"X-ClickHouse-User": "default", "X-ClickHouse-Key": ""}, {}):
        assert http.get("/", params={"query": "SELECT 1"}, headers=headers).text == "1\n"
    assert http.get("/", params={"query": "SELECT 1"}, auth=("default", "")).text == "1\n"
    assert http.get("/", params={"query": "SELECT 1"}, auth=("default", "secret")).status_code == 403


# --- clickhouse-connect


def test_the_stock_client_reads_native(client: Client, dossiers: str) -> None:
    result = client.query(f"SELECT * FROM {dossiers} ORDER BY id LIMIT 1")
    assert result.column_names == ("id", "unit", "name", "due_at", "on", "kinds")
    due_at = datetime(2021, 3, 1, 17, 0, 0, 0, OFFICE)
    assert result.result_rows == [(1, "u1", "Hồ sơ một", due_at, date(2021, 1, 1), ["a", "b"])]
    assert str(client.server_tz) == "Asia/Ho_Chi_Minh"


def test_the_stock_client_binds_long_parameters(client: Client, dossiers: str) -> None:
    names = ["Hồ sơ ba", *(f"Hồ sơ {n}" for n in range(2000))]
    found = client.query(
        f"SELECT id FROM {dossiers} WHERE name IN {{names:Array(String)}}", parameters={"names": names}
    )
    assert found.result_rows == [(3,)]


def test_the_stock_client_knows_columns_of_no_rows_and_comments(client: Client, dossiers: str) -> None:
    assert client.query(f"SELECT id, name FROM {dossiers} LIMIT 0").column_names == ("id", "name")
    assert client.query(f"SELECT id FROM {dossiers} WHERE id > 9").result_rows == []
    described = client.query(f"DESCRIBE TABLE {dossiers}").named_results()
    assert {"Tên / Name"} <= {row["comment"] for row in described}


def test_the_stock_client_streams_a_large_answer(client: Client) -> None:
    with client.query_rows_stream("SELECT number, toString(number) FROM numbers(200000)") as stream:
        assert sum(number for number, _ in stream) == sum(range(200_000))


def test_the_stock_client_gets_typed_errors(client: Client, dossiers: str) -> None:
    with pytest.raises(DatabaseError) as unknown:
        client.query("SELECT * FROM contract.nowhere")
    assert (unknown.value.code, unknown.value.name) == (60, "UNKNOWN_TABLE")
    with pytest.raises(DatabaseError) as refused:
        client.insert(dossiers, [[4]], ["id"])
    assert (refused.value.code, refused.value.name) == (164, "READONLY")


# --- what must not get through

WRITES = [
    "INSERT INTO contract.dossiers (id) VALUES (4)",
    "INSERT INTO contract.dossiers (id) SELECT 4",
    "INSERT INTO FUNCTION file('{path}', 'CSV', 'a Int8') SELECT 1",
    "CREATE TABLE contract.mine (a Int8) ENGINE = Memory",
    "CREATE TEMPORARY TABLE mine (a Int8)",
    "CREATE VIEW contract.mine AS SELECT 1",
    "CREATE FUNCTION mine AS x -> x",
    "DROP TABLE contract.dossiers",
    "TRUNCATE TABLE contract.dossiers",
    "ALTER TABLE contract.dossiers DELETE WHERE 1",
    "DELETE FROM contract.dossiers WHERE 1",
    "UPDATE contract.dossiers SET name = '' WHERE 1",
    "RENAME TABLE contract.dossiers TO contract.mine",
    "OPTIMIZE TABLE contract.dossiers FINAL",
    "DETACH TABLE contract.dossiers",
    "SYSTEM FLUSH LOGS",
    "KILL QUERY WHERE 1",
    "BACKUP TABLE contract.dossiers TO S3('http://127.0.0.1:1/bucket/key', 'a', 'b')",
    "GRANT SELECT ON *.* TO default",
    "SET readonly = 0",
    "SET max_execution_time = 0",
    "USE contract",
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT 1 SETTINGS max_execution_time = 1000",
    "SELECT 1 INTO OUTFILE '{path}'",
    "SHOW TABLES INTO OUTFILE '{path}'",
    "EXPLAIN SELECT 1 INTO OUTFILE '{path}'",
    "/* SELECT */ select 1 into/**/outfile '{path}' -- x",
    "SELECT * FROM sqlite('{path}', 't')",
    "EXPLAIN AST INSERT INTO contract.dossiers FORMAT CSV 4; SELECT 1 INTO OUTFILE '{path}'",
]


@pytest.mark.parametrize("sql", WRITES)
def test_writing_is_refused(http: httpx.Client, embedded: Warehouse, dossiers: str, tmp_path: Path, sql: str) -> None:
    path = tmp_path / "made"
    before = _state(embedded, dossiers)

    answer = http.post("/", content=sql.format(path=path))

    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (500, "164"), answer.text
    assert not path.exists()
    assert _state(embedded, dossiers) == before


def _state(warehouse: Warehouse, table: str) -> list[list[tuple[object, ...]]]:
    questions = [
        f"SELECT * FROM {table} ORDER BY id",
        "SELECT name FROM system.tables WHERE database IN ('contract', 'default')",
        "SELECT name FROM system.functions WHERE origin != 'System'",
    ]
    return [warehouse.query(sql) for sql in questions]


READS = [
    "SELECT * FROM file('{path}', 'LineAsString')",
    "SELECT * FROM `{path}`",
    "SELECT * FROM default.`{path}`",
    "SELECT file('{path}')",
    "SELECT `fi\\x6ce`('{path}')",
    "SELECT \"file\"('{path}')",
    "SELECT arrayMap(file, ['{path}'])",
    "SELECT arrayMap({{f:Identifier}}, ['{path}'])",
    "SELECT * APPLY file FROM (SELECT '{path}')",
    "SELECT * APPLY(x -> file(x)) FROM (SELECT '{path}')",
    "SELECT * REPLACE(file(a) AS a) FROM (SELECT '{path}' AS a)",
    "SELECT * FROM view(SELECT file('{path}'))",
    "WITH (SELECT file('{path}')) AS a SELECT a",
    "EXPLAIN QUERY TREE SELECT file('{path}')",
    "DESCRIBE TABLE file('{path}', 'CSVWithNames')",
    "DESCRIBE TABLE `{path}`",
    "EXISTS TABLE `{path}`",
    "SHOW CREATE TABLE default.`{path}`",
    "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a Int8')",
    "DESCRIBE TABLE url('http://127.0.0.1:1/', 'CSV')",
    "SELECT * FROM s3('http://127.0.0.1:1/bucket/key', 'CSV', 'a Int8')",
    "SELECT * FROM remote('127.0.0.1:1', 'system.one')",
    "SELECT * FROM mysql('127.0.0.1:1', 'd', 't', 'u', 'p')",
    "SELECT * FROM executable('id', 'TSV', 'a String')",
    "SELECT * FROM Python(secret)",
    "SELECT * FROM system.one WHERE dummy IN (SELECT 1 FROM url('http://127.0.0.1:1/', 'CSV', 'a Int8'))",
]


@pytest.mark.parametrize("sql", READS)
def test_reading_outside_is_refused(http: httpx.Client, tmp_path: Path, sql: str) -> None:
    path = tmp_path / "secret.csv"
    path.write_text("a secret,column\n1,2\n")

    answer = http.post("/", params={"param_f": "file"}, content=sql.format(path=path))

    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (500, "164"), answer.text
    assert "a secret" not in answer.text


def test_a_settings_name_cannot_bring_sql(http: httpx.Client, embedded: Warehouse, dossiers: str) -> None:
    before = _state(embedded, dossiers)
    for more in (", allow_ddl", "; TRUNCATE TABLE contract.dossiers; SET limit", " = 1 --"):
        answer = http.post("/", params={f"output_format_json_quote_denormals = 1{more}": "1"}, content="SELECT 1")
        assert answer.headers["X-ClickHouse-Exception-Code"] == "164"
    for value in ("1', allow_ddl = '0", "1\\' --", "UTC'; TRUNCATE TABLE contract.dossiers --"):
        assert http.post("/", params={"session_timezone": value}, content="SELECT 1").status_code == 400
        assert http.post("/", params={"database": f"`{value}"}, content="SELECT 1").status_code == 404
    assert _state(embedded, dossiers) == before


@pytest.mark.parametrize(
    "setting", ["readonly", "format_template_row", "output_format_schema", "dialect", "log_comment"]
)
def test_settings_that_reach_further_are_refused(http: httpx.Client, setting: str) -> None:
    answer = http.post("/", params={setting: "0"}, content="SELECT 1")
    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (500, "164")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'file(''x'') INTO OUTFILE ''y'', url(1)'",
        "SELECT 1 AS `url`, 2 AS `tệp (file)`",
        "WITH numbers AS (SELECT 1 AS a) SELECT a FROM numbers",
        "SELECT sum(number) FROM numbers(10)",
        "(SELECT 1) UNION ALL (SELECT 2)",
        "SHOW TABLES FROM contract",
        "SHOW CREATE TABLE contract.dossiers",
        "EXISTS TABLE contract.dossiers",
        "DESCRIBE TABLE (SELECT 1)",
        "EXPLAIN SELECT count() FROM contract.dossiers",
        "SELECT 1; -- done",
    ],
)
def test_reading_inside_is_not(http: httpx.Client, sql: str) -> None:
    answer = http.post("/", content=sql)
    assert answer.status_code == 200, answer.text


# --- beside the sink


def running(warehouse: Warehouse) -> int:
    """How many endless questions the engine works on."""
    [(count,)] = warehouse.query(f"SELECT count() FROM system.processes WHERE query = '{ENDLESS}'")
    return int(count)


@contextlib.contextmanager
def asked_endlessly(http: httpx.Client, warehouse: Warehouse, *, times: int) -> Iterator[None]:
    """That many clients wait for an answer, all places taken; killed at the end."""
    threads = [threading.Thread(target=http.post, args=("/",), kwargs={"content": ENDLESS}) for _ in range(times)]
    for thread in threads:
        thread.start()
    while running(warehouse) < READERS_MAX:  # a door that never gets there is ended by the test's time limit
        time.sleep(0.01)
    try:
        yield
    finally:
        while any(thread.is_alive() for thread in threads):
            warehouse.command(f"KILL QUERY WHERE query = '{ENDLESS}' ASYNC")
            time.sleep(0.01)


def test_a_client_that_goes_away_takes_its_query_along(http: httpx.Client, embedded: Warehouse) -> None:
    with pytest.raises(httpx.ReadTimeout):
        http.post("/", content=ENDLESS, timeout=IMPATIENT)
    while running(embedded):
        time.sleep(0.01)


def test_questions_wait_for_a_place_and_inserts_do_not(http: httpx.Client, embedded: Warehouse, table: str) -> None:
    embedded.command(f"CREATE TABLE {table} (a Int32) ENGINE = MergeTree ORDER BY a")
    with asked_endlessly(http, embedded, times=READERS_MAX + 2):
        for number in range(5):
            embedded.insert(table, {"a": [number]}, token=str(number))
        assert running(embedded) == READERS_MAX
        assert embedded.query(f"SELECT count() FROM {table}") == [(5,)]


def test_a_waiting_question_of_a_gone_client_never_starts(http: httpx.Client, embedded: Warehouse) -> None:
    with asked_endlessly(http, embedded, times=READERS_MAX), pytest.raises(httpx.ReadTimeout):
        http.post("/", content=ENDLESS, timeout=IMPATIENT)
    assert http.get("/", params={"query": "SELECT 1"}).text == "1\n"
    assert running(embedded) == 0
