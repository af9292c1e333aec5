"""The fold's promises: order and repeats do not matter, every fact has a verdict, retractions remove."""

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import Channel, Kind, Outcome
from schemas.state import Anomaly, AnomalyCode, Dossier, Entry, Flow, Status, Timeliness
from streams.domain.dossier import append, fold, history_of, new_dossier
from streams.domain.lifecycle import NEXT, next_status
from tests.factories import DOSSIER, OTHER_UNIT, SOURCE, UNIT, entry, rules
from tests.histories import HISTORIES

RULES = rules()


def appended(history: list[Entry]) -> Dossier:
    dossier = new_dossier(DOSSIER, RULES)
    for fact in history:
        dossier = append(dossier, fact, RULES)
    return dossier


@given(HISTORIES, st.randoms())
@settings(max_examples=500)
def test_any_order_and_any_repetition_give_one_state(history, random):
    arrival = history + random.choices(history, k=len(history)) if history else []
    random.shuffle(arrival)
    assert appended(arrival) == fold(DOSSIER, history, RULES)


@given(HISTORIES)
def test_the_history_is_kept_whole(history):
    assert set(history_of(fold(DOSSIER, history, RULES))) == set(history)


@given(HISTORIES)
def test_every_fact_moves_or_is_marked(history):
    dossier = fold(DOSSIER, history, RULES)
    assert dossier.status is None or dossier.unit_id is not None
    for anomaly in dossier.anomalies:
        assert anomaly.identity in {fact.identity for fact in history}


def test_every_kind_has_a_verdict_in_every_status():
    for status in (None, *Status):
        for kind in Kind:
            for accepted in (False, True):
                verdict = next_status(status, kind, accepted=accepted)
                assert verdict is None or isinstance(verdict, Status)


def test_every_status_can_be_reached():
    assert {status for status in NEXT.values() if status} == set(Status)


def test_a_day_at_the_counter():
    dossier = fold(
        DOSSIER,
        [
            entry(Kind.ACCEPTED, "2021-03-01 08:00", channel=Channel.POSTAL, due_at="2021-03-08 17:00"),
            entry(Kind.PROCESSING_STARTED, "2021-03-01 09:00"),
            entry(Kind.FINISHED, "2021-03-05 10:00", outcome=Outcome.GRANTED),
            entry(Kind.DELIVERED, "2021-03-09 10:00"),
        ],
        RULES,
    )
    assert (dossier.status, dossier.timeliness, dossier.outcome) == (Status.DELIVERED, Timeliness.EARLY, "granted")
    assert list(dossier.flows) == [
        Flow("2021-03-01", UNIT, "received_postal"),
        Flow("2021-03-05", UNIT, "resolved_early"),
        Flow("2021-03-05", UNIT, "outcome_granted"),
    ]
    assert list(dossier.anomalies) == []


def test_late_collection_does_not_make_a_dossier_late():
    dossier = fold(
        DOSSIER,
        [
            entry(Kind.ACCEPTED, "2021-03-01 08:00", due_at="2021-03-08 17:00"),
            entry(Kind.FINISHED, "2021-03-08 18:00", outcome=Outcome.GRANTED),
            entry(Kind.DELIVERED, "2021-06-01 10:00"),
        ],
        RULES,
    )
    assert dossier.timeliness is Timeliness.ON_TIME


def test_a_delivery_without_a_finish_ends_the_clock():
    dossier = fold(
        DOSSIER,
        [
            entry(Kind.ACCEPTED, "2021-03-01 08:00", due_at="2021-03-08 17:00"),
            entry(Kind.DELIVERED, "2021-03-09 10:00"),
        ],
        RULES,
    )
    assert dossier.timeliness is Timeliness.OVERDUE


def test_a_finish_before_the_acceptance_is_marked_and_the_dossier_stays_open():
    finish = entry(Kind.FINISHED, "2021-03-01 07:00", outcome=Outcome.GRANTED)
    dossier = fold(DOSSIER, [entry(Kind.ACCEPTED, "2021-03-01 08:00"), finish], RULES)
    assert dossier.status is Status.ACCEPTED
    assert list(dossier.anomalies) == [Anomaly(finish.identity, Kind.FINISHED, AnomalyCode.NOT_ALLOWED, None)]


def test_a_refused_dossier_was_never_received():
    dossier = fold(
        DOSSIER, [entry(Kind.REGISTERED, "2021-03-01 08:00"), entry(Kind.REFUSED, "2021-03-02 08:00")], RULES
    )
    assert list(dossier.flows) == [Flow("2021-03-02", UNIT, "refused")]


def test_withdrawal_before_acceptance_does_not_resolve_and_after_it_does():
    registered = [entry(Kind.REGISTERED, "2021-03-01 08:00"), entry(Kind.WITHDRAWN, "2021-03-03 08:00")]
    assert list(fold(DOSSIER, registered, RULES).flows) == [Flow("2021-03-03", UNIT, "withdrawn")]
    accepted = [*registered, entry(Kind.ACCEPTED, "2021-03-02 08:00")]
    assert [flow.counter for flow in fold(DOSSIER, accepted, RULES).flows] == [
        "received_direct",
        "resolved_undated",
        "outcome_withdrawn",
    ]


def test_another_units_step_is_kept_but_changes_nothing():
    foreign = entry(Kind.FINISHED, "2021-03-02 08:00", unit_id=OTHER_UNIT, outcome=Outcome.GRANTED)
    dossier = fold(DOSSIER, [entry(Kind.ACCEPTED, "2021-03-01 08:00"), foreign], RULES)
    assert dossier.status is Status.ACCEPTED
    assert list(dossier.anomalies) == [
        Anomaly(foreign.identity, Kind.FINISHED, AnomalyCode.FOREIGN_UNIT, Status.ACCEPTED)
    ]


def test_a_transfer_moves_accountability():
    dossier = fold(
        DOSSIER,
        [
            entry(Kind.ACCEPTED, "2021-03-01 08:00"),
            entry(Kind.TRANSFERRED, "2021-03-02 08:00", to_unit_id=OTHER_UNIT),
            entry(Kind.FINISHED, "2021-03-03 08:00", unit_id=OTHER_UNIT, outcome=Outcome.GRANTED),
        ],
        RULES,
    )
    assert list(dossier.flows) == [
        Flow("2021-03-01", UNIT, "received_direct"),
        Flow("2021-03-02", UNIT, "transferred_out"),
        Flow("2021-03-02", OTHER_UNIT, "transferred_in"),
        Flow("2021-03-03", OTHER_UNIT, "resolved_undated"),
        Flow("2021-03-03", OTHER_UNIT, "outcome_granted"),
    ]


def test_a_reopening_keeps_the_first_finish_and_counts_both():
    dossier = fold(
        DOSSIER,
        [
            entry(Kind.ACCEPTED, "2021-03-01 08:00", due_at="2021-03-08 17:00"),
            entry(Kind.FINISHED, "2021-03-02 08:00", outcome=Outcome.GRANTED),
            entry(Kind.REOPENED, "2021-03-03 08:00"),
            entry(Kind.FINISHED, "2021-03-09 08:00", outcome=Outcome.GRANTED),
        ],
        RULES,
    )
    assert [flow.counter for flow in dossier.flows if not flow.counter.startswith("outcome")] == [
        "received_direct",
        "resolved_early",
        "reopened",
        "resolved_overdue",
    ]
    assert dossier.first_finished_at != dossier.finished_at


def test_a_retraction_that_comes_first_still_removes_its_target():
    finish = entry(Kind.FINISHED, "2021-03-02 08:00", id="f1", outcome=Outcome.GRANTED)
    retraction = entry(Kind.RETRACTED, "2021-03-03 08:00", retracts_source="urn:hoso:test", retracts_id="f1")
    acceptance = entry(Kind.ACCEPTED, "2021-03-01 08:00")
    dossier = appended([retraction, finish, acceptance])
    assert dossier.status is Status.ACCEPTED
    assert dossier.ended_at is None
    assert list(dossier.anomalies) == []


def test_a_retraction_can_be_taken_back():
    history = [
        entry(Kind.ACCEPTED, "2021-03-01 08:00"),
        entry(Kind.FINISHED, "2021-03-02 08:00", id="f2", outcome=Outcome.GRANTED),
        entry(Kind.RETRACTED, "2021-03-03 08:00", id="r2", retracts_source="urn:hoso:test", retracts_id="f2"),
        entry(Kind.RETRACTED, "2021-03-04 08:00", retracts_source="urn:hoso:test", retracts_id="r2"),
    ]
    assert fold(DOSSIER, history, RULES).status is Status.FINISHED


def test_another_unit_cannot_retract():
    history = [
        entry(Kind.ACCEPTED, "2021-03-01 08:00", id="a3"),
        entry(
            Kind.RETRACTED,
            "2021-03-03 08:00",
            unit_id=OTHER_UNIT,
            retracts_source="urn:hoso:test",
            retracts_id="a3",
        ),
    ]
    dossier = fold(DOSSIER, history, RULES)
    assert dossier.status is Status.ACCEPTED
    assert [anomaly.code for anomaly in dossier.anomalies] == [AnomalyCode.FOREIGN_UNIT]


def test_one_id_with_two_contents_counts_once_and_is_marked():
    history = [
        entry(Kind.ACCEPTED, "2021-03-01 08:00", id="a4", channel=Channel.DIRECT),
        entry(Kind.ACCEPTED, "2021-03-01 08:00", id="a4", channel=Channel.ONLINE),
    ]
    dossier = appended(history)
    assert dossier == appended(history[::-1])
    assert [anomaly.code for anomaly in dossier.anomalies] == [AnomalyCode.ID_REUSED]
    assert len(dossier.flows) == 1


def test_a_retraction_under_a_reused_id_takes_nothing_back():
    history = [
        entry(Kind.ACCEPTED, "2021-03-01 08:00", id="a", due_at="2021-03-08 17:00"),
        entry(Kind.PROCESSING_STARTED, "2021-03-01 09:00", id="b"),
        entry(Kind.RETRACTED, "2021-03-02 09:00", id="b", retracts_source=SOURCE, retracts_id="a"),
    ]
    dossier = fold(DOSSIER, history, RULES)
    assert dossier.status is Status.PROCESSING
    assert [(anomaly.kind, anomaly.code) for anomaly in dossier.anomalies] == [(Kind.RETRACTED, AnomalyCode.ID_REUSED)]
