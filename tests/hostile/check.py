"""Four readings of the same histories: fact by fact as they arrive, sorted and folded, the audit's, and SQL."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec

from schemas import tallies
from schemas.codec import decode
from schemas.reference import PolicyRecord, Resume, SecondSupplement, Unit, read_calendars, read_policies
from schemas.state import Dossier
from services.audit.calendar import DAY, EPOCH, MICROSECOND, micros, midnight
from services.audit.fold import Conclusion, conclude, read_fact
from services.audit.rules import Rules
from services.audit.states import of_state
from services.sink.batches import Batch
from services.sink.clickhouse import Warehouse, open_embedded
from services.sink.migrations import migrate, read_migrations
from services.sink.upsert_rows import dossier_columns, tally_columns
from streams.domain.deadline import Rulebook
from streams.domain.dossier import append, entry_of, fold, new_dossier
from streams.domain.tally import TallyBook, footprint, standing
from tests.factories import OTHER_UNIT, UNIT
from tests.hostile.histories import Document, hostile

DEFAULT: Final = "vn-day-1"
ZONE: Final = "Asia/Ho_Chi_Minh"
INSTANTS: Final = 8  # at which the identities are asked for
RECEIVED: Final = tuple(tallies.RECEIVED.values())
RESOLVED: Final = tuple(tallies.RESOLVED.values())
COMES: Final = (*RECEIVED, tallies.TRANSFERRED_IN, tallies.REOPENED)
GOES: Final = (*RESOLVED, tallies.TRANSFERRED_OUT)


def policies() -> dict[str, PolicyRecord]:
    """Those that come with Hoso, and two more for rules that none of them has."""
    known = dict(read_policies())
    day, half_day = known[DEFAULT], known["vn-half-day-1"]
    run_on = {"id": "test-run-on", "second_supplement": SecondSupplement.RUN_ON}
    without_calendar = {"id": "test-half-day", "calendar_id": None, "resume": Resume.RESET}
    for record in (day.model_copy(update=run_on), half_day.model_copy(update=without_calendar)):
        known[record.id] = PolicyRecord.model_validate(record.model_dump())
    return known


def _unit(id_: str, parent_id: str | None, *rules: tuple[str, str]) -> Unit:
    entries = [{"valid_from": day, "policy_id": policy} for day, policy in rules]
    return Unit.model_validate(
        {"id": id_, "name_vi": id_, "name_en": id_, "parent_id": parent_id, "rules": tuple(entries)}
    )


UNITS: Final = (
    _unit("above", None, ("2021-01-01", "vn-day-s3-1"), ("2021-02-09", "vn-half-day-1")),
    _unit(UNIT, "above"),  # the rules of the unit above
    _unit(OTHER_UNIT, "above", ("2021-07-14", "vn-766-1"), ("2020-12-31", "vn-day-reset-1")),
)
"""Rules that change from day to day, inherited or not; the unit of strangers has none."""


class Disagreement(AssertionError):
    """Two readings differ; the text holds the seed's dossier and its history."""


class Bench:
    """The rules in both forms, and the embedded engine."""

    def __init__(self, folder: Path) -> None:
        self.rulebook = Rulebook.of(policies(), read_calendars(), default=DEFAULT, units=UNITS)
        self.rules = Rules(policies(), read_calendars(), {unit.id: unit for unit in UNITS}, DEFAULT)
        self.warehouse: Warehouse = open_embedded(folder)
        migrate(self.warehouse, read_migrations())

    def check(self, random: Random, count: int) -> int:
        """Judge so many histories; how many events they had. `Disagreement` shows the first that differs."""
        events = 0
        states: list[Dossier] = []
        concluded: list[Conclusion] = []
        instants = [_instant(random) for _ in range(INSTANTS)]
        balance: Counter[tuple[int, str]] = Counter()
        for number in range(count):
            arrival = hostile(random, f"h{number}")
            events += len(arrival)
            state, conclusion = self.folds(f"h{number}", arrival, random)
            states.append(state)
            concluded.append(conclusion)
            facts = [read_fact(document) for document in arrival]
            for instant in instants:
                then = conclude(facts, self.rules, until=instant)
                _balance(then, conclusion, instant, balance)
        assert not any(balance.values()), f"the identities do not hold: {balance}"
        self.sql(states, concluded)
        return events

    def folds(self, dossier_id: str, arrival: list[Document], random: Random) -> tuple[Dossier, Conclusion]:
        """Three folds of one history."""
        entries = [entry_of(decode(msgspec.json.encode(document))) for document in arrival]
        state = new_dossier(dossier_id, self.rulebook)
        for entry in entries:
            state = append(state, entry, self.rulebook)
        random.shuffle(entries)
        sorted_fold = fold(dossier_id, entries, self.rulebook)
        conclusion = conclude(map(read_fact, arrival), self.rules)
        told = _differing(of_state(state), of_state(sorted_fold)) or _differing(of_state(state), conclusion)
        if told or state.history != sorted_fold.history:
            raise Disagreement(f"{told}\n" + "\n".join(str(document) for document in arrival))
        return state, conclusion

    def sql(self, states: list[Dossier], concluded: list[Conclusion]) -> None:
        """The tables say the same; they are emptied first."""
        now = micros(datetime.now(UTC))
        book = TallyBook()
        for state in states:
            book.move(None, footprint(state, standing(state, now).bucket))
        assert all(count >= 0 for counts in [*book.stock.values(), *book.flow.values()] for count in counts.values())
        for table in ("core.dossiers", "core.tallies"):
            self.warehouse.command(f"TRUNCATE TABLE {table}")
        self._insert("core.dossiers", [(state.id, state) for state in states], dossier_columns)
        common: dict[str, Any] = {"partition": 0, "offset": 1, "as_of": now}
        shares = [tallies.Tally(unit_id=u, subset=s, counts=c, **common) for (u, s), c in book.stock.items()]
        shares += [tallies.Tally(unit_id=u, subset=s, day=d, counts=c, **common) for (u, s, d), c in book.flow.items()]
        self._insert("core.tallies", [(share.key, share) for share in shares], tally_columns)
        columns = "dossier_id, status, unit_id, stock, outcome, if(is_open, '', timeliness), due_at, supplements"
        found = {row[0]: row[1:] for row in self.warehouse.query(f"SELECT {columns} FROM mart.dossiers")}
        for state, said in zip(states, concluded, strict=True):
            wanted = (
                *(said.status or "", said.unit_id or "", said.bucket(now) or "", said.outcome or ""),
                *(said.timeliness or "", None if said.due_at is None else EPOCH + said.due_at * MICROSECOND),
                said.supplements,
            )
            assert found[state.id] == wanted, (state.id, found[state.id], wanted)
        self._daily(concluded, now)

    def _daily(self, concluded: list[Conclusion], now: int) -> None:
        flows = Counter((unit, day, counter) for said in concluded for day, unit, counter in said.flows)
        open_now = Counter(said.unit_id for said in concluded if said.bucket(now) in tallies.OPEN_ACCEPTED)
        rows = self.warehouse.query(
            f"SELECT unit_id, day, opening, received, resolved, closing, {', '.join(tallies.FLOW)} "
            "FROM mart.unit_daily ORDER BY unit_id, day"
        )
        found: Counter[tuple[str, str, str]] = Counter()
        last: dict[str, int] = {}
        for unit, day, opening, received, resolved, closing, *counts in rows:
            row = dict(zip(tallies.FLOW, counts, strict=True))
            found.update({(unit, day.isoformat(), counter): count for counter, count in row.items() if count})
            assert min(opening, closing, *counts) >= 0
            assert received == sum(row[name] for name in RECEIVED)
            assert (
                resolved == sum(row[name] for name in RESOLVED) == sum(row[name] for name in tallies.OUTCOME.values())
            )
            assert opening + sum(row[name] for name in COMES) == sum(row[name] for name in GOES) + closing
            assert opening == last.get(unit, 0)
            last[unit] = closing
        assert found == flows
        assert +Counter(last) == open_now

    def _insert(self, table: str, values: list[tuple[str, Any]], to_columns: Any) -> None:
        records = [
            _Record(offset, 0, key.encode(), msgspec.json.encode(value)) for offset, (key, value) in enumerate(values)
        ]
        rows = to_columns(Batch(topic=table, partition=0, records=records, prev_offset=-1))
        assert not rows.unreadable
        self.warehouse.insert(table, rows.columns, token=f"{table}-{id(records)}-{records[0].value!r}"[:200])


class _Record(msgspec.Struct):
    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: tuple[()] = ()


def _differing(one: Conclusion, other: Conclusion) -> dict[str, Any]:
    names = Conclusion.__dataclass_fields__
    return {
        name: (getattr(one, name), getattr(other, name)) for name in names if getattr(one, name) != getattr(other, name)
    }


def _balance(then: Conclusion, whole: Conclusion, instant: int, balance: Counter[tuple[int, str]]) -> None:
    """Add what a dossier brought in until an instant, and take away what it resolved and what is open: zero per unit.

    The flows are those of the whole history up to the instant: what comes later never changes what an earlier day said.
    """
    so_far = whole.flows[: len(then.flows)]
    assert so_far == then.flows
    for _, unit, counter in so_far:
        balance[instant, unit] += (counter in COMES) - (counter in GOES)
    if then.bucket(instant) in tallies.OPEN_ACCEPTED:
        balance[instant, then.unit_id or ""] -= 1


def _instant(random: Random) -> int:
    """A midnight, or any moment."""
    day = datetime(2020, 12, 10, tzinfo=UTC) + random.randrange(400) * DAY
    return random.choice((midnight(day.date(), ZONE), micros(day + timedelta(seconds=random.randrange(86400)))))


def seeds(seed: int, count: int, chunk: int) -> Iterable[tuple[Random, int]]:
    """A generator of its own for each chunk, so that a chunk can be repeated alone."""
    for start in range(0, count, chunk):
        yield Random(f"{seed}/{start}"), min(chunk, count - start)
