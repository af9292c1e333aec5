"""A partition's books: what goes out equals a recount of the states, poison goes aside, repeats change nothing."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Reason
from schemas.events import Channel, Kind, Outcome
from schemas.state import Dossier
from schemas.tallies import Progress, Tally, tally_key
from streams.domain.dossier import micros
from streams.domain.tally import recount, without_zeros
from streams.domain.working_time import DAY_US
from streams.ledger import Changes, Ledger, read_records, refuse_unknown
from tests.caches import new_cache
from tests.factories import OTHER_UNIT, UNIT, at, event, rules
from tests.fakes import FakeRecord, records_of

UNITS = frozenset({UNIT, OTHER_UNIT})
NOW = micros(at("2021-03-10 08:00"))
RULES = rules()

LIFE = [
    event(Kind.ACCEPTED, "2021-03-01 08:00", id="1", dossier="d1", due_at="2021-03-12 17:00"),
    event(Kind.ACCEPTED, "2021-03-01 09:00", id="2", dossier="d2", due_at="2021-03-08 17:00"),
    event(Kind.TRANSFERRED, "2021-03-02 08:00", id="3", dossier="d1", to_unit_id=OTHER_UNIT),
    event(Kind.FINISHED, "2021-03-05 08:00", id="4", dossier="d2", outcome=Outcome.GRANTED),
    event(Kind.ACCEPTED, "2021-03-06 08:00", id="5", dossier="d3", channel=Channel.ONLINE),
    event(Kind.REOPENED, "2021-03-07 08:00", id="6", dossier="d2"),
    event(Kind.RETRACTED, "2021-03-08 08:00", id="7", dossier="d2", retracts_source="urn:hoso:test", retracts_id="6"),
]


def ledger() -> Ledger:
    return Ledger(partition=0, rules=RULES, cache=new_cache())


def fold(books: Ledger, records: list[FakeRecord], as_of: int = NOW) -> Changes:
    read = [refuse_unknown(event, units=UNITS, policies=RULES.own_calendar) for event in read_records(records)]
    books.advance(as_of)
    for record, event_ in zip(records, read, strict=True):
        books.fold([record], [event_])
    return take(books, next_offset=records[-1].offset + 1)


def take(books: Ledger, *, next_offset: int, parts: bool = True) -> Changes:
    """End a round and have it committed."""
    changes = books.take_changes(next_offset=next_offset, parts=parts)
    books.keep(changes, next_offset if changes.states else None)
    return changes


def load(books: Ledger, *changes: Changes) -> None:
    """Read back what is not in a cache."""
    books.advance(NOW)
    states = [state for change in changes for state in change.states]
    books.load([FakeRecord(offset, key, value) for offset, (key, value) in enumerate(states)])


def states_of(books: Ledger) -> dict[str, Dossier]:
    found = {id_: books.states.recall(id_) for id_ in ("d1", "d2", "d3")}
    return {id_: dossier for id_, dossier in found.items() if dossier is not None}


def published(*changes: Changes) -> dict[str, dict[str, int]]:
    """Counts by topic key, the latest of each; the heartbeat left out."""
    found: dict[str, dict[str, int]] = {}
    for change in changes:
        for _, key, value in change.tallies:
            if not key.startswith(b"/"):
                found[key.decode()] = msgspec.json.decode(value, type=Tally).counts
    return {key: counts for key, counts in found.items() if counts}


def recounted(books: Ledger) -> dict[str, dict[str, int]]:
    book = recount(states_of(books).values(), books.as_of)
    found = {tally_key(unit_id=unit, partition=0, subset=part): counts for (unit, part), counts in book.stock.items()}
    found |= {
        tally_key(unit_id=unit, partition=0, day=day, subset=part): counts
        for (unit, part, day), counts in book.flow.items()
    }
    return {key: nonzero for key, counts in found.items() if (nonzero := without_zeros(counts))}


@given(st.lists(st.sampled_from(LIFE), min_size=1), st.data())
def test_what_is_published_equals_a_recount_wherever_transactions_begin_and_the_clock_moves(events, data):
    books, changes = ledger(), []
    for number, record in enumerate(records_of(events), 1):
        books.advance(NOW + data.draw(st.integers(-30, 30)) * DAY_US)
        books.fold([record], read_records([record]))
        if data.draw(st.booleans()):
            changes.append(take(books, next_offset=number, parts=data.draw(st.booleans())))
    changes.append(take(books, next_offset=len(events)))
    assert published(*changes) == recounted(books)


def test_the_clock_alone_publishes_what_became_overdue():
    books = ledger()
    first = fold(books, records_of(LIFE[:1]))
    books.advance(micros(at("2021-03-13 00:00")))
    later = take(books, next_offset=1)
    assert published(first)[f"{UNIT}/0"] == {"open_within_due": 1}
    assert published(later) == {
        f"{UNIT}/0": {"open_overdue": 1},
        f"{UNIT}/0//procedure=1.001612": {"open_overdue": 1},
    }


def test_a_moment_that_passes_while_its_transaction_travels_is_not_lost_with_the_process():
    books = ledger()
    books.fold(records := records_of(LIFE[:1]), read_records(records))
    changes = books.take_changes(next_offset=1)
    books.advance(micros(at("2021-03-13 00:00")))
    books.keep(changes, 0)
    again = Ledger(partition=0, rules=RULES, cache=books.cache)
    again.advance(micros(at("2021-03-13 00:00")))
    assert published(take(again, next_offset=1))[f"{UNIT}/0"] == {"open_overdue": 1}


def test_a_clock_that_steps_back_changes_nothing():
    books = ledger()
    fold(books, records_of(LIFE[:2]), as_of=micros(at("2021-03-20 08:00")))
    change = fold(books, records_of(LIFE[3:4], first=2), as_of=micros(at("2021-03-01 08:00")))
    assert published(change)[f"{UNIT}/0"] == {"open_overdue": 1}
    assert min(min(counts.values(), default=0) for counts in books.book.stock.values()) >= 0


def test_a_repeat_changes_no_state():
    books = ledger()
    fold(books, records_of(LIFE))
    again = fold(books, records_of(LIFE, first=len(LIFE)))
    assert again.states == []
    assert published(again) == {}


def test_poison_goes_aside_with_its_reason_and_its_neighbours_count():
    books = ledger()
    records = records_of(LIFE[:2])
    bad = [
        FakeRecord(offset=2, key=b"x", value=b"not json"),
        FakeRecord(offset=3, key=b"x", value=None),
        FakeRecord(offset=4, key=b"foreign", value=records[0].value),
        FakeRecord(offset=5, key=None, value=records[0].value),
        records_of([event(Kind.ACCEPTED, "2021-03-01 08:00", unit_id="nowhere")], first=6)[0],
        records_of([event(Kind.ACCEPTED, "2021-03-01 08:00", policy_id="nowhere")], first=7)[0],
    ]
    changes = fold(books, [records[0], *bad, *records_of(LIFE[1:2], first=8)])
    assert [error.reason for _, error in changes.parked] == [
        Reason.NOT_JSON,
        Reason.NO_VALUE,
        Reason.KEY_MISMATCH,
        Reason.KEY_MISMATCH,
        Reason.UNKNOWN_UNIT,
        Reason.UNKNOWN_POLICY,
    ]
    assert len(changes.states) == 2


def test_books_read_back_equal_the_books_that_were_left():
    books = ledger()
    changes = fold(books, records_of(LIFE))
    again = ledger()
    load(again, changes)
    assert states_of(again) == states_of(books)
    assert recounted(again) == recounted(books)
    further = [event(Kind.DELIVERED, "2021-03-20 08:00", id="8", dossier="d2")]
    for each in (books, again):
        fold(each, records_of(further, first=9))
    assert states_of(again) == states_of(books)
    assert recounted(again) == recounted(books)


def test_the_heartbeat_says_how_far_the_books_reach():
    changes = fold(ledger(), records_of(LIFE[:2]))
    heartbeat = next(value for _, key, value in changes.tallies if key.startswith(b"/"))
    progress = msgspec.json.decode(heartbeat, type=Progress)
    assert (progress.offset, progress.dossiers, progress.as_of) == (2, 2, NOW)


def test_counters_by_procedure_wait_for_a_tick_and_survive_a_restart_before_it():
    books = ledger()
    books.advance(NOW)
    records = records_of(LIFE)
    books.fold(records, read_records(records))
    early = take(books, next_offset=len(LIFE), parts=False)
    assert not [key for key in published(early) if "procedure=" in key]
    again = ledger()
    load(again, early)
    for each in (books, again):
        each.advance(NOW)
        late = take(each, next_offset=len(LIFE))
        assert published(early) | published(late) == recounted(each)


def test_a_procedure_without_dossiers_left_is_published_at_once_for_a_restart_would_not_know_of_it():
    acceptance = event(Kind.ACCEPTED, "2021-03-01 08:00", dossier="d1", due_at="2021-03-12 17:00")
    finish = event(Kind.FINISHED, "2021-03-05 08:00", dossier="d1", outcome=Outcome.GRANTED)
    books = ledger()
    first = fold(books, records_of([acceptance]))
    books.advance(NOW)
    records = records_of([finish], first=1)
    books.fold(records, read_records(records))
    early = take(books, next_offset=2, parts=False)
    again = ledger()
    load(again, early)
    again.advance(NOW)
    late = take(again, next_offset=2)
    assert tally_key(unit_id=UNIT, partition=0, subset="procedure=1.001612") in published(first)
    assert published(first, early, late) == recounted(again)


def test_a_dossier_that_came_and_went_leaves_no_counter_with_books_that_had_it_where_it_is():
    another = fold(books := ledger(), records_of(LIFE[1:2]))
    missed = ledger()
    for each in (missed, books):
        load(each, another)
        take(each, next_offset=1)
    came = fold(books, records_of(LIFE[:1], first=1))
    records = records_of([event(Kind.FINISHED, "2021-03-05 08:00", dossier="d1", outcome=Outcome.GRANTED)], first=2)
    books.fold(records, read_records(records))
    gone = take(books, next_offset=3, parts=False)  # and the process ends before a tick
    load(missed, came, gone)
    assert published(another, came, gone, take(missed, next_offset=3)) == recounted(missed)
