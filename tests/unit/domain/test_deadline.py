"""The promise: bands of on time, pauses and what their end does."""

import pytest

from schemas.events import DueCause, Kind, Outcome
from schemas.reference import Resume
from schemas.state import ChangeCause, Status, Timeliness
from streams.domain.deadline import classify
from streams.domain.dossier import fold, micros
from tests.factories import DOSSIER, at, entry, rules


@pytest.mark.parametrize(
    ("policy", "ended", "timeliness"),
    [
        ("vn-day-1", "2021-03-07 23:59", Timeliness.EARLY),
        ("vn-day-1", "2021-03-08 00:00", Timeliness.ON_TIME),
        ("vn-day-1", "2021-03-08 23:59", Timeliness.ON_TIME),
        ("vn-day-1", "2021-03-09 00:00", Timeliness.OVERDUE),
        ("vn-half-day-1", "2021-03-08 13:29", Timeliness.EARLY),  # office hours go on at 13:30, not at 13:00
        ("vn-half-day-1", "2021-03-08 13:30", Timeliness.ON_TIME),
        ("vn-half-day-1", "2021-03-08 16:00", Timeliness.ON_TIME),
        ("vn-half-day-1", "2021-03-08 16:01", Timeliness.OVERDUE),
        ("vn-instant-1", "2021-03-08 15:59", Timeliness.EARLY),
        ("vn-instant-1", "2021-03-08 16:00", Timeliness.ON_TIME),
        ("vn-instant-1", "2021-03-08 16:01", Timeliness.OVERDUE),
    ],
)
def test_what_on_time_spans(policy, ended, timeliness):
    ended_at = micros(at(ended))
    rule = rules(policy).default
    assert classify(due_at=micros(at("2021-03-08 16:00")), ended_at=ended_at, as_of=ended_at, policy=rule) is timeliness


def test_the_office_day_is_not_the_utc_day():
    # 23:30 in the office is 16:30 UTC; 00:30 the next office day is still the same UTC day.
    rule = rules().default
    due_at = micros(at("2021-03-08 23:30"))
    ended_at = micros(at("2021-03-09 00:30"))
    assert classify(due_at=due_at, ended_at=ended_at, as_of=ended_at, policy=rule) is Timeliness.OVERDUE


def test_no_promise_is_its_own_answer():
    assert classify(due_at=None, ended_at=None, as_of=0, policy=rules().default) is Timeliness.UNDATED


def waited(**policy):
    """Accepted 1 March, due 8 March 17:00, two days of waiting, finished 9 March 10:00."""
    return fold(
        DOSSIER,
        [
            entry(Kind.ACCEPTED, "2021-03-01 08:00", due_at="2021-03-08 17:00"),
            entry(Kind.SUPPLEMENT_REQUESTED, "2021-03-02 08:00"),
            entry(Kind.SUPPLEMENT_RECEIVED, "2021-03-04 08:00"),
            entry(Kind.FINISHED, "2021-03-09 10:00", outcome=Outcome.GRANTED),
        ],
        rules(**policy),
    )


@pytest.mark.parametrize(
    ("resume", "due", "timeliness"),
    [
        (Resume.SHIFT, "2021-03-10 17:00", Timeliness.EARLY),
        (Resume.SHIFT_DAYS, "2021-03-10 17:00", Timeliness.EARLY),
        (Resume.RESET, "2021-03-11 17:00", Timeliness.EARLY),
        (Resume.KEEP, "2021-03-08 17:00", Timeliness.OVERDUE),
    ],
)
def test_what_the_end_of_a_pause_does(resume, due, timeliness):
    dossier = waited(resume=resume)
    assert (dossier.due_at, dossier.timeliness) == (micros(at(due)), timeliness)
    assert dossier.due_original == micros(at("2021-03-08 17:00"))


def test_what_does_not_pause_does_not_shift():
    assert waited(pauses=(Status.PAYMENT_REQUESTED,)).timeliness is Timeliness.OVERDUE


def test_one_pause_after_another_is_one_pause():
    dossier = fold(
        DOSSIER,
        [
            entry(Kind.ACCEPTED, "2021-03-01 08:00", due_at="2021-03-08 17:00"),
            entry(Kind.SUPPLEMENT_REQUESTED, "2021-03-02 08:00"),
            entry(Kind.PAYMENT_REQUESTED, "2021-03-03 08:00"),
            entry(Kind.PAYMENT_RECEIVED, "2021-03-05 08:00"),
        ],
        rules(),
    )
    assert dossier.due_at == micros(at("2021-03-11 17:00"))


def test_a_new_promise_in_the_event_wins_over_the_policy():
    dossier = fold(
        DOSSIER,
        [
            entry(Kind.ACCEPTED, "2021-03-01 08:00", due_at="2021-03-08 17:00"),
            entry(Kind.SUPPLEMENT_REQUESTED, "2021-03-02 08:00"),
            entry(Kind.SUPPLEMENT_RECEIVED, "2021-03-04 08:00", due_at="2021-03-20 17:00"),
        ],
        rules(),
    )
    assert dossier.due_at == micros(at("2021-03-20 17:00"))


def test_a_supplement_before_acceptance_moves_no_promise():
    dossier = fold(
        DOSSIER,
        [
            entry(Kind.REGISTERED, "2021-03-01 08:00"),
            entry(Kind.SUPPLEMENT_REQUESTED, "2021-03-01 09:00"),
            entry(Kind.SUPPLEMENT_RECEIVED, "2021-03-03 09:00"),
            entry(Kind.ACCEPTED, "2021-03-03 10:00", due_at="2021-03-08 17:00"),
        ],
        rules(),
    )
    assert (dossier.status, dossier.due_at) == (Status.ACCEPTED, micros(at("2021-03-08 17:00")))


@pytest.mark.parametrize(("pauses", "closed"), [((), True), ((Status.STOPPED,), False)])
def test_a_stop_is_an_end_unless_the_policy_calls_it_a_pause(pauses, closed):
    dossier = fold(
        DOSSIER,
        [entry(Kind.ACCEPTED, "2021-03-01 08:00"), entry(Kind.STOPPED, "2021-03-02 08:00")],
        rules(pauses=pauses),
    )
    assert (dossier.ended_at is not None) is closed


def test_a_changed_promise_names_its_cause():
    dossier = fold(
        DOSSIER,
        [
            entry(Kind.ACCEPTED, "2021-03-01 08:00", due_at="2021-03-08 17:00"),
            entry(Kind.DUE_CHANGED, "2021-03-07 08:00", due_at="2021-03-15 17:00", cause=DueCause.APOLOGY),
        ],
        rules(),
    )
    assert (dossier.due_at, dossier.due_announced) == (micros(at("2021-03-08 17:00")), micros(at("2021-03-15 17:00")))
    assert [(change.cause, change.due_at) for change in dossier.due_changes] == [
        (ChangeCause.GIVEN, micros(at("2021-03-08 17:00"))),
        (ChangeCause.APOLOGY, micros(at("2021-03-15 17:00"))),
    ]
