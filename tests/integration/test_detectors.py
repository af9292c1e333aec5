"""What the detectors find, on the real engine: nothing in a clean year, and each fault where it was put in."""

import random
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from schemas.codec import Event, encode
from schemas.events import DueCause, Kind, Outcome
from schemas.state import Entry
from schemas.tables import CORE_DOSSIERS, RAW_EVENTS
from services.demo.year import COMMUNES, Plan, events
from services.sink.batches import Batch
from services.sink.clickhouse import Warehouse, open_embedded
from services.sink.event_rows import event_columns
from services.sink.migrations import migrate, read_migrations
from services.sink.upsert_rows import dossier_columns
from services.sink.watch import WATCHES, Watcher
from streams.domain.dossier import entry_of, fold
from tests.factories import OFFICE, OTHER_UNIT, SOURCE, UNIT, event, rules
from tests.unit.sink.make import FakeRecord

RULES = rules()
SINCE = date(2021, 1, 1)
ROUTE = timedelta(minutes=2)  # from the office to the log

BACK_DATED = "mart.back_dated(since = {since:Date}, tolerance_hours = 24)"
BACK_DATED_FACTS = "mart.back_dated_facts(since = {since:Date}, tolerance_hours = 24)"
GAPS = "mart.sequence_gaps(since = {since:Date})"
DATES = "mart.code_date_mismatches(since = {since:Date})"
ORDERS = "mart.impossible_orders(since = {since:Date})"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """One engine for the module: a process can hold one directory."""
    made = open_embedded(tmp_path_factory.mktemp("clickhouse"))
    migrate(made, read_migrations())
    yield made
    made.close()


@pytest.fixture
def warehouse(engine: Warehouse) -> Warehouse:
    """The engine with empty tables."""
    for table in (RAW_EVENTS, CORE_DOSSIERS):
        engine.command(f"TRUNCATE TABLE {table}")
    return engine


def load(warehouse: Warehouse, told: Iterable[Event | tuple[Event, timedelta]]) -> None:
    """Events as the log brings them, each recorded two minutes after it happened or as much later as is said."""
    records: list[FakeRecord] = []
    histories: dict[str, list[Entry]] = {}
    for each in told:
        fact, route = each if isinstance(each, tuple) else (each, ROUTE)
        recorded_ms = int((fact.time + route).timestamp() * 1000)
        records.append(FakeRecord(len(records), value=encode(fact), key=fact.subject.encode(), timestamp=recorded_ms))
        histories.setdefault(fact.subject, []).append(entry_of(fact))
    rows = event_columns(Batch(topic="t", partition=0, records=records, prev_offset=-1))
    warehouse.insert(RAW_EVENTS, rows.columns, token=f"{random.random()}")
    states = [
        FakeRecord(offset, key=id_.encode(), value=msgspec.json.encode(fold(id_, history, RULES)))
        for offset, (id_, history) in enumerate(histories.items())
    ]
    upserts = dossier_columns(Batch(topic="t", partition=0, records=states, prev_offset=-1))
    assert not upserts.unreadable
    warehouse.insert(CORE_DOSSIERS, upserts.columns, token=f"{random.random()}")


def ask(warehouse: Warehouse, what: str, columns: str = "*", since: date = SINCE) -> list[tuple[Any, ...]]:
    return warehouse.query(f"SELECT {columns} FROM {what} ORDER BY ALL", {"since": since})


def orders(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    return ask(warehouse, ORDERS, "code, dossier_id, unit_id, kind")


def test_a_clean_year_has_nothing(warehouse: Warehouse) -> None:
    plan = Plan(units=COMMUNES[:3], carried_over=5, early=200, on_time=40, open=30)
    load(warehouse, events((plan,)))
    for detector in (BACK_DATED, BACK_DATED_FACTS, GAPS, DATES, ORDERS):
        assert ask(warehouse, detector, since=date(2020, 1, 1)) == [], detector
    assert warehouse.query("SELECT count() FROM mart.dossier_codes") == [(270,)]


def test_back_dated_finishes_are_found_with_their_dossier_and_unit(warehouse: Warehouse) -> None:
    honest = [
        event(Kind.ACCEPTED, "2021-03-01 08:00", dossier=f"D{number}", due_at="2021-03-05 17:00") for number in range(8)
    ]
    late = [
        (
            event(Kind.FINISHED, "2021-03-05 16:00", dossier=f"D{number}", id=f"f{number}", outcome=Outcome.GRANTED),
            route,
        )
        for number, route in enumerate([timedelta(hours=48), timedelta(hours=72), timedelta(hours=24)])
    ]
    load(warehouse, [*honest, *late, late[0]])
    assert ask(warehouse, BACK_DATED_FACTS, "dossier_id, unit_id, source, kind, event_id, hours_late") == [
        ("D0", UNIT, SOURCE, "finished", "f0", 48.0),
        ("D1", UNIT, SOURCE, "finished", "f1", 72.0),
    ]
    assert ask(warehouse, BACK_DATED) == [(UNIT, SOURCE, 11, 2, 18.18, 72.0, 72.0, 72.0)]
    assert ask(warehouse, BACK_DATED_FACTS, since=date(2021, 3, 6)) == []  # what came from before is not asked about


def test_missing_numbers_are_found_with_agency_day_and_unit(warehouse: Warehouse) -> None:
    def accepted(code: str, day: str, unit: str = UNIT) -> Event:
        return event(Kind.ACCEPTED, f"{day} 08:00", dossier=code, unit_id=unit)

    load(
        warehouse,
        [
            accepted("000.00.20.H49-210301-0002", "2021-03-01"),
            accepted("000.00.20.H49-210301-0003", "2021-03-01", OTHER_UNIT),
            accepted("000.00.20.H49-210301-0006", "2021-03-01"),
            accepted("000.00.20.H49-210302-0001", "2021-03-02"),
            accepted("G09.20-20210302-0092637", "2021-03-02"),
            accepted("G09.20-20210302-0092639", "2021-03-02"),
            accepted("no-code-of-that-form", "2021-03-02"),
        ],
    )
    assert ask(warehouse, GAPS) == [
        ("000.00.20.H49", date(2021, 3, 1), 1, 1, 1, "000.00.20.H49-210301-0002", [UNIT, OTHER_UNIT]),
        ("000.00.20.H49", date(2021, 3, 1), 4, 5, 2, "000.00.20.H49-210301-0006", [UNIT, OTHER_UNIT]),
        ("G09.20", date(2021, 3, 2), 92638, 92638, 1, "G09.20-20210302-0092639", [UNIT]),
    ]
    assert len(ask(warehouse, GAPS, since=date(2021, 3, 2))) == 1
    assert ask(warehouse, DATES) == []


def test_a_code_with_another_day_is_found_but_not_one_that_was_numbered_when_filed(warehouse: Warehouse) -> None:
    load(
        warehouse,
        [
            event(Kind.ACCEPTED, "2021-03-04 08:00", dossier="000.00.20.H49-210301-0001"),
            event(Kind.ACCEPTED, "2021-03-04 08:00", dossier="000.00.20.H49-210230-0001"),
            event(Kind.REGISTERED, "2021-03-01 08:00", dossier="000.00.20.H49-210301-0002"),
            event(Kind.ACCEPTED, "2021-03-04 08:00", dossier="000.00.20.H49-210301-0002"),
        ],
    )
    assert ask(warehouse, DATES) == [
        ("000.00.20.H49-210230-0001", UNIT, None, None, date(2021, 3, 4), None),
        ("000.00.20.H49-210301-0001", UNIT, date(2021, 3, 1), None, date(2021, 3, 4), 3),
    ]


def accepted(**data: Any) -> Event:
    return event(Kind.ACCEPTED, "2021-03-01 08:00", **{"due_at": "2021-03-05 17:00", **data})


def apology(moment: str, **data: Any) -> Event:
    return event(Kind.DUE_CHANGED, moment, due_at="2021-03-12 17:00", cause=DueCause.APOLOGY, **data)


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        (
            [accepted(), event(Kind.FINISHED, "2021-02-26 08:00", outcome=Outcome.GRANTED, unit_id=OTHER_UNIT)],
            [("finished_before_acceptance", OTHER_UNIT, "finished"), ("not_allowed", UNIT, "finished")],
        ),
        (
            [
                accepted(),
                event(Kind.DELIVERED, "2021-03-02 08:00"),
                event(Kind.FINISHED, "2021-03-02 09:00", outcome=Outcome.GRANTED),
            ],
            [("delivered_before_finish", UNIT, "delivered"), ("not_allowed", UNIT, "finished")],
        ),
        ([accepted(), apology("2021-03-04 08:00")], []),
        (
            [accepted(), apology("2021-03-04 08:00"), apology("2021-03-05 08:00")],
            [("second_apology", UNIT, "due_changed")],
        ),
        ([accepted(), apology("2021-03-08 08:00")], [("apology_after_due", UNIT, "due_changed")]),
        (
            [accepted(), event(Kind.ACCEPTED, "2021-03-01 08:30", source="urn:hoso:other", unit_id=OTHER_UNIT)],
            [("code_reused", OTHER_UNIT, "accepted"), ("foreign_unit", UNIT, "accepted")],
        ),
        ([(accepted(), -timedelta(hours=1))], [("ahead_of_clock", UNIT, "accepted")]),
        ([accepted(root_id="D-unheard-of")], [("root_unknown", UNIT, "accepted")]),
    ],
    ids=lambda value: value[0][0] if value and isinstance(value[0], tuple) and isinstance(value[0][0], str) else "",
)
def test_an_impossible_order_is_found_with_its_dossier_and_unit(
    warehouse: Warehouse, facts: list[Any], found: list[tuple[str, str, str]]
) -> None:
    load(warehouse, [*facts, event(Kind.ACCEPTED, "2021-03-01 09:00", dossier="D-other")])
    dossier = facts[0][0].subject if isinstance(facts[0], tuple) else facts[0].subject
    assert orders(warehouse) == [(code, dossier, unit, kind) for code, unit, kind in found]
    assert ask(warehouse, ORDERS, since=date(2021, 4, 1)) == []


def test_what_was_taken_back_is_no_fault(warehouse: Warehouse) -> None:
    wrong = event(Kind.FINISHED, "2021-02-26 08:00", id="wrong", outcome=Outcome.GRANTED)
    taken_back = event(Kind.RETRACTED, "2021-03-02 08:00", retracts_source=SOURCE, retracts_id="wrong")
    load(warehouse, [accepted(), wrong, taken_back])
    assert orders(warehouse) == []


def test_every_watch_is_answered_and_a_fault_of_today_is_a_metric(warehouse: Warehouse) -> None:
    now = datetime.now(OFFICE)
    code = f"000.00.20.H49-{now:%y%m%d}-0003"
    late = event(Kind.FINISHED, now - timedelta(days=3), dossier="D1", outcome=Outcome.GRANTED)
    load(
        warehouse,
        [
            event(Kind.ACCEPTED, now, dossier=code),
            event(Kind.ACCEPTED, now - timedelta(days=2), dossier="D1"),
            (late, timedelta(days=3)),
        ],
    )
    registry = CollectorRegistry()
    kept = SimpleNamespace(query=warehouse.query, close=lambda: None)
    Watcher(lambda: kept, registry=registry).ask()  # type: ignore[arg-type, return-value]
    assert registry.get_sample_value("hoso_back_dated_facts", {"unit": UNIT, "source": SOURCE}) == 1
    assert registry.get_sample_value("hoso_back_dated_hours_max", {"unit": UNIT, "source": SOURCE}) == 72
    assert registry.get_sample_value("hoso_missing_numbers", {"agency": "000.00.20.H49"}) == 2
    orders_of = {"code": "finished_before_acceptance", "unit": UNIT}
    assert registry.get_sample_value("hoso_impossible_orders", orders_of) == 1
    errors = [registry.get_sample_value("hoso_watch_errors_total", {"watch": watch.name}) for watch in WATCHES]
    assert errors == [None] * len(WATCHES)
