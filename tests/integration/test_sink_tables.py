"""The tables and views on the real engine: made by the migrations, commented, dense or not, and equal to the core."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from schemas.codec import encode
from schemas.events import Kind
from schemas.reference import Unit, read_records, read_units
from schemas.state import Dossier, Flow, Status, Timeliness
from schemas.tables import (
    CORE_DOSSIERS,
    CORE_EVENTS,
    CORE_TALLIES,
    DATABASES,
    MART_DOSSIERS,
    MART_UNIT_DAILY,
    MART_UNIT_DAILY_NOW,
    RAW_EVENTS,
    TABLES,
    VIEWS,
)
from schemas.tallies import FLOW, STOCK, Tally
from schemas.topics import REFERENCE
from services.sink.batches import Batch
from services.sink.checkpoint import Mark
from services.sink.clickhouse import Warehouse, open_embedded
from services.sink.event_rows import event_columns
from services.sink.marks import Gap, count_repeats, event_marks, find_gaps, upsert_marks
from services.sink.migrations import migrate, read_migrations
from services.sink.reference_rows import unit_columns
from services.sink.targets import TARGETS, Target
from services.sink.upsert_rows import dossier_columns, tally_columns
from streams.domain.tally import standing
from tests.factories import OFFICE, event
from tests.unit.sink.make import FakeRecord

UNITS = {"06808": "Phường Trưng Vương", "06811": "Phường Quang Trung"}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """One engine for the module: a process can hold one directory."""
    warehouse = open_embedded(tmp_path_factory.mktemp("clickhouse"))
    migrate(warehouse, read_migrations())
    yield warehouse
    warehouse.close()


@pytest.fixture
def warehouse(engine: Warehouse) -> Warehouse:
    """The engine with empty tables."""
    for table in TABLES[1:]:
        engine.command(f"TRUNCATE TABLE {table}")
    return engine


def as_batch(records: Sequence[FakeRecord], *, partition: int = 0, prev_offset: int = -1) -> Batch:
    return Batch(topic="t", partition=partition, records=records, prev_offset=prev_offset)


def store_events(warehouse: Warehouse, offsets: Sequence[int], *, partition: int = 0, prev_offset: int = -1) -> None:
    batch = as_batch([FakeRecord(offset) for offset in offsets], partition=partition, prev_offset=prev_offset)
    warehouse.insert(RAW_EVENTS, event_columns(batch).columns, token=f"{random.random()}")


def store_upserts(warehouse: Warehouse, table: str, to_columns: Any, values: Sequence[tuple[str, Any]]) -> None:
    records = [
        FakeRecord(offset, key=key.encode(), value=None if value is None else msgspec.json.encode(value))
        for offset, (key, value) in enumerate(values)
    ]
    rows = to_columns(as_batch(records))
    assert not rows.unreadable
    warehouse.insert(table, rows.columns, token=f"{random.random()}")


def test_the_migrations_make_what_the_vocabulary_lists(warehouse: Warehouse) -> None:
    sql = "SELECT concat(database, '.', name) FROM system.tables WHERE database IN {databases:Array(String)}"
    found = {name for (name,) in warehouse.query(sql, {"databases": [*DATABASES]})}
    assert found == {*TABLES, *VIEWS}
    assert migrate(warehouse, read_migrations()) == []


def test_every_table_and_column_says_what_it_is_in_vietnamese_and_english(warehouse: Warehouse) -> None:
    everything = {"databases": [*DATABASES], "pattern": "^[^/]+ / [^ ].+"}
    columns = warehouse.query(
        "SELECT database, table, name FROM system.columns"
        " WHERE database IN {databases:Array(String)} AND NOT match(comment, {pattern:String})",
        everything,
    )
    tables = warehouse.query(
        "SELECT database, name FROM system.tables"
        " WHERE database IN {databases:Array(String)} AND NOT match(comment, {pattern:String})",
        everything,
    )
    assert (columns, tables) == ([], [])


def test_every_counter_has_a_column(warehouse: Warehouse) -> None:
    def columns_of(table: str) -> set[str]:
        return {row[0] for row in warehouse.query(f"DESCRIBE TABLE {table}")}

    assert {*STOCK, *FLOW} <= columns_of(CORE_TALLIES)
    assert {*FLOW} <= columns_of(MART_UNIT_DAILY)
    assert {*FLOW} <= columns_of(MART_UNIT_DAILY_NOW)


def test_a_chain_with_numbers_that_the_log_skipped_is_whole(warehouse: Warehouse) -> None:
    store_events(warehouse, [0, 1, 4])
    store_events(warehouse, [6, 7], prev_offset=4)
    store_events(warehouse, [9], partition=1)
    assert event_marks(warehouse) == {0: Mark(last=7, batch_first=6), 1: Mark(last=9, batch_first=9)}
    assert find_gaps(warehouse) == []


def test_a_lost_part_is_found_wherever_it_was(warehouse: Warehouse) -> None:
    store_events(warehouse, [0, 1, 4])
    store_events(warehouse, [9, 10], prev_offset=8)
    store_events(warehouse, [3, 4], partition=1, prev_offset=2)
    assert {partition: mark.missing for partition, mark in event_marks(warehouse).items()} == {0: 4, 1: 3}
    assert find_gaps(warehouse) == [Gap(0, 9, 8, 4), Gap(1, 3, 2, -1)]


def test_rows_stored_twice_neither_hide_a_lost_part_nor_look_like_one(warehouse: Warehouse) -> None:
    store_events(warehouse, [0, 1, 2])
    store_events(warehouse, [1, 2, 3], prev_offset=0)
    assert (event_marks(warehouse)[0].missing, count_repeats(warehouse), find_gaps(warehouse)) == (0, 2, [])
    store_events(warehouse, [6], prev_offset=5)
    assert event_marks(warehouse)[0].missing == 2


def test_a_fact_sent_twice_is_there_once_and_poison_is_not(warehouse: Warehouse) -> None:
    value = encode(event(Kind.ACCEPTED, "2021-03-01 08:30", id="e1", dossier="D1"))
    other = encode(event(Kind.ACCEPTED, "2021-03-01 08:30", id="e1", dossier="D2"))
    records = [
        FakeRecord(0, value=b"poison"),
        FakeRecord(1, value=value),
        FakeRecord(2, value=value),
        FakeRecord(3, key=b"D2", value=other),
    ]
    warehouse.insert(RAW_EVENTS, event_columns(as_batch(records)).columns, token="a")
    warehouse.insert(RAW_EVENTS, event_columns(as_batch([FakeRecord(4, value=value)])).columns, token="b")
    rows = warehouse.query(f"SELECT dossier_id, event_id, koffset FROM {CORE_EVENTS} ORDER BY koffset")
    assert rows == [("D1", "e1", 1), ("D2", "e1", 3)]
    assert warehouse.query(f"SELECT status, count() FROM {RAW_EVENTS} GROUP BY status ORDER BY status") == [
        ("ok", 4),
        ("poison", 1),
    ]


def test_upserts_keep_the_newest_version_and_tombstones_delete(warehouse: Warehouse) -> None:
    states = [("D1", Dossier(id="D1", status=Status.ACCEPTED)), ("D2", Dossier(id="D2")), ("D3", Dossier(id="D3"))]
    store_upserts(warehouse, CORE_DOSSIERS, dossier_columns, states)
    finished = FakeRecord(7, value=msgspec.json.encode(Dossier(id="D1", status=Status.FINISHED)))
    rows = dossier_columns(as_batch([finished, FakeRecord(8, key=b"D3", value=None)]))
    warehouse.insert(CORE_DOSSIERS, rows.columns, token="later")
    assert upsert_marks(warehouse, CORE_DOSSIERS) == {0: Mark(last=8)}
    found = warehouse.query(f"SELECT dossier_id, status FROM {MART_DOSSIERS} ORDER BY dossier_id")
    assert found == [("D1", "finished"), ("D2", "")]


def test_unit_daily_sums_partitions_and_carries_the_stock_on(warehouse: Warehouse) -> None:
    def share(day: str, partition: int, **counts: int) -> tuple[str, Tally]:
        tally = Tally(unit_id="06808", partition=partition, offset=1, as_of=0, counts=counts, day=day)
        return tally.key, tally

    stock = Tally(unit_id="06808", partition=0, offset=1, as_of=0, counts={"open_overdue": 9})
    shares = [
        share("2021-03-01", 0, received_online=99),  # an older version of the next but one
        share("2021-03-01", 1, received_online=2, received_postal=1),
        share("2021-03-01", 0, received_online=4, transferred_in=1, resolved_early=1, outcome_granted=1),
        share("2021-03-03", 0, resolved_overdue=2, resolved_undated=1, transferred_out=1, reopened=1, refused=5),
        (stock.key, stock),
    ]
    store_upserts(warehouse, CORE_TALLIES, tally_columns, shares)
    store_upserts(
        warehouse, "core.units", unit_columns, [("06808", {"id": "06808", "name_vi": UNITS["06808"], "name_en": "TV"})]
    )
    rows = warehouse.query(
        "SELECT unit_name_vi, day, opening, received, received_online, resolved, transferred_in, transferred_out,"
        f" reopened, refused, closing FROM {MART_UNIT_DAILY} ORDER BY day"
    )
    assert rows == [
        (UNITS["06808"], date(2021, 3, 1), 0, 7, 6, 1, 1, 0, 0, 0, 7),
        (UNITS["06808"], date(2021, 3, 3), 7, 0, 0, 3, 0, 1, 1, 5, 4),
    ]


@pytest.mark.parametrize(
    "target", [target for target in TARGETS if target.topic in REFERENCE], ids=lambda target: target.table
)
def test_reference_data_is_stored_field_by_field(warehouse: Warehouse, target: Target) -> None:
    records = [
        FakeRecord(at, key=each.id.encode(), value=each.model_dump_json().encode())
        for at, each in enumerate(read_records(target.topic.name))
    ]
    rows = target.read(as_batch(records))
    warehouse.insert(target.table, rows.columns, token=target.table)
    columns = {row[0] for row in warehouse.query(f"DESCRIBE TABLE {target.table}")}
    assert columns == {*rows.columns, "ingested_at"}
    names = [name for name in rows.columns if name not in ("koffset", "is_deleted")]
    found = warehouse.query(f"SELECT {', '.join(names)} FROM {target.table} FINAL ORDER BY koffset")
    assert found == list(zip(*(rows.columns[name] for name in names), strict=True))


def test_figures_under_the_units_of_today_have_the_same_totals(warehouse: Warehouse) -> None:
    """Trưng Vương was split: what it did stays its own, under the province, beside the three wards."""
    dice = random.Random(20250701)
    then = ["196.TTHCC", *(unit.id for unit in read_units() if unit.level == "commune"), "not-in-units"]
    shares = [
        Tally(unit_id=unit, partition=dice.randrange(3), offset=1, as_of=0, day=day, counts=counts)
        for unit in then
        for day in ("2021-03-01", "2021-03-02", "2021-03-05")
        for counts in [{name: dice.randrange(50) for name in FLOW}]
        if dice.random() < 0.8 or unit == "06820"
    ]
    store_upserts(warehouse, CORE_TALLIES, tally_columns, [(share.key, share) for share in shares])
    store_upserts(
        warehouse, "core.units", unit_columns, [(unit.id, unit.model_dump(mode="json")) for unit in read_units()]
    )

    sums = ", ".join(f"sum({name})" for name in ("received", "resolved", *FLOW, "closing - opening"))
    by_day = f"SELECT day, {sums} FROM {{}} GROUP BY day ORDER BY day"
    assert warehouse.query(by_day.format(MART_UNIT_DAILY_NOW)) == warehouse.query(by_day.format(MART_UNIT_DAILY))

    now = warehouse.query(
        "SELECT unit_id, any(unit_name_vi), any(parent_id), any(is_split), arraySort(groupUniqArrayArray(then_ids))"
        f" FROM {MART_UNIT_DAILY_NOW} GROUP BY unit_id ORDER BY unit_id"
    )
    assert now == [
        ("06820", "Phường Trưng Vương", "22", 1, ["06820", "196.DIENCONG"]),
        ("196.TTHCC", "Trung tâm Hành chính công thành phố", "22", 0, ["196.TTHCC"]),
        ("22.UONGBI", "Phường Uông Bí", "22", 0, ["06811", "06817", "06826", "22.UONGBI"]),
        ("22.VANGDANH", "Phường Vàng Danh", "22", 0, ["06808", "06814", "06823", "22.VANGDANH"]),
        ("22.YENTU", "Phường Yên Tử", "22", 0, ["06829", "06832", "06835", "22.YENTU"]),
        ("not-in-units", "not-in-units", "", 0, ["not-in-units"]),
    ]
    # The stock runs on from day to day of the joined unit.
    rows = warehouse.query(f"SELECT unit_id, opening, closing FROM {MART_UNIT_DAILY_NOW} ORDER BY unit_id, day")
    for (unit, _, closing), (next_unit, opening, _) in pairwise(rows):
        assert unit != next_unit or opening == closing


def test_a_unit_is_itself_until_its_last_day_has_passed_and_circles_end(warehouse: Warehouse) -> None:
    today = datetime.now(OFFICE).date()
    units = [
        Unit(id="top", name_vi="a", name_en="a"),
        Unit(id="ends-today", name_vi="a", name_en="a", parent_id="top", valid_to=today, successor_ids=("heir",)),
        Unit(id="ended", name_vi="a", name_en="a", parent_id="gone", valid_to=today - timedelta(days=1)),
        Unit(id="gone", name_vi="a", name_en="a", parent_id="top", valid_to=today - timedelta(days=1)),
        Unit(id="heir", name_vi="a", name_en="a", parent_id="top"),
        Unit(id="x", name_vi="a", name_en="a", parent_id="y", valid_to=date(2020, 1, 1), successor_ids=("y",)),
        Unit(id="y", name_vi="a", name_en="a", parent_id="x", valid_to=date(2020, 1, 1), successor_ids=("x",)),
    ]
    store_upserts(warehouse, "core.units", unit_columns, [(unit.id, unit.model_dump(mode="json")) for unit in units])
    rows = warehouse.query("SELECT unit_id, path, is_current, now_id, now_parent_id FROM mart.units ORDER BY unit_id")
    assert rows == [
        ("ended", ["ended", "gone", "top"], 0, "ended", "top"),
        ("ends-today", ["ends-today", "top"], 1, "ends-today", "top"),
        ("gone", ["gone", "top"], 0, "gone", "top"),
        ("heir", ["heir", "top"], 1, "heir", "top"),
        ("top", ["top"], 1, "top", ""),
        ("x", ["x", "y"], 0, "y", "y"),
        ("y", ["y", "x"], 0, "x", "x"),
    ]


def test_mart_dossiers_places_every_dossier_where_the_core_does(warehouse: Warehouse) -> None:
    dice = random.Random(20210301)
    now = datetime.now(UTC)

    def moment(*, chance: float) -> int | None:
        if dice.random() > chance:
            return None
        return round((now + timedelta(hours=dice.choice([-48, -24, -1, 1, 24, 48]))).timestamp()) * 1_000_000

    states = [
        Dossier(
            id=f"D{number}",
            unit_id=dice.choice([*UNITS]),
            status=dice.choice([None, *Status]),
            accepted_at=moment(chance=0.8),
            due_soon_at=moment(chance=0.8),
            closes_at=moment(chance=0.8),
            paused_at=moment(chance=0.2),
            ended_at=moment(chance=0.4),
            timeliness=dice.choice([Timeliness.EARLY, Timeliness.UNDATED]),
        )
        for number in range(400)
    ]
    store_upserts(warehouse, CORE_DOSSIERS, dossier_columns, [(state.id, state) for state in states])
    rows = warehouse.query(f"SELECT dossier_id, stock, is_open, timeliness FROM {MART_DOSSIERS}")
    as_of = round(now.timestamp()) * 1_000_000
    assert {id_: stock for id_, stock, *_ in rows} == {
        state.id: standing(state, as_of).bucket or "" for state in states
    }
    placed = {
        "open_registered": "",
        "open_within_due": "within_due",
        "open_due_soon": "within_due",
        "open_overdue": "overdue",
        "open_paused": "paused",
        "open_undated": "undated",
    }
    assert all(timeliness == placed[stock] for _, stock, _, timeliness in rows if stock)
    verdicts = {state.id: state.timeliness for state in states if state.status and state.ended_at}
    assert {id_: timeliness for id_, _, is_open, timeliness in rows if id_ in verdicts} == verdicts


def test_mart_dossiers_says_on_which_days_the_dossier_counts(warehouse: Warehouse) -> None:
    flows = [
        Flow("2021-03-01", "06808", "received_online"),
        Flow("2021-03-02", "06808", "resolved_early"),
        Flow("2021-03-04", "06808", "reopened"),
        Flow("2021-03-09", "06808", "resolved_overdue"),
    ]
    closed = Dossier(id="D1", status=Status.FINISHED, unit_id="06808", ended_at=1, flows=flows)
    reopened = Dossier(id="D2", status=Status.PROCESSING, unit_id="06808", flows=flows[:3])
    store_upserts(warehouse, CORE_DOSSIERS, dossier_columns, [("D1", closed), ("D2", reopened)])
    rows = warehouse.query(
        f"SELECT dossier_id, unit_name_vi, status_vi, received_on, resolved_on FROM {MART_DOSSIERS} ORDER BY dossier_id"
    )
    assert rows == [
        ("D1", "06808", "Đã xử lý xong", date(2021, 3, 1), date(2021, 3, 9)),
        ("D2", "06808", "Đang xử lý", date(2021, 3, 1), None),
    ]
