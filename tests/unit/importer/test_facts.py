"""Rows as events: what they say, why they are refused, and that the same row is the same facts."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.codec import decode, encode
from schemas.events import Kind
from services.importer.errors import Refusal
from services.importer.facts import Books, Facts
from services.importer.mapping_file import columns_of
from services.importer.rows import Row
from tests.unit.importer.make import A_DOSSIER, AN_ACTION, DOSSIER_TOML, EVENTS_TOML, events, mapping, refusal, say


def test_a_row_that_is_a_dossier_says_each_of_its_dates(tmp_path: Path) -> None:
    # Ids are stored for ever: a change of these two would count every dossier imported before as another fact.
    accepted, finished = events(mapping(tmp_path), A_DOSSIER)
    assert encode(accepted) == (
        b'{"type":"vn.hoso.dossier.accepted.v1","specversion":"1.0","id":"accepted-f952f9314c9c66981f6199b7ac746545",'
        b'"source":"urn:hoso:test","subject":"H49-1","time":"2021-03-01T08:30:00+07:00","data":{"unit_id":"06808",'
        b'"procedure_id":"1.001612","channel":"direct","due_at":"2021-03-05T17:00:00+07:00","policy_id":"vn-day-1"}}'
    )
    assert encode(finished) == (
        b'{"type":"vn.hoso.dossier.finished.v1","specversion":"1.0","id":"finished-bd23cb01c56c8aa84a36ac7d1c0358ef",'
        b'"source":"urn:hoso:test","subject":"H49-1","time":"2021-03-04T10:00:00+07:00","data":{"unit_id":"06808",'
        b'"outcome":"granted"}}'
    )


def test_a_dossier_without_promise_and_end(tmp_path: Path) -> None:
    (accepted,) = events(mapping(tmp_path), {**A_DOSSIER, "due": "", "finished": ""})
    assert accepted.data.due_at is None


@pytest.mark.parametrize("kind", [kind.value for kind in Kind])
def test_every_kind_can_be_an_action(tmp_path: Path, kind: str) -> None:
    (event,) = events(mapping(tmp_path, EVENTS_TOML), {**AN_ACTION, "kind": kind})
    assert event.data.kind.value == kind
    assert decode(encode(event)) == event


def test_what_an_action_carries_depends_on_its_kind(tmp_path: Path) -> None:
    plan = mapping(tmp_path, EVENTS_TOML)
    (transferred,) = events(plan, {**AN_ACTION, "kind": "transferred"})
    (retracted,) = events(plan, {**AN_ACTION, "kind": "retracted"})
    assert transferred.data.to_unit_id == "06811"
    assert transferred.data.policy_id is None
    assert (retracted.data.retracts_source, retracted.data.retracts_id) == ("urn:hoso:test", "accepted-1")


def test_the_same_row_is_the_same_facts_and_any_change_is_another(tmp_path: Path) -> None:
    plan = mapping(tmp_path, EVENTS_TOML)
    first = say(plan, AN_ACTION)
    again = say(plan, {**AN_ACTION, "to": "", "time": "2021-03-01T08:30:00"})  # an acceptance has no `to`
    assert first is not None
    assert again is not None
    assert first.values == again.values
    changes = {"id": "H49-2", "unit": "06811", "procedure": "2", "channel": "counter", "kind": "registered",
               "time": "2021-03-01 08:31", "due": ""}  # fmt: skip
    ids = {events(plan, {**AN_ACTION, name: text})[0].id for name, text in changes.items()}
    assert len(ids | {first.events[0].id}) == len(changes) + 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"id": ""}, ("missing", "id")),
        ({"id": "???"}, ("no_code", "id")),
        ({"unit": ""}, ("missing", "unit")),
        ({"unit": "…"}, ("no_code", "unit")),
        ({"procedure": ""}, ("missing", "procedure")),
        ({"accepted": "yesterday"}, ("bad_time", "accepted")),
        ({"due": "05/03/2021"}, ("bad_time", "due")),
        ({"finished": "0001-01-01"}, ("implausible_time", "finished")),
        ({"accepted": "", "finished": ""}, ("no_event", None)),
    ],
)
def test_why_a_dossier_is_refused(tmp_path: Path, change: dict[str, str], why: object) -> None:
    assert refusal(mapping(tmp_path), {**A_DOSSIER, **change}) == why


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"kind": ""}, ("missing", "kind")),
        ({"kind": "lost"}, ("unknown_value", "kind")),
        ({"time": ""}, ("missing", "time")),
        ({"channel": ""}, ("missing", "channel")),
        ({"channel": "pigeon"}, ("unknown_value", "channel")),
        ({"kind": "transferred", "to": ""}, ("missing", "to")),
        ({"kind": "due_changed", "due": ""}, ("missing", "due")),
        ({"kind": "retracted", "retracts": ""}, ("missing", "retracts")),
        ({"kind": "retracted", "retracts": "đã nhận"}, ("not_an_event", None)),
    ],
)
def test_why_an_action_is_refused(tmp_path: Path, change: dict[str, str], why: object) -> None:
    assert refusal(mapping(tmp_path, EVENTS_TOML), {**AN_ACTION, **change}) == why


def test_a_default_stands_in_for_what_is_empty_or_unknown(tmp_path: Path) -> None:
    plan = mapping(tmp_path, EVENTS_TOML)
    for reason, expected in (
        ("papers", b'"reason":"ineligible"'),
        ("", b'"reason":"other"'),
        ("because", b'"reason":"other"'),
    ):
        said = say(plan, {**AN_ACTION, "kind": "supplement_requested", "reason": reason})
        assert said is not None
        assert expected in said.values[0]


def test_an_ignored_action_says_nothing(tmp_path: Path) -> None:
    assert say(mapping(tmp_path, EVENTS_TOML), {"kind": "viewed"}) is None


def test_the_first_filled_unit_column_counts(tmp_path: Path) -> None:
    plan = mapping(tmp_path, unit='{ columns = ["queue", "department"], default = "196" }')
    for values, unit in (
        ({"queue": "Q 1", "department": "D"}, "Q-1"),
        ({"department": "D"}, "D"),
        ({}, "196"),
    ):
        assert events(plan, {**A_DOSSIER, **values})[0].data.unit_id == unit


def test_a_dossier_that_closes_before_it_opens_is_no_reject_but_two_facts(tmp_path: Path) -> None:
    said = say(mapping(tmp_path), {**A_DOSSIER, "finished": "2021-03-01 08:29:30"})
    assert said is not None
    assert [event.time.strftime("%H:%M:%S") for event in said.events] == ["08:30:00", "08:29:30"]
    assert said.retimed == []


@pytest.mark.parametrize(("finished", "expected", "moved"), [
    ("08:29:30", "08:30:00", [30.0]),
    ("08:29:29", "08:29:29", []),
    ("08:30:00", "08:30:00", []),
    ("08:30:01", "08:30:01", []),
])  # fmt: skip
def test_clocks_that_differ_a_little_may_be_reconciled(
    tmp_path: Path, finished: str, expected: str, moved: list[float]
) -> None:
    said = say(mapping(tmp_path, clock_skew_s_max="30"), {**A_DOSSIER, "finished": f"2021-03-01 {finished}"})
    assert said is not None
    assert said.events[1].time.strftime("%H:%M:%S") == expected
    assert [each.seconds for each in said.retimed] == moved


def test_times_in_a_repeated_or_skipped_hour_are_counted(tmp_path: Path) -> None:
    plan = mapping(tmp_path, zone='"America/New_York"')
    row = {"accepted": "2016-03-13 02:30", "due": "2016-11-06 01:30", "finished": "2016-04-01 12:00"}
    said = say(plan, {**A_DOSSIER, **row})
    assert said is not None
    assert said.irregular == 2


TEXTS = st.text() | st.sampled_from([*A_DOSSIER.values(), *AN_ACTION.values(), "2016-03-13 02:30:00+25:00", "NaN"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
@pytest.mark.parametrize("toml", [DOSSIER_TOML, EVENTS_TOML])
def test_any_row_is_events_or_a_refusal_and_nothing_else(tmp_path: Path, toml: str, data: st.DataObject) -> None:
    plan = mapping(tmp_path, toml)
    values = {column: data.draw(TEXTS, label=column) for column in columns_of(plan)}
    try:
        said = Facts(plan, Books.of(plan)).of(Row("file.csv", 2, values))
    except Refusal:
        return
    assert said is None or all(decode(value) == event for event, value in zip(said.events, said.values, strict=True))
