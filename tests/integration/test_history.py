"""History on two axes on the real engine: as-of is a filter by hand, figures come back, corrections explain."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from schemas.codec import Event, new_event
from schemas.events import Channel, Kind, Outcome
from schemas.reference import OnTime, ReferenceRecord, Unit, UnitRules, read_calendars, read_policies, read_units
from schemas.settings import Settings
from schemas.state import Entry
from services.reports.as_of import View, counters_as_of, dossiers_as_of, end_of, state_of
from services.reports.cells import Cells, Names, rows_of
from services.reports.corrections import changes_between, sums_of
from services.reports.form import COUNTS
from services.reports.lineage import digest_of, folded_members, stored_members, story_of
from services.reports.log import Selection, read_known
from services.reports.rulebooks import Rules, UnknownRules, only
from services.reports.what_if import STORED, compare
from services.sink.batches import Batch
from services.sink.clickhouse import Warehouse, open_embedded
from services.sink.migrations import migrate, read_migrations
from services.sink.reference_rows import calendar_columns, policy_columns, unit_columns
from streams.domain.deadline import Rulebook
from streams.domain.dossier import entry_of, fold, micros
from streams.domain.tally import recount
from tests.factories import OTHER_UNIT, SOURCE, UNIT, at, event, rules
from tests.histories import HISTORIES
from tests.logs import PARTITION, Logged, store
from tests.unit.sink.make import FakeRecord

RULES: Final = rules()
NOW: Final = at("2022-06-30 12:00")
YEAR: Final = date(2021, 1, 1), date(2021, 12, 31)
CELLS: Final = Cells(*YEAR, end_of(YEAR[1]))
JANUARY: Final = at("2022-01-05 00:00")


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """One engine for the module: a process can hold one directory."""
    warehouse = open_embedded(tmp_path_factory.mktemp("clickhouse"))
    migrate(warehouse, read_migrations())
    yield warehouse
    warehouse.close()


# ---- as of T, known at K


def as_event(entry: Entry, dossier: str, ids: dict[str, str]) -> Event:
    """An event whose entry has the same content; equal identities stay equal."""
    optional = {
        "procedure_id": entry.procedure_id,
        "channel": entry.channel,
        "policy_id": entry.policy_id,
        "to_unit_id": entry.to_unit_id,
        "cause": entry.cause,
        "outcome": entry.outcome,
        "due_at": None if entry.due_at is None else moment(entry.due_at),
    }
    data = {name: value for name, value in optional.items() if value is not None}
    if entry.kind is Kind.RETRACTED:
        data |= {"retracts_source": SOURCE, "retracts_id": ids.setdefault(entry.retracts or "", f"e{entry.retracts}")}
    return new_event(
        entry.kind,
        id=ids.setdefault(entry.identity, f"e{entry.identity}"),
        source=SOURCE,
        subject=dossier,
        time=moment(entry.at),
        unit_id=entry.unit_id,
        **data,
    )


def moment(micros_: int) -> datetime:
    return datetime.fromtimestamp(micros_ // 1_000_000, UTC)


RECORDED: Final = st.integers(0, 20).map(lambda days: at("2021-01-01 00:00") + timedelta(days=days))


@settings(max_examples=12, deadline=None, phases=[Phase.generate], suppress_health_check=[*HealthCheck])
@given(st.data())
def test_as_of_is_the_fold_of_the_events_filtered_by_hand(warehouse: Warehouse, data: st.DataObject) -> None:
    histories = data.draw(st.lists(HISTORIES, min_size=20, max_size=25))
    logged = [
        Logged(as_event(entry, f"D{number}", {}), data.draw(RECORDED))
        for number, history in enumerate(histories)
        for entry in history
    ]
    logged.sort(key=lambda each: each.recorded_at)
    store(warehouse, logged)
    for _ in range(2):
        view = View(at=data.draw(RECORDED), known_at=data.draw(RECORDED))
        by_hand: dict[str, list[Entry]] = {}
        for event_, recorded_at in logged:
            if recorded_at <= view.known_at:
                facts = by_hand.setdefault(event_.subject, [])
                if event_.time <= view.at or event_.data.kind is Kind.RETRACTED:
                    facts.append(entry_of(event_))
        expected = {id_: fold(id_, facts, RULES) for id_, facts in by_hand.items()}
        expected = {id_: dossier for id_, dossier in expected.items() if dossier.status is not None}
        found = {dossier.id: dossier for dossier in dossiers_as_of(warehouse.query, view, RULES)}
        for dossier in found.values():
            dossier.offset = -1
        assert found == expected
        counters = counters_as_of(iter(expected.values()), view.at, UNIT)
        of_unit = dossiers_as_of(warehouse.query, view, RULES, units=[UNIT])
        assert counters_as_of(of_unit, view.at, UNIT) == counters
        stock = recount(expected.values(), micros(view.at)).stock.get((UNIT, ""), {})
        assert {name: count for name, count in counters.items() if name in stock} == stock
        for row in rows_of(expected.values(), Cells(*YEAR, view.at), Names({}, {})):
            assert_balanced(row)


def assert_balanced(row: dict[str, Any]) -> None:
    """The identities of the form, and no negative stock."""
    ways = ("early", "on_time", "overdue", "undated")
    assert row["received"] == row["resolved"] + row["in_progress"], row
    assert row["resolved"] == sum(row[f"resolved_{way}"] for way in ways)
    assert row["in_progress"] == sum(
        row[f"in_progress_{way}"] for way in ("within_due", "overdue", "paused", "undated")
    )
    assert row["carried_over"] >= 0


# ---- a figure of January, in June


def accepted(dossier: str, day: str, *, due: str, recorded: str | None = None, **data: Any) -> Logged:
    time = f"{day} 08:00"
    found = event(Kind.ACCEPTED, time, id=f"{dossier}.a", dossier=dossier, due_at=f"{due} 17:00", **data)
    return Logged(found, at(recorded or time))


def finished(dossier: str, day: str, *, recorded: str | None = None, id: str = "f") -> Logged:
    time = f"{day} 09:00"
    found = event(Kind.FINISHED, time, id=f"{dossier}.{id}", dossier=dossier, outcome=Outcome.GRANTED)
    return Logged(found, at(recorded or time))


def taken_back(dossier: str, id: str, *, recorded: str) -> Logged:
    found = event(
        Kind.RETRACTED,
        recorded,
        id=f"{dossier}.r",
        dossier=dossier,
        retracts_source=SOURCE,
        retracts_id=f"{dossier}.{id}",
    )
    return Logged(found, at(recorded))


BY_JANUARY: Final = [
    accepted("D1", "2021-03-01", due="2021-03-05"),
    finished("D1", "2021-03-03"),  # early
    accepted("D2", "2021-03-01", due="2021-03-05"),
    finished("D2", "2021-03-05"),  # on time
    accepted("D3", "2021-12-20", due="2021-12-24"),  # open, overdue
    accepted("D4", "2020-12-28", due="2021-01-05"),  # carried over
    finished("D4", "2021-01-06"),  # overdue
    accepted("D5", "2021-12-28", due="2022-01-10", channel=Channel.ONLINE),  # open, within due
]
LATER: Final = [
    finished("D5", "2022-01-07"),  # nothing late: it happened after the year
    finished("D3", "2021-12-23", recorded="2022-01-20 10:00"),  # back-dated
    taken_back("D2", "f", recorded="2022-02-01 10:00"),
    accepted("D6", "2021-06-01", due="2021-06-10", recorded="2022-02-02 10:00"),
    finished("D2", "2021-03-08", recorded="2022-02-03 10:00", id="g"),
]


def figures(warehouse: Warehouse, known_at: datetime | None) -> Counter[str]:
    view = View.of_period(warehouse.query, YEAR[1], now=NOW, known_at=known_at)
    rows = rows_of(dossiers_as_of(warehouse.query, view, RULES), CELLS, Names.read(warehouse.query))
    for row in rows:
        assert_balanced(row)
    return Counter({name: sum(row[name] for row in rows) for name in COUNTS})


def test_what_was_reported_in_january_comes_back_in_june_and_the_difference_is_explained(warehouse: Warehouse) -> None:
    store(warehouse, BY_JANUARY)
    january = figures(warehouse, None)
    assert {name: count for name, count in january.items() if count} == {
        "received": 5,
        "received_online": 1,
        "received_direct_or_postal": 3,
        "carried_over": 1,
        "resolved": 3,
        "resolved_early": 1,
        "resolved_on_time": 1,
        "resolved_overdue": 1,
        "in_progress": 2,
        "in_progress_within_due": 1,
        "in_progress_overdue": 1,
    }
    view = View.of_period(warehouse.query, YEAR[1], now=NOW)
    resolved = {"unit": UNIT, "counter": "resolved"}
    reported = digest_of(folded_members(dossiers_as_of(warehouse.query, view, RULES), CELLS, **resolved))

    store(warehouse, LATER, first=len(BY_JANUARY))
    assert figures(warehouse, JANUARY) == january
    again = View.of_period(warehouse.query, YEAR[1], now=NOW, known_at=JANUARY)
    assert digest_of(folded_members(dossiers_as_of(warehouse.query, again, RULES), CELLS, **resolved)) == reported

    june = figures(warehouse, None)
    assert june["resolved_early"] == 2
    changes = [*changes_between(read_known(warehouse.query, Selection()), RULES, CELLS, before=JANUARY)]
    sums = {counter: count for (_, counter), count in sums_of(changes).items() if count}
    assert sums == {name: june[name] - january[name] for name in COUNTS if june[name] != january[name]}
    offsets = {change.dossier_id: [record.offset for record in change.records] for change in changes}
    assert offsets == {"D2": [10, 12], "D3": [9], "D6": [11]}


def test_the_corrections_are_the_records_that_changed_days_that_had_passed(warehouse: Warehouse) -> None:
    store(warehouse, BY_JANUARY)
    store(warehouse, LATER, first=len(BY_JANUARY))
    found = warehouse.query(
        "SELECT dossier_id, kind, toString(affects_on), days_late, koffset, took_back_kind, took_back_koffset"
        " FROM mart.corrections ORDER BY koffset"
    )
    assert found == [
        ("D3", "finished", "2021-12-23", 28, 9, "", None),
        ("D2", "retracted", "2021-03-05", 333, 10, "finished", 3),
        ("D6", "accepted", "2021-06-01", 246, 11, "", None),
        ("D2", "finished", "2021-03-08", 332, 12, "", None),
    ]
    changes = changes_between(read_known(warehouse.query, Selection()), RULES, CELLS, before=JANUARY)
    assert {record.offset for change in changes for record in change.records} == {row[4] for row in found}


# ---- lineage


def test_offsets_of_a_story_lead_to_the_raw_records(warehouse: Warehouse) -> None:
    store(warehouse, [*BY_JANUARY, *LATER])
    [known] = read_known(warehouse.query, Selection(dossiers=["D2"]))
    story = story_of(known, RULES, CELLS.at)
    assert [(each["event_id"], each["offset"]) for each in story["events"]] == [
        ("D2.a", 2), ("D2.f", 3), ("D2.g", 12), ("D2.r", 10),
    ]  # fmt: skip
    for each in story["events"]:
        address = {"part": each["partition"], "offset": each["offset"]}
        [(dossier, id_)] = warehouse.query(
            "SELECT JSONExtractString(value, 'subject'), JSONExtractString(value, 'id') FROM raw.events"
            " WHERE kpart = {part:UInt32} AND koffset = {offset:Int64}",
            address,
        )
        assert (dossier, id_) == ("D2", each["event_id"])
    assert [each["did"] for each in story["events"]] == [
        [
            "status none to accepted",
            "policy vn-day-1, calendar vn-1",
            "promise 2021-03-05 17:00 (given)",
            f"counts as received_direct of {UNIT} on 2021-03-01",
        ],
        [f"nothing: taken back by D2.r ({PARTITION}/10)"],
        [
            "status accepted to finished",
            f"counts as resolved_overdue of {UNIT} on 2021-03-08",
            f"counts as outcome_granted of {UNIT} on 2021-03-08",
        ],
        [f"takes back D2.f ({PARTITION}/3)"],
    ]
    state = story["state"]
    assert (state["timeliness"], state["on_time_from"], state["on_time_to"]) == (
        "overdue", at("2021-03-05 00:00"), end_of(date(2021, 3, 5)),
    )  # fmt: skip


def test_a_sum_opens_into_the_same_dossiers_by_the_mart_and_by_the_fold(warehouse: Warehouse) -> None:
    store(warehouse, [*BY_JANUARY, *LATER], rules=RULES)
    view = View.of_period(warehouse.query, YEAR[1], now=NOW)
    for counter in ("received_direct", "resolved_early", "resolved_overdue", "outcome_granted"):
        stored = stored_members(warehouse.query, CELLS, unit=UNIT, counter=counter)
        states = dossiers_as_of(warehouse.query, view, RULES, units=[UNIT])
        assert stored == folded_members(states, CELLS, unit=UNIT, counter=counter)
        assert stored, counter
    early = stored_members(warehouse.query, CELLS, unit=UNIT, counter="resolved_early")
    assert [(each.dossier_id, each.event_offset, each.count) for each in early] == [("D1", 1, 1), ("D3", 9, 1)]
    assert digest_of(early) == sha256(b"D1 1\nD3 9").hexdigest()
    assert stored_members(warehouse.query, CELLS, unit=UNIT, counter="resolved_early", procedure="9.9") == []
    assert stored_members(warehouse.query, CELLS, unit=OTHER_UNIT, counter="resolved_early") == []


def test_a_large_partition_is_read_in_parts_and_each_dossier_is_whole(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(warehouse, [*BY_JANUARY, *LATER, *BY_JANUARY])
    whole = {known.dossier_id: known for known in read_known(warehouse.query, Selection())}
    monkeypatch.setattr("services.reports.log.ROWS_OF_PART", 4)
    advanced: list[int] = []
    parts = [*read_known(warehouse.query, Selection(), advance=advanced.append)]
    assert {known.dossier_id: known for known in parts} == whole
    assert len(parts) == len(whole) == 6
    assert (len(advanced), sum(advanced)) == (6, 21)
    assert [record.offset for record in whole["D1"].records] == [0, 1]  # sent twice: the first is the fact


def test_a_units_dossiers_are_also_those_that_it_was_handed(warehouse: Warehouse) -> None:
    handed = event(Kind.TRANSFERRED, "2021-03-02 08:00", dossier="D1", to_unit_id=OTHER_UNIT)
    store(warehouse, [BY_JANUARY[0], Logged(handed, handed.time), BY_JANUARY[2]])
    view = View.of_period(warehouse.query, YEAR[1], now=NOW)
    counters = counters_as_of(dossiers_as_of(warehouse.query, view, RULES, units=[OTHER_UNIT]), view.at, OTHER_UNIT)
    assert {name: count for name, count in counters.items() if count} == {"open_overdue": 1, "transferred_in": 1}


# ---- the rules


def store_reference(warehouse: Warehouse, **records: Sequence[ReferenceRecord]) -> None:
    """Records by kind, as the sink stores them; none: the tables are empty."""
    to_columns = {"units": unit_columns, "policies": policy_columns, "calendars": calendar_columns}
    for kind, read in to_columns.items():
        warehouse.command(f"TRUNCATE TABLE core.{kind}")
        found = [
            FakeRecord(number, key=record.id.encode(), value=record.model_dump_json().encode())  # type: ignore[attr-defined]
            for number, record in enumerate(records.get(kind, ()))
        ]
        if found:
            rows = read(Batch(topic="r", partition=0, records=found, prev_offset=-1))
            assert not rows.unreadable
            warehouse.insert(f"core.{kind}", rows.columns, token=uuid4().hex)


def test_the_rules_in_force_are_the_workers(warehouse: Warehouse) -> None:
    policies, calendars = read_policies(), read_calendars()
    own = UnitRules(valid_from=date(2021, 1, 1), policy_id="vn-half-day-1", calendar_id="vn-1")
    ruled = Unit(id="R1", name_vi="", name_en="", rules=(own,))
    for units in (read_units(), [*read_units(), ruled]):
        store_reference(warehouse, units=units, policies=[*policies.values()], calendars=[*calendars.values()])
        workers = Rulebook.of(policies, calendars, default="vn-day-1", units=units)
        assert Rules.read(warehouse.query, Settings()).in_force().fingerprint == workers.fingerprint
    stricter = policies["vn-day-1"].model_copy(update={"on_time": OnTime.INSTANT})
    store_reference(warehouse, policies=[stricter])
    found = Rules.read(warehouse.query, Settings())
    assert found.in_force().default.on_time is OnTime.INSTANT
    assert found.others(["vn-day-1"])["vn-day-1"].default.on_time is OnTime.INSTANT
    store_reference(warehouse)
    assert Rules.read(warehouse.query, Settings()).in_force().fingerprint == RULES.fingerprint


def test_rules_that_are_not_in_force_yet_come_from_a_file(warehouse: Warehouse, tmp_path: Path) -> None:
    draft = read_policies()["vn-day-1"].model_copy(update={"id": "draft-1", "on_time": OnTime.INSTANT})
    (tmp_path / "draft.json").write_text(f"[{draft.model_dump_json()}]")
    rules_ = Rules.read(warehouse.query, Settings()).with_files(tmp_path / "draft.json", None)
    found = rules_.others(["draft-1", "vn-day-1"])
    assert [(name, book.default.on_time) for name, book in found.items()] == [
        ("draft-1", OnTime.INSTANT),
        ("vn-day-1", OnTime.DAY),
    ]
    with pytest.raises(UnknownRules, match="there is no policy draft-2; there are: vn-day-1"):
        rules_.others(["draft-2"])


# ---- what if


PAUSED: Final = [
    accepted("W1", "2021-03-01", due="2021-03-05"),
    Logged(event(Kind.SUPPLEMENT_REQUESTED, "2021-03-02 08:00", dossier="W1"), at("2021-03-02 08:00")),
    Logged(event(Kind.SUPPLEMENT_RECEIVED, "2021-03-03 08:00", dossier="W1"), at("2021-03-03 08:00")),
    finished("W1", "2021-03-09"),  # shift: to Monday 8 March, overdue; reset: counted again from 3 March, on time
    accepted("W2", "2021-03-01", due="2021-03-05"),
    finished("W2", "2021-03-05"),  # at 9:00: on time by the day, early by the half-day
    accepted("W3", "2021-03-01", due="2021-03-05"),  # open, overdue
]


def what_if(warehouse: Warehouse, stored: Rulebook, **others: Rulebook) -> Any:
    known: Sequence[Any] = [*read_known(warehouse.query, Selection())]
    return compare(known, stored, others, CELLS, units=[UNIT], limit=10)


def test_under_the_stored_rules_nothing_changes(warehouse: Warehouse) -> None:
    store(warehouse, PAUSED)
    found = what_if(warehouse, RULES, same=only(RULES.default))
    assert found.counts[STORED] == found.counts["same"]
    assert (found.total, found.first, found.dossiers) == (0, [], 3)


def test_under_other_rules_the_expected_dossiers_change_class(warehouse: Warehouse) -> None:
    store(warehouse, PAUSED)
    reset, half_day = (only(rules(id_).default) for id_ in ("vn-day-reset-1", "vn-half-day-1"))
    found = what_if(warehouse, RULES, reset=reset, half_day=half_day)
    assert {name: {k: n for k, n in counts.items() if n} for name, counts in found.counts.items()} == {
        STORED: {"on_time": 1, "overdue": 1, "open_overdue": 1},
        "reset": {"on_time": 2, "open_overdue": 1},
        "half_day": {"early": 1, "overdue": 1, "open_overdue": 1},
    }
    assert [(each.rules, each.dossier_id, each.was, each.would_be) for each in found.first] == [
        ("reset", "W1", "overdue", "on_time"),
        ("half_day", "W2", "on_time", "early"),
    ]


def test_only_as_many_dossiers_as_asked_are_named_and_all_are_counted(warehouse: Warehouse) -> None:
    store(warehouse, PAUSED)
    known = [*read_known(warehouse.query, Selection())]
    found = compare(known, RULES, {"instant": only(rules("vn-half-day-1").default)}, CELLS, limit=0)
    assert (found.first, found.total) == ([], 1)
    assert state_of(known[0], RULES, CELLS.at).id == "W1"
