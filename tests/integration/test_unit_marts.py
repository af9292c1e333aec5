"""The marts that come from counters, against a count dossier by dossier, on the real engine over random histories."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest

from schemas.tables import (
    CORE_DOSSIERS,
    CORE_PROCEDURES,
    CORE_TALLIES,
    CORE_UNITS,
    MART_PROCEDURE_STOCK,
    MART_PROCEDURE_YEARLY,
    MART_UNIT_DAILY_ROLLED,
    MART_UNIT_MEMBERS,
    MART_UNIT_STOCK,
)
from schemas.tallies import FLOW, OPEN_ACCEPTED, STOCK, Tally
from services.sink.batches import Batch
from services.sink.clickhouse import Warehouse, open_embedded
from services.sink.migrations import migrate, read_migrations
from services.sink.reference_rows import procedure_columns, unit_columns
from services.sink.upsert_rows import dossier_columns, tally_columns
from streams.domain.tally import standing
from tests.levels import AS_OF, PROCEDURES, UNITS, World, at_or_below, world
from tests.unit.sink.make import FakeRecord

DOSSIERS = world(20210301, applications=150)
FIELD_OF = {procedure.id: procedure.field_id for procedure in PROCEDURES}


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """One engine with one world: its states, its counters in two partitions, its units and procedures."""
    made = open_embedded(tmp_path_factory.mktemp("clickhouse"))
    migrate(made, read_migrations())
    store(made, CORE_DOSSIERS, dossier_columns, [(each.id, each) for each in DOSSIERS.dossiers])
    store(made, CORE_TALLIES, tally_columns, [(each.key, each) for each in shares(DOSSIERS)])
    store(made, CORE_UNITS, unit_columns, [(each.id, each.model_dump(mode="json")) for each in UNITS])
    store(made, CORE_PROCEDURES, procedure_columns, [(each.id, each.model_dump(mode="json")) for each in PROCEDURES])
    yield made
    made.close()


def shares(made: World) -> Iterator[Tally]:
    """The counters as two partitions would tell them."""
    keys = [(unit, subset, None) for unit, subset in made.book.stock] + list(made.book.flow)
    for unit, subset, day in keys:
        counts = made.book.stock[unit, subset] if day is None else made.book.flow[unit, subset, day]
        for partition in (0, 1):
            part = {counter: count // 2 if partition else count - count // 2 for counter, count in counts.items()}
            yield Tally(unit_id=unit, partition=partition, offset=9, as_of=AS_OF, counts=part, day=day, subset=subset)


def store(warehouse: Warehouse, table: str, to_columns: Any, values: Sequence[tuple[str, Any]]) -> None:
    records = [
        FakeRecord(offset, key=key.encode(), value=msgspec.json.encode(value))
        for offset, (key, value) in enumerate(values)
    ]
    rows = to_columns(Batch(topic="t", partition=0, records=records, prev_offset=-1))
    assert not rows.unreadable
    warehouse.insert(table, rows.columns, token=f"{random.random()}")


def test_members_are_the_unit_and_all_below_it(warehouse: Warehouse) -> None:
    found = warehouse.query(f"SELECT unit_id, groupArray(member_id) FROM {MART_UNIT_MEMBERS} GROUP BY unit_id")
    assert {unit: set(members) for unit, members in found} == {unit.id: at_or_below(unit.id) for unit in UNITS}
    assert warehouse.query(f"SELECT max(distance) FROM {MART_UNIT_MEMBERS} WHERE unit_id = '22'") == [(2,)]


@pytest.mark.parametrize("unit_id", [unit.id for unit in UNITS])
def test_rolled_days_are_those_of_the_dossiers_counted_once(warehouse: Warehouse, unit_id: str) -> None:
    """Dossier by dossier, from `core.dossiers`: with units below it, a unit's sum holds no linked dossier."""
    members = sorted(at_or_below(unit_id))
    by_dossier = warehouse.query(
        "SELECT flow.1 AS day, toString(flow.3) AS counter, count() FROM ("
        f" SELECT root_id, arrayJoin(arrayZip(flow_days, flow_units, flow_counters)) AS flow FROM {CORE_DOSSIERS} FINAL"
        ") WHERE flow.2 IN {members:Array(String)} AND (root_id = '' OR {alone:Bool}) GROUP BY day, counter",
        {"members": members, "alone": len(members) == 1},
    )
    expected = {(day, counter): count for day, counter, count in by_dossier}
    rows = warehouse.query(
        f"SELECT day, {', '.join(FLOW)}, opening, closing, units, received, resolved"
        f" FROM {MART_UNIT_DAILY_ROLLED} WHERE unit_id = {{unit:String}} ORDER BY day",
        {"unit": unit_id},
    )
    found = {(row[0], counter): count for row in rows for counter, count in zip(FLOW, row[1:], strict=False) if count}
    assert found == expected
    stock = 0
    for _, *counts in rows:
        flow, (opening, closing, units, received, resolved) = dict(zip(FLOW, counts, strict=False)), counts[-5:]
        assert (opening, units) == (stock, len(members))
        came = received + flow["transferred_in"] + flow["reopened"]
        assert closing == opening + came - resolved - flow["transferred_out"] >= 0
        stock = closing
    open_now = Counter(
        standing(each, AS_OF).bucket
        for each in DOSSIERS.dossiers
        if each.unit_id in members and (len(members) == 1 or each.root_id is None)
    )
    assert stock == sum(open_now[counter] for counter in OPEN_ACCEPTED)


def test_stock_is_that_of_the_dossiers_by_unit_and_by_procedure(warehouse: Warehouse) -> None:
    by_unit: Counter[tuple[str, str]] = Counter()
    by_procedure: Counter[tuple[str, str, str, str]] = Counter()
    linked: Counter[str] = Counter()
    for each in DOSSIERS.dossiers:
        if (bucket := standing(each, AS_OF).bucket) is None:
            continue
        unit, procedure = each.unit_id or "", each.procedure_id or ""
        by_unit[unit, bucket] += 1
        by_procedure[unit, procedure, FIELD_OF.get(procedure, ""), bucket] += 1
        linked[unit] += bool(each.root_id) and bucket in OPEN_ACCEPTED
    names = ", ".join(STOCK)
    rows = warehouse.query(f"SELECT unit_id, in_progress, linked_in_progress, {names} FROM {MART_UNIT_STOCK}")
    assert {(row[0], name): n for row in rows for name, n in zip(STOCK, row[3:], strict=True) if n} == by_unit
    assert {row[0]: row[2] for row in rows if row[2]} == {unit: count for unit, count in linked.items() if count}
    assert {row[0]: row[1] for row in rows} == {
        row[0]: sum(by_unit[row[0], name] for name in OPEN_ACCEPTED) for row in rows
    }
    parts = warehouse.query(f"SELECT unit_id, procedure_id, field_id, {names} FROM {MART_PROCEDURE_STOCK}")
    assert {(*row[:3], name): n for row in parts for name, n in zip(STOCK, row[3:], strict=True) if n} == by_procedure
    assert sum(linked.values()) > 0


def test_a_year_by_procedure_is_that_of_the_dossiers(warehouse: Warehouse) -> None:
    expected: Counter[tuple[str, str, str, int, str]] = Counter()
    linked: Counter[str] = Counter()
    for each in DOSSIERS.dossiers:
        for flow in each.flows:
            procedure = each.procedure_id or ""
            expected[flow.unit_id, procedure, FIELD_OF.get(procedure, ""), int(flow.day[:4]), flow.counter] += 1
            linked[flow.counter.partition("_")[0]] += each.root_id is not None
    rows = warehouse.query(
        f"SELECT unit_id, procedure_id, field_id, year, {', '.join(FLOW)} FROM {MART_PROCEDURE_YEARLY}"
    )
    assert {(*row[:4], name): n for row in rows for name, n in zip(FLOW, row[4:], strict=True) if n} == expected
    assert warehouse.query(f"SELECT sum(linked_received), sum(linked_resolved) FROM {MART_PROCEDURE_YEARLY}") == [
        (linked["received"], linked["resolved"])
    ]


def test_names_come_from_the_reference_data_or_are_the_codes(warehouse: Warehouse) -> None:
    names = warehouse.query(
        f"SELECT DISTINCT procedure_id, procedure_name_vi, field_vi FROM {MART_PROCEDURE_YEARLY} ORDER BY ALL"
    )
    known = [(each.id, each.name_vi, each.field_vi) for each in PROCEDURES]
    assert names == [*known, ("9.999999", "9.999999", "")]
    assert warehouse.query(f"SELECT DISTINCT unit_name_vi FROM {MART_UNIT_DAILY_ROLLED} WHERE unit_id = '22'") == [
        ("Tỉnh",)
    ]
