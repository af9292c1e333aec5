"""The edge cases that officials argue about, by their numbers in the list that the rules were collected in."""

from typing import Any

import pytest

from schemas.events import Channel, DueCause, Kind, Outcome
from schemas.reference import SecondSupplement
from schemas.state import AnomalyCode, ChangeCause, Dossier, Status, Timeliness
from streams.domain.dossier import entry_of, fold, micros
from streams.domain.tally import standing
from tests.factories import DOSSIER, OTHER_UNIT, at, entry, event, rules

ACCEPTED = entry(Kind.ACCEPTED, "2021-03-01 08:00", due_at="2021-03-08 17:00")


def folded(*history: Any, policy: str = "vn-day-1", **changes: Any) -> Dossier:
    return fold(DOSSIER, history, rules(policy, **changes))


def finish(moment: str) -> Any:
    return entry(Kind.FINISHED, moment, outcome=Outcome.GRANTED)


def counters(dossier: Dossier) -> list[str]:
    return [flow.counter for flow in dossier.flows]


@pytest.mark.parametrize(
    ("second", "due", "bucket"),
    [
        (SecondSupplement.PAUSE, "2021-03-12 17:00", "open_within_due"),
        (SecondSupplement.RUN_ON, "2021-03-10 17:00", "open_overdue"),
        (SecondSupplement.OVERDUE, "2021-03-10 17:00", "open_overdue"),
    ],
)
def test_3_supplement_twice(second, due, bucket):
    history = (
        ACCEPTED,
        entry(Kind.SUPPLEMENT_REQUESTED, "2021-03-02 08:00"),
        entry(Kind.SUPPLEMENT_RECEIVED, "2021-03-04 08:00"),
        entry(Kind.SUPPLEMENT_REQUESTED, "2021-03-05 08:00"),
        entry(Kind.SUPPLEMENT_RECEIVED, "2021-03-09 08:00"),
    )
    dossier = folded(*history, second_supplement=second)
    assert (dossier.due_at, dossier.supplements) == (micros(at(due)), 2)
    assert standing(dossier, micros(at("2021-03-11 08:00"))).bucket == bucket
    timeliness = folded(*history, finish("2021-03-10 10:00"), second_supplement=second).timeliness
    expected = {SecondSupplement.PAUSE: Timeliness.EARLY, SecondSupplement.RUN_ON: Timeliness.ON_TIME}
    assert timeliness is expected.get(second, Timeliness.OVERDUE)


def test_3_asked_twice_forfeits_at_once_while_nothing_pauses():
    history = (
        ACCEPTED,
        entry(Kind.SUPPLEMENT_REQUESTED, "2021-03-02 08:00"),
        entry(Kind.SUPPLEMENT_RECEIVED, "2021-03-02 09:00"),
        entry(Kind.SUPPLEMENT_REQUESTED, "2021-03-03 08:00"),
    )
    dossier = folded(*history, policy="vn-766-1")
    assert dossier.paused_at is None
    assert standing(dossier, micros(at("2021-03-03 08:00"))).bucket == "open_overdue"


def test_3_supplement_after_the_due_date_leaves_a_late_dossier_late():
    dossier = folded(
        ACCEPTED,
        entry(Kind.SUPPLEMENT_REQUESTED, "2021-03-10 08:00"),
        entry(Kind.SUPPLEMENT_RECEIVED, "2021-03-12 08:00"),
        finish("2021-03-12 09:00"),
    )
    assert (dossier.due_at, dossier.timeliness) == (micros(at("2021-03-10 17:00")), Timeliness.OVERDUE)


def test_3_pause_across_tet_shifts_by_working_time_only():
    dossier = folded(
        entry(Kind.ACCEPTED, "2021-02-08 08:00", due_at="2021-02-22 17:00"),
        entry(Kind.SUPPLEMENT_REQUESTED, "2021-02-09 08:00"),
        entry(Kind.SUPPLEMENT_RECEIVED, "2021-02-18 08:00"),  # 9 and 17 February: two working days
    )
    assert dossier.due_at == micros(at("2021-02-24 17:00"))


def test_3_pause_never_resumed_stays_paused_whatever_the_clock_says():
    dossier = folded(ACCEPTED, entry(Kind.SUPPLEMENT_REQUESTED, "2021-03-02 08:00"))
    assert standing(dossier, micros(at("2031-03-02 08:00"))).bucket == "open_paused"


def test_3_nested_pause_is_one_pause():
    dossier = folded(
        ACCEPTED,
        entry(Kind.SUPPLEMENT_REQUESTED, "2021-03-02 08:00"),
        entry(Kind.PAYMENT_REQUESTED, "2021-03-03 08:00"),
        entry(Kind.PAYMENT_RECEIVED, "2021-03-05 08:00"),
    )
    assert [(pause.start, pause.end) for pause in dossier.pauses] == [
        (micros(at("2021-03-02 08:00")), micros(at("2021-03-05 08:00")))
    ]
    assert [change.cause for change in dossier.due_changes] == [ChangeCause.GIVEN, ChangeCause.PAYMENT]


def test_4_finish_and_delivery_out_of_order():
    dossier = folded(entry(Kind.DELIVERED, "2021-03-06 08:00"), finish("2021-03-05 08:00"), ACCEPTED)
    assert (dossier.status, dossier.ended_at) == (Status.DELIVERED, micros(at("2021-03-05 08:00")))


def test_4_delivery_without_finish_ends_the_clock():
    assert folded(ACCEPTED, entry(Kind.DELIVERED, "2021-03-09 08:00")).timeliness is Timeliness.OVERDUE


def test_4_finish_before_acceptance_is_marked():
    dossier = folded(finish("2021-02-26 08:00"), ACCEPTED)
    assert [anomaly.code for anomaly in dossier.anomalies] == [AnomalyCode.NOT_ALLOWED]


def test_5_sent_back_and_finished_again_keeps_the_first_finish():
    dossier = folded(
        ACCEPTED, finish("2021-03-05 08:00"), entry(Kind.REOPENED, "2021-03-06 08:00"), finish("2021-03-09 08:00")
    )
    assert (dossier.first_finished_at, dossier.finished_at) == (
        micros(at("2021-03-05 08:00")),
        micros(at("2021-03-09 08:00")),
    )
    assert counters(dossier) == [
        *("received_direct", "resolved_early", "outcome_granted", "reopened"),
        *("resolved_overdue", "outcome_granted"),
    ]


def test_5_stopped_and_resumed():
    stopped = (ACCEPTED, entry(Kind.STOPPED, "2021-03-02 08:00"), entry(Kind.RESUMED, "2021-03-04 08:00"))
    as_an_end = folded(*stopped)
    assert (as_an_end.status, as_an_end.due_at) == (Status.PROCESSING, micros(at("2021-03-08 17:00")))
    assert counters(as_an_end) == ["received_direct", "resolved_early", "outcome_stopped", "reopened"]
    as_a_pause = folded(*stopped, policy="vn-day-s3-1")
    assert counters(as_a_pause) == ["received_direct"]
    assert as_a_pause.due_at == micros(at("2021-03-10 17:00"))  # two days waited: one, then the next working day


def test_5_withdrawn_and_taken_up_again():
    dossier = folded(ACCEPTED, entry(Kind.WITHDRAWN, "2021-03-02 08:00"), entry(Kind.RESUMED, "2021-03-03 08:00"))
    assert (dossier.status, dossier.ended_at) == (Status.PROCESSING, None)


def test_5_withdrawal_before_acceptance_does_not_count_as_resolved():
    dossier = folded(entry(Kind.REGISTERED, "2021-03-01 08:00"), entry(Kind.WITHDRAWN, "2021-03-02 08:00"))
    assert counters(dossier) == ["withdrawn"]


@pytest.mark.parametrize(
    ("finished", "timeliness"),
    [
        ("2021-03-08 17:30", Timeliness.ON_TIME),
        ("2021-03-09 08:00", Timeliness.OVERDUE),  # between the old and the new date
        ("2021-03-16 08:00", Timeliness.OVERDUE),
    ],
)
def test_6_an_apology_excuses_nothing_and_is_told_apart(finished, timeliness):
    letter = entry(Kind.DUE_CHANGED, "2021-03-05 08:00", due_at="2021-03-15 17:00", cause=DueCause.APOLOGY)
    dossier = folded(ACCEPTED, letter, finish(finished))
    assert (dossier.timeliness, dossier.due_announced) == (timeliness, micros(at("2021-03-15 17:00")))
    assert ("overdue_apologised" in counters(dossier)) is (timeliness is Timeliness.OVERDUE)


def test_6_an_extension_moves_the_promise():
    letter = entry(Kind.DUE_CHANGED, "2021-03-05 08:00", due_at="2021-03-15 17:00", cause=DueCause.EXTENSION)
    dossier = folded(ACCEPTED, letter, finish("2021-03-12 08:00"))
    assert (dossier.timeliness, dossier.due_original) == (Timeliness.EARLY, micros(at("2021-03-08 17:00")))


def test_6_a_promise_that_is_only_said_again_is_no_change():
    again = entry(Kind.DUE_CHANGED, "2021-03-05 08:00", due_at="2021-03-08 17:00", cause=DueCause.EXTENSION)
    assert folded(ACCEPTED, again).due_changes == ()


def test_6_apologies_are_kept_each():
    letters = [
        entry(Kind.DUE_CHANGED, f"2021-03-{day} 08:00", due_at=f"2021-03-{day + 7} 17:00", cause=DueCause.APOLOGY)
        for day in (10, 17)
    ]
    dossier = folded(ACCEPTED, *letters)
    assert [change.cause for change in dossier.due_changes] == [
        *(ChangeCause.GIVEN, ChangeCause.APOLOGY, ChangeCause.APOLOGY)
    ]
    assert dossier.due_announced == micros(at("2021-03-24 17:00"))


def test_7_no_promise_is_a_class_of_its_own():
    undated = entry(Kind.ACCEPTED, "2021-03-01 08:00")
    assert folded(undated, finish("2021-03-02 08:00")).timeliness is Timeliness.UNDATED
    assert standing(folded(undated), micros(at("2031-01-01 00:00"))).bucket == "open_undated"


def test_7_a_dossier_of_no_duration_is_on_time():
    same_day = entry(Kind.ACCEPTED, "2021-03-01 08:00", due_at="2021-03-01 08:00")
    assert folded(same_day, finish("2021-03-01 08:00")).timeliness is Timeliness.ON_TIME


def test_8_months_late_and_reordered_events_end_in_the_same_state():
    history = [ACCEPTED, entry(Kind.PROCESSING_STARTED, "2021-03-02 08:00"), finish("2021-03-05 08:00")]
    assert folded(*history[::-1]) == folded(*history, *history)


def test_8_one_code_from_two_sources_is_one_dossier_and_the_second_birth_is_marked():
    again = entry(Kind.ACCEPTED, "2021-03-02 08:00", source="urn:hoso:other", due_at="2021-03-20 17:00")
    dossier = folded(ACCEPTED, again)
    assert dossier.due_at == micros(at("2021-03-08 17:00"))
    assert [anomaly.code for anomaly in dossier.anomalies] == [AnomalyCode.NOT_ALLOWED]


def test_9_open_on_31_december_and_finished_next_day():
    dossier = folded(entry(Kind.ACCEPTED, "2021-12-31 23:59", due_at="2022-01-04 17:00"), finish("2022-01-01 00:00"))
    assert [(flow.day, flow.counter) for flow in dossier.flows][:2] == [
        ("2021-12-31", "received_direct"),
        ("2022-01-01", "resolved_early"),
    ]


def test_10_moved_between_units_while_open_the_second_one_answers():
    dossier = folded(
        ACCEPTED,
        entry(Kind.TRANSFERRED, "2021-03-02 08:00", to_unit_id=OTHER_UNIT, due_at="2021-03-10 17:00"),
        entry(Kind.FINISHED, "2021-03-11 08:00", unit_id=OTHER_UNIT, outcome=Outcome.GRANTED),
    )
    assert [(flow.unit_id, flow.counter) for flow in dossier.flows][-2:] == [
        (OTHER_UNIT, "resolved_overdue"),
        (OTHER_UNIT, "outcome_granted"),
    ]
    assert [change.cause for change in dossier.due_changes] == [ChangeCause.GIVEN, ChangeCause.TRANSFER]


def test_10_a_linked_dossier_names_its_root():
    assert folded(entry(Kind.ACCEPTED, "2021-03-01 08:00", root_id="root")).root_id == "root"


def test_11_clocks_of_two_systems_that_differ_still_give_one_order():
    received = entry(Kind.ACCEPTED, "2021-03-01 08:00", channel=Channel.ONLINE)
    registered = entry(Kind.REGISTERED, "2021-03-01 08:01", channel=Channel.ONLINE)  # stated a minute later
    dossier = folded(received, registered)
    assert dossier.status is Status.ACCEPTED
    assert [anomaly.code for anomaly in dossier.anomalies] == [AnomalyCode.NOT_ALLOWED]


def test_11_the_offset_of_a_sender_does_not_matter():
    moment = at("2021-03-08 23:30")
    elsewhere = event(Kind.FINISHED, moment.astimezone(tz=None), outcome=Outcome.GRANTED)
    assert folded(ACCEPTED, entry_of(elsewhere)).timeliness is Timeliness.ON_TIME
