"""The report's SQL against the core: random histories, folded as far as each day, say what the views must say."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

import pytest
from prometheus_client import CollectorRegistry

from schemas.events import Channel, DueCause, Kind, Outcome
from schemas.state import Dossier, Entry, Flow, Status
from schemas.tables import CORE_DOSSIERS, CORE_TALLIES, CORE_UNITS, MART_UNIT_REPORT, TABLES
from schemas.tallies import APOLOGISED, Tally
from services.reports.form import COUNTS, IDENTITIES, By, form_of
from services.reports.indicator_facts import read_facts
from services.reports.periods import days_between
from services.reports.source import Digest, read_digests, read_rows, read_units, scope_of
from services.sink.clickhouse import Warehouse, open_embedded
from services.sink.migrations import migrate, read_migrations
from services.sink.reference_rows import unit_columns
from services.sink.residuals import RESIDUALS
from services.sink.upsert_rows import dossier_columns, tally_columns
from services.sink.watch import WATCHES, Watcher
from streams.domain.dossier import fold, micros
from streams.domain.tally import TallyBook, footprint, standing
from tests.factories import OFFICE, days, rules
from tests.integration.test_sink_tables import store_upserts

RULES: Final = rules()
UNITS: Final = ("06808", "06811", "06814")
POLICIES: Final = (None, None, "vn-instant-1", "vn-half-day-1", "vn-day-s3-1", "vn-day-reset-1", "vn-766-1", "vn-766-1")
FIRST: Final = date(2021, 1, 1)
START: Final = micros(datetime(2021, 1, 1, tzinfo=OFFICE))
DAYS: Final = 12
DOSSIERS: Final = 2000
PERIODS: Final = [(0, 11), (0, 0), (3, 7), (5, 5), (11, 11), (20, 30)]  # days after the first


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """One engine for the module: a process can hold one directory."""
    warehouse = open_embedded(tmp_path_factory.mktemp("clickhouse"))
    migrate(warehouse, read_migrations())
    yield warehouse
    warehouse.close()


@pytest.fixture(scope="module")
def histories() -> Mapping[str, list[Entry]]:
    """Hostile histories: any facts in any order, most of them after an acceptance; repeats and retractions too."""
    dice = random.Random(20211231)
    return {f"D{number}": history(dice) for number in range(DOSSIERS)}


@pytest.fixture(scope="module")
def warehouse(engine: Warehouse, histories: Mapping[str, list[Entry]]) -> Warehouse:
    """The tables as the processor would fill them from these histories."""
    for table in TABLES[1:]:
        engine.command(f"TRUNCATE TABLE {table}")
    states = {id_: fold(id_, entries, RULES) for id_, entries in histories.items()}
    store_upserts(engine, CORE_DOSSIERS, dossier_columns, [*states.items()])
    book = TallyBook()
    for state in states.values():
        book.move(None, footprint(state, None))
    shares = [
        Tally(unit_id=unit, partition=0, offset=1, as_of=0, counts=counts, day=day, subset=subset)
        for (unit, subset, day), counts in book.flow.items()
    ]
    store_upserts(engine, CORE_TALLIES, tally_columns, [(share.key, share) for share in shares])
    units = [("196", None), *((unit, "196") for unit in UNITS)]
    places = [(id_, {"id": id_, "name_vi": id_, "name_en": id_, "parent_id": above}) for id_, above in units]
    store_upserts(engine, CORE_UNITS, unit_columns, places)
    return engine


def history(dice: random.Random) -> list[Entry]:
    """One dossier's facts. Identities are its own, so that cutting the history off changes no retraction's meaning."""
    kinds = dice.choices([*Kind], [1, 1, 1, 3, 3, 4, 4, 4, 3, 3, 3, 3, 2, 4, 2, 4, 1], k=dice.randrange(1, 14))
    kinds[0] = dice.choice([Kind.ACCEPTED, Kind.ACCEPTED, Kind.REGISTERED, kinds[0]])
    moments = sorted(START + dice.randrange(DAYS * 8) * days(0.125) for _ in kinds)
    root, policy = dice.choice([None, None, None, "ROOT-1"]), dice.choice(POLICIES)
    unit = home = dice.choice(UNITS)
    entries = []
    for number, (kind, at) in enumerate(zip(kinds, moments, strict=True)):
        to = dice.choice(UNITS) if kind is Kind.TRANSFERRED else None
        starts = kind in (Kind.REGISTERED, Kind.ACCEPTED)
        promised = (
            kind is Kind.DUE_CHANGED
            or (kind is Kind.ACCEPTED and dice.random() < 0.8)
            or (kind in PROMISING and dice.random() < 0.3)
        )
        entries.append(
            Entry(
                at=at,
                kind=kind,
                identity=f"{number:016x}",
                unit_id=dice.choice([unit, unit, unit, unit, home]),
                due_at=START + dice.randrange(DAYS * 16) * days(0.125) if promised else None,
                procedure_id=dice.choice(["1.001612", "2.000884"]) if starts else None,
                channel=dice.choice([*Channel]) if starts else None,
                policy_id=policy if starts else None,
                root_id=root if starts else None,
                to_unit_id=to,
                cause=dice.choice([*DueCause]) if kind is Kind.DUE_CHANGED else None,
                outcome=dice.choice([*Outcome]) if kind is Kind.FINISHED else None,
                retracts=f"{dice.randrange(len(kinds)):016x}" if kind is Kind.RETRACTED else None,
            )
        )
        unit = to or unit
    return entries


PROMISING: Final = (*(Kind.TRANSFERRED, Kind.SUPPLEMENT_RECEIVED, Kind.PAYMENT_RECEIVED, Kind.RESUMED, Kind.REOPENED),)


def end_of(day: date) -> int:
    return micros(datetime.combine(day + timedelta(days=1), datetime.min.time(), OFFICE)) - 1


def folded_to(day: date, histories: Mapping[str, list[Entry]]) -> list[Dossier]:
    """What had happened by the end of a day, as known now: a retraction is knowledge and has no day."""
    end = end_of(day)
    return [
        fold(id_, [entry for entry in entries if entry.at <= end or entry.kind is Kind.RETRACTED], RULES)
        for id_, entries in histories.items()
    ]


PLACED: Final = {
    "open_within_due": "within_due",
    "open_due_soon": "within_due",
    "open_overdue": "overdue",
    "open_paused": "paused",
    "open_undated": "undated",
}


def stands(dossier: Dossier, day: date) -> tuple[Any, ...]:
    """The row of `mart.dossiers_as_of` that a dossier folded as far as `day` must have."""
    bucket = standing(dossier, end_of(day)).bucket
    is_open = dossier.ended_at is None
    received = next(flow.day for flow in dossier.flows if flow.counter.startswith("received_"))
    resolved = next((flow.day for flow in reversed(dossier.flows) if flow.counter.startswith("resolved_")), None)
    is_apologised = dossier.due_announced is not None if is_open else dossier.flows[-1].counter == APOLOGISED
    return (
        dossier.id,
        dossier.unit_id,
        date.fromisoformat(received),
        is_open,
        None if is_open or resolved is None else date.fromisoformat(resolved),
        PLACED[bucket] if bucket else str(dossier.timeliness),
        "" if is_open else dossier.outcome,
        is_apologised,
        dossier.due_at,
        dossier.paused_at,
    )


@pytest.mark.parametrize("after", [0, 2, 5, 8, 11, 30])
def test_a_dossier_stands_where_the_fold_of_what_had_happened_puts_it(
    warehouse: Warehouse, histories: Mapping[str, list[Entry]], after: int
) -> None:
    day = FIRST + timedelta(days=after)
    rows = warehouse.query(
        "SELECT dossier_id, unit_id, received_on, toBool(is_open), resolved_on, timeliness, outcome,"
        " toBool(is_apologised), toUnixTimestamp64Micro(due_at), toUnixTimestamp64Micro(paused_at)"
        " FROM mart.dossiers_as_of(day = {day:Date})",
        {"day": day},
    )
    expected = {stands(dossier, day) for dossier in folded_to(day, histories) if dossier.accepted_at is not None}
    assert len(rows) == len(expected) > 100
    assert ({*rows} - expected, expected - {*rows}) == (set(), set())


def counted(first: date, last: date, histories: Mapping[str, list[Entry]]) -> Counter[tuple[str, str, bool, str]]:
    """The form's counts per unit, procedure and linked or not, from nothing but truncated folds."""
    found: Counter[tuple[str, str, bool, str]] = Counter()
    for dossier in folded_to(last, histories):
        part = dossier.procedure_id or "", dossier.root_id is not None
        for flow in dossier.flows:
            name, day = flow.counter, date.fromisoformat(flow.day)
            came = name.startswith("received_") or name in ("transferred_in", "reopened")
            went = name.startswith("resolved_") or name == "transferred_out"
            if day < first:
                found[flow.unit_id, *part, "carried_over"] += came - went
                continue
            if name.startswith("received_"):
                is_online = name == "received_online"
                found[flow.unit_id, *part, "received_online" if is_online else "received_direct_or_postal"] += 1
            elif name.startswith("resolved_"):
                found[flow.unit_id, *part, name] += 1
                found[flow.unit_id, *part, "resolved"] += 1
            elif name in ("transferred_in", "transferred_out", "reopened"):
                found[flow.unit_id, *part, name] += 1
                found[flow.unit_id, *part, "other_moves"] += came - went
            elif name == "overdue_apologised":
                found[flow.unit_id, *part, "resolved_overdue_apologised"] += 1
        bucket = standing(dossier, end_of(last)).bucket
        if bucket in PLACED:
            found[dossier.unit_id or "", *part, "in_progress"] += 1
            found[dossier.unit_id or "", *part, f"in_progress_{PLACED[bucket]}"] += 1
            if bucket == "open_overdue" and dossier.due_announced is not None:
                found[dossier.unit_id or "", *part, "in_progress_overdue_apologised"] += 1
    for unit, procedure, is_linked, name in [*found]:
        if name in ("received_online", "received_direct_or_postal", "carried_over", "other_moves"):
            found[unit, procedure, is_linked, "received"] += found[unit, procedure, is_linked, name]
    return found


@pytest.mark.parametrize("period", PERIODS)
def test_the_form_counts_what_the_folds_count(
    warehouse: Warehouse, histories: Mapping[str, list[Entry]], period: tuple[int, int]
) -> None:
    first, last = (FIRST + timedelta(days=after) for after in period)
    rows = read_rows(warehouse.query, days_between(first, last), [])
    names = [name for name in COUNTS if not name.startswith("not_granted_")]
    found: Counter[tuple[str, str, bool, str]] = Counter()
    for row in rows:
        for name in names:
            found[row["unit_id"], row["procedure_id"], bool(row["is_linked"]), name] += row[name]
    expected = counted(first, last, histories)
    assert {key: count for key, count in found.items() if count} == {k: v for k, v in expected.items() if v}
    assert all(min(row[name] for name in COUNTS if name != "other_moves") >= 0 for row in rows)


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("unit_id", ["196", UNITS[0], "elsewhere"])
def test_counters_make_the_report_that_dossiers_make(
    warehouse: Warehouse, period: tuple[int, int], unit_id: str
) -> None:
    """`mart.unit_report` beside `mart.report_06a`: each unit at or below the one that is asked."""
    first, last = (FIRST + timedelta(days=after) for after in period)
    units = [unit for unit in UNITS if unit_id in (unit, "196")]
    columns = [
        *("received", "received_online", "received_direct_or_postal", "carried_over", "other_moves"),
        *("resolved", "resolved_early", "resolved_on_time", "resolved_overdue", "resolved_undated"),
        *("resolved_overdue_apologised", "in_progress"),
    ]
    linked = ["received", "resolved", "in_progress"]
    expected: dict[str, Counter[str]] = {}
    for row in read_rows(warehouse.query, days_between(first, last), units) if units else []:
        sums = expected.setdefault(row["unit_id"], Counter())
        sums.update({name: row[name] for name in columns})
        sums.update({f"linked_{name}": row[name] for name in linked if row["is_linked"]})
    names = [*columns, *(f"linked_{name}" for name in linked)]
    found = warehouse.query(
        f"SELECT unit_id, {', '.join(names)} "
        f"FROM {MART_UNIT_REPORT}(unit = {{unit:String}}, first = {{first:Date}}, last = {{last:Date}})",
        {"unit": unit_id, "first": first, "last": last},
    )
    by_unit = {unit: dict(zip(names, row, strict=True)) for unit, *row in found}
    assert {unit: sums for unit, sums in by_unit.items() if any(sums.values())} == {
        unit: {name: sums[name] for name in names} for unit, sums in expected.items()
    }
    assert set(expected) == set(units)


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("by", By)
def test_the_identities_hold_for_every_line_and_all_ways_to_cut_it(
    warehouse: Warehouse, period: tuple[int, int], by: By
) -> None:
    first, last = (FIRST + timedelta(days=after) for after in period)
    for scope in ([], [UNITS[0]], [*UNITS[:2]]):
        form = form_of(read_rows(warehouse.query, days_between(first, last), scope), by=by, sums_levels=len(scope) > 1)
        assert form.lines
        assert [line.residuals for line in form.lines if any(line.residuals.values())] == []
        assert form.is_balanced
        columns = form.total.columns()
        assert columns[3] == columns[4] + columns[5] + columns[6] == columns[7] + columns[11]
        assert columns[7] == columns[8] + columns[9] + columns[10]
        assert columns[11] == columns[12] + columns[13]


@pytest.mark.parametrize("period", PERIODS)
def test_the_form_equals_the_counters(warehouse: Warehouse, period: tuple[int, int]) -> None:
    first, last = (FIRST + timedelta(days=after) for after in period)
    sums = {
        "carried_over": "sumIf(closing - opening, day < {first:Date})",
        "received_online": "sumIf(received_online, day >= {first:Date})",
        "other_moves": "sumIf(transferred_in + reopened - transferred_out, day >= {first:Date})",
        "resolved_early": "sumIf(resolved_early, day >= {first:Date})",
        "resolved_overdue": "sumIf(resolved_overdue, day >= {first:Date})",
        "resolved_overdue_apologised": "sumIf(overdue_apologised, day >= {first:Date})",
        "not_granted": "sumIf(outcome_returned + outcome_withdrawn, day >= {first:Date})",
        "in_progress": "sum(closing - opening)",
    }
    by_counters = warehouse.query(
        f"SELECT unit_id, {', '.join(sums.values())} FROM mart.unit_daily WHERE day <= {{last:Date}}"
        " GROUP BY unit_id ORDER BY unit_id",
        {"first": first, "last": last},
    )
    form = form_of(read_rows(warehouse.query, days_between(first, last), []), by=By.UNIT, sums_levels=False)

    def of(counts: Mapping[str, int], name: str) -> int:
        return (
            sum(count for each, count in counts.items() if each.startswith("not_granted_"))
            if name == "not_granted"
            else counts[name]
        )

    assert [(line.code, *(of(line.counts, name) for name in sums)) for line in form.lines] == by_counters


@pytest.mark.parametrize("period", PERIODS)
def test_a_sum_over_levels_is_that_of_the_counters(warehouse: Warehouse, period: tuple[int, int]) -> None:
    first, last = (FIRST + timedelta(days=after) for after in period)
    [by_counters] = warehouse.query(
        "SELECT sumIf(closing - opening, day < {first:Date}), sumIf(received_online, day >= {first:Date}),"
        " sumIf(resolved_on_time, day >= {first:Date}), sum(closing - opening)"
        " FROM mart.unit_daily_rolled WHERE unit_id = '196' AND day <= {last:Date}",
        {"first": first, "last": last},
    )
    scope = scope_of("196", read_units(warehouse.query))
    assert sorted(scope) == ["06808", "06811", "06814", "196"]
    form = form_of(read_rows(warehouse.query, days_between(first, last), scope), by=By.FIELD, sums_levels=True)
    names = ("carried_over", "received_online", "resolved_on_time", "in_progress")
    assert tuple(form.total.counts[name] for name in names) == by_counters
    assert form.linked_left_out > 0


class Kept(Warehouse):
    """The engine of the module, which its user does not close."""

    def close(self) -> None:
        """Nothing."""


def watched(warehouse: Warehouse) -> dict[str, float]:
    registry = CollectorRegistry()
    watches = tuple(watch for watch in WATCHES if watch.sql == RESIDUALS)
    Watcher(lambda: Kept(warehouse._client, where="here"), registry=registry, watches=watches).ask()
    [family] = [family for family in registry.collect() if family.name == "hoso_report_residual"]
    return {sample.labels["identity"]: sample.value for sample in family.samples}


def test_the_sink_watches_the_identities(warehouse: Warehouse) -> None:
    zero = dict.fromkeys([*IDENTITIES, "unit_daily=dossiers"], 0.0)
    assert watched(warehouse) == zero
    warehouse.command("INSERT INTO core.tallies SELECT * REPLACE (99 AS partition) FROM core.tallies LIMIT 1")
    assert watched(warehouse)["unit_daily=dossiers"] > 0
    warehouse.command("ALTER TABLE core.tallies DELETE WHERE partition = 99 SETTINGS mutations_sync = 1")
    assert watched(warehouse) == zero


def test_the_digest_is_that_of_the_dossiers_behind_the_figures(
    warehouse: Warehouse, histories: Mapping[str, list[Entry]]
) -> None:
    period = days_between(FIRST + timedelta(days=3), FIRST + timedelta(days=7))
    counting = set()
    for dossier in folded_to(period.last, histories):
        flows = [flow for flow in dossier.flows if flow.unit_id == UNITS[0]]
        before = [flow.counter for flow in flows if date.fromisoformat(flow.day) < period.first]
        came = sum(name.startswith("received_") or name in ("transferred_in", "reopened") for name in before)
        went = sum(name.startswith("resolved_") or name == "transferred_out" for name in before)
        if dossier.accepted_at is not None and (len(before) < len(flows) or came != went):
            counting.add(f"{dossier.id} -1")
    found = read_digests(warehouse.query, period, [UNITS[0]], by=None, sums_levels=False)
    text = "\n".join(sorted(counting))
    assert found == {("", ""): Digest(sha256(text.encode()).hexdigest(), len(counting))}
    by_procedure = read_digests(warehouse.query, period, [UNITS[0]], by=By.PROCEDURE, sums_levels=False)
    assert sum(digest.dossiers for digest in by_procedure.values()) == len(counting)


@pytest.mark.parametrize("period", PERIODS)
def test_the_facts_of_the_indicators_are_those_of_the_folds(
    warehouse: Warehouse, histories: Mapping[str, list[Entry]], period: tuple[int, int]
) -> None:
    first, last = (FIRST + timedelta(days=after) for after in period)
    asked = {id_: fold(id_, entries, RULES).supplements for id_, entries in histories.items()}
    expected = Counter(dict.fromkeys(("handled", "kept", "undated", "received", "online", "resolved"), 0))
    for dossier in folded_to(last, histories):
        if dossier.accepted_at is None or dossier.unit_id != UNITS[0]:
            continue
        is_open = dossier.ended_at is None
        [received] = [flow for flow in dossier.flows if flow.counter.startswith("received_")]
        resolved = [flow for flow in dossier.flows if flow.counter.startswith("resolved_")]
        if not is_open and date.fromisoformat(resolved[-1].day) < first:
            continue
        bucket = standing(dossier, end_of(last)).bucket
        place = PLACED[bucket] if bucket else str(dossier.timeliness)
        is_new = date.fromisoformat(received.day) >= first
        is_undated = place == "undated" or (place == "paused" and dossier.closes_at is None)
        in_time = place in ("early", "on_time", "within_due") or (
            place == "paused" and (dossier.paused_at or 0) <= (dossier.closes_at or 0)
        )
        once = asked[dossier.id] < 2
        expected.update(
            handled=1,
            kept=once and in_time,
            undated=once and is_undated,
            received=is_new,
            online=is_new and dossier.channel == "online",
            resolved=not is_open,
        )
    facts = read_facts(warehouse.query, days_between(first, last), [UNITS[0]], sums_levels=False)
    assert {name: facts.counts[name] for name in expected} == dict(expected)


def test_a_day_that_is_not_over_stands_at_this_moment(engine: Warehouse) -> None:
    now = round(datetime.now(UTC).timestamp()) * 1_000_000
    today = datetime.now(OFFICE).date()
    state = Dossier(
        id="D1",
        status=Status.ACCEPTED,
        unit_id=UNITS[0],
        accepted_at=now - days(2),
        closes_at=now + days(0.04),
        flows=(Flow((today - timedelta(days=2)).isoformat(), UNITS[0], "received_direct"),),
    )
    engine.command(f"TRUNCATE TABLE {CORE_DOSSIERS}")
    store_upserts(engine, CORE_DOSSIERS, dossier_columns, [("D1", state)])
    sql = "SELECT timeliness FROM mart.dossiers_as_of(day = {day:Date})"
    assert engine.query(sql, {"day": today + timedelta(days=1)}) == [("within_due",)]
