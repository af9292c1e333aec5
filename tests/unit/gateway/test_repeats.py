"""The memory of acknowledged events is bounded, and compares what was said."""

from typing import Any

import pytest

from schemas.codec import decode, encode
from schemas.events import Channel, Kind
from services.gateway.repeats import Window, fingerprint
from tests.factories import event


def accepted(**changes: Any) -> Any:
    return event(Kind.ACCEPTED, "2021-03-01 08:30", **{"id": "e-1", **changes})


@pytest.mark.parametrize("changes", [{"id": "e-2"}, {"dossier": "H49-2"}, {"source": "urn:hoso:other"}])
def test_source_id_and_dossier_are_the_identity(changes: dict[str, str]) -> None:
    (one, said), (other, said_too) = fingerprint(accepted()), fingerprint(accepted(**changes))
    assert (one != other, said) == (True, said_too)


@pytest.mark.parametrize("changes", [{"channel": Channel.POSTAL}, {"due_at": "2021-03-09 17:00"}, {"unit_id": "1"}])
def test_data_is_what_is_said(changes: dict[str, Any]) -> None:
    (one, said), (other, said_too) = fingerprint(accepted()), fingerprint(accepted(**changes))
    assert (one, said != said_too) == (other, True)


def test_kind_and_time_are_what_is_said() -> None:
    said = {
        fingerprint(event(kind, time, id="e-1"))
        for kind in (Kind.WITHDRAWN, Kind.DELIVERED)
        for time in ("2021-03-01 08:30", "2021-03-01 08:31")
    }
    assert (len(said), len({identity for identity, _ in said})) == (4, 1)


def test_spelling_and_trace_are_not() -> None:
    plain = encode(accepted())
    spelled = plain.replace(b"08:30:00+07:00", b"01:30:00Z").replace(
        b'"specversion"', b'"traceparent":"00-%s","specversion"' % (b"0" * 52)
    )
    assert plain != spelled
    assert fingerprint(decode(plain)) == fingerprint(decode(spelled))


def test_at_least_half_and_at_most_all_of_the_window_is_remembered() -> None:
    window = Window(100)
    for number in range(1000):
        window.remember({number: -number})
        assert len(window) <= 101
        assert all(window.get(n) == -n for n in range(max(0, number - 49), number + 1))


def test_a_window_of_nothing_remembers_nothing() -> None:
    window = Window(0)
    window.remember({1: 1})
    assert (window.get(1), len(window)) == (None, 0)


def test_one_large_body_does_not_break_the_bound() -> None:
    window = Window(10)
    window.remember(dict.fromkeys(range(1000), 0))
    assert len(window) == 0
