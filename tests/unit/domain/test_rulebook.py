"""Which rules govern a dossier, and that every change of rules is noticed."""

from datetime import date

import pytest

from schemas.events import Kind, Outcome
from schemas.reference import Unit, UnitRules, read_calendars, read_policies
from schemas.state import Dossier, Timeliness
from streams.domain.deadline import Rulebook
from streams.domain.dossier import fold, micros
from streams.ledger import Ledger, read_records
from tests.caches import new_cache
from tests.factories import DOSSIER, UNIT, at, entry, event, rules
from tests.fakes import records_of

CITY = Unit(
    id="196",
    name_vi="Thành phố",
    name_en="City",
    rules=(
        UnitRules(valid_from=date(2015, 1, 1), policy_id="vn-day-1"),
        UnitRules(valid_from=date(2021, 7, 1), policy_id="vn-instant-1"),
    ),
)
WARD = Unit(id=UNIT, name_vi="Phường", name_en="Ward", parent_id="196")


def rulebook(*units: Unit, **changes: object) -> Rulebook:
    calendars = dict(read_calendars())
    if changes:
        calendars["vn-1"] = calendars["vn-1"].model_copy(update=changes)
    return Rulebook.of(read_policies(), calendars, default="vn-half-day-1", units=units)


@pytest.mark.parametrize(
    ("accepted", "policy"),
    [
        ("2014-12-31 23:59", "vn-half-day-1"),  # before the city said anything: the default
        ("2015-01-01 00:00", "vn-day-1"),
        ("2021-06-30 23:59", "vn-day-1"),
        ("2021-07-01 00:00", "vn-instant-1"),
    ],
)
def test_a_unit_follows_the_rules_of_the_nearest_unit_above_it_by_day(accepted, policy):
    assert rulebook(CITY, WARD).governing(UNIT, micros(at(accepted)), None).id == policy


def test_a_policy_that_the_facts_name_wins_and_the_acceptance_decides():
    history = [
        entry(Kind.REGISTERED, "2021-06-30 08:00"),
        entry(Kind.ACCEPTED, "2021-07-01 08:00", due_at="2021-07-08 10:00"),
        entry(Kind.FINISHED, "2021-07-08 10:01", outcome=Outcome.GRANTED),
    ]
    by_unit = fold(DOSSIER, history, rulebook(CITY, WARD))
    assert (by_unit.policy_id, by_unit.calendar_id, by_unit.timeliness) == ("vn-instant-1", "vn-1", Timeliness.OVERDUE)
    named = [entry(Kind.REGISTERED, "2021-06-30 08:00", policy_id="vn-day-1"), *history[1:]]
    assert fold(DOSSIER, named, rulebook(CITY, WARD)).timeliness is Timeliness.ON_TIME


def test_rules_that_name_what_is_not_there_are_refused():
    with pytest.raises(KeyError, match="vn-day-9"):
        rulebook(CITY.model_copy(update={"rules": (UnitRules(valid_from=date(2021, 1, 1), policy_id="vn-day-9"),)}))


def test_units_that_go_round_in_a_circle_have_no_rules():
    first, second = (WARD.model_copy(update={"id": id_, "parent_id": up}) for id_, up in (("a", "b"), ("b", "a")))
    assert rulebook(first, second).governing("a", 0, None).id == "vn-half-day-1"


def test_the_fingerprint_changes_with_what_could_change_a_conclusion():
    books = [
        rulebook(CITY, WARD),
        rulebook(CITY),
        rulebook(CITY, WARD, days_off=(date(2021, 3, 3),)),
        rulebook(CITY.model_copy(update={"rules": CITY.rules[:1]}), WARD),
        rules(),
    ]
    assert len({book.fingerprint for book in books}) == len(books)
    renamed = WARD.model_copy(update={"name_vi": "Phường khác"})
    assert rulebook(CITY, renamed).fingerprint == rulebook(CITY, WARD).fingerprint


def test_a_calendar_amended_after_the_fact_moves_the_promises_that_it_concerns():
    """A closure that is announced afterwards: the day of waiting for papers no longer counts as working time."""
    books = Ledger(partition=0, rules=rules(), cache=new_cache())
    events = [
        event(Kind.ACCEPTED, "2021-03-01 08:00", due_at="2021-03-08 17:00"),
        event(Kind.SUPPLEMENT_REQUESTED, "2021-03-02 08:00"),
        event(Kind.SUPPLEMENT_RECEIVED, "2021-03-04 08:00"),
        event(Kind.ACCEPTED, "2021-03-01 08:00", dossier="other", due_at="2021-03-08 17:00"),
    ]
    records = records_of(events)

    def state(dossier_id: str) -> Dossier:
        found = books.states.recall(dossier_id)
        assert found is not None
        return found

    books.advance(micros(at("2021-03-05 08:00")))
    books.fold(records, read_records(records))
    books.keep(books.take_changes(next_offset=4), 3)
    assert state(DOSSIER).due_at == micros(at("2021-03-10 17:00"))

    amended = dict(read_calendars())
    record = amended["vn-1"]
    amended["vn-1"] = record.model_copy(update={"days_off": (*record.days_off, date(2021, 3, 3))})
    books.go_by(Rulebook.of(read_policies(), amended, default="vn-day-1"))
    assert books.renew(at_most=1)
    assert books.renew(at_most=5)
    assert not books.renew(at_most=5)
    changes = books.take_changes(next_offset=4)

    assert state(DOSSIER).due_at == micros(at("2021-03-09 17:00"))
    assert state("other").due_at == micros(at("2021-03-08 17:00"))
    assert sorted(key for key, _ in changes.states) == [DOSSIER.encode(), b"other"]
    assert state(DOSSIER).offset == 2
