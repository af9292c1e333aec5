"""Readers hold one name and get the difference, however long they were away."""

import asyncio
import json
from typing import Any

from services.monitor.published import Message, Published, Seen
from tests.unit.monitor.make import (
    AS_OF_US,
    CENTRE,
    CITY,
    NOW_S,
    UNITS,
    WARD,
    apply,
    board,
    freshness,
    heartbeat,
    published,
    tally,
)

DAY_US = 86_400_000_000


def content(message: Message | None) -> Any:
    assert message is not None
    return json.loads(message.data)


def ids(message: Message | None) -> list[str]:
    return [unit["id"] for unit in content(message)["units"]]


def advance(made: Published, *, now_s: float = NOW_S + 0.25) -> None:
    made.advance(freshness(made.board), now_s=now_s)


def test_a_new_reader_gets_everything_and_then_nothing() -> None:
    made = published(board(tally(WARD.id, open_overdue=1)))
    message = made.message_for(None)
    assert message is not None
    assert (message.event, message.id) == ("snapshot", "7-1")
    assert content(message)["version"] == "7-1"
    assert ids(message) == [unit.id for unit in UNITS]
    assert made.message_for(message.seen) is None


def test_only_what_changed_is_sent_with_those_above_it() -> None:
    made = published(board(tally(WARD.id, open_overdue=1), tally(CENTRE.id, open_overdue=1)))
    seen = made.seen_by("7-1")
    apply(made.board, tally(WARD.id, open_overdue=2))
    advance(made)
    message = made.message_for(seen)
    assert message is not None
    assert (message.event, message.id) == ("units", "7-2")
    assert ids(message) == [CITY.id, WARD.id]
    assert [unit["stock"]["open_overdue"] for unit in content(message)["units"]] == [3, 2]


def test_a_reader_that_was_away_gets_all_that_changed_meanwhile_once() -> None:
    made = published(board(tally(WARD.id, open_overdue=1), tally(CENTRE.id, open_overdue=1)))
    for count in range(2, 50):
        apply(made.board, tally(WARD.id, open_overdue=count))
        advance(made)
    apply(made.board, tally(CENTRE.id, open_overdue=2))
    advance(made)
    assert ids(made.message_for(made.seen_by("7-1"))) == [CITY.id, CENTRE.id, WARD.id]
    assert ids(made.message_for(made.seen_by("7-49"))) == [CITY.id, CENTRE.id]


def test_ids_that_are_not_ours_get_everything() -> None:
    made = published(board(tally(WARD.id, open_overdue=1)))
    for event_id in (None, "", "6-1", "7-2", "7-", "7", "7-x", "7--1", "7-1-1", "7-٣", "-1"):
        assert made.seen_by(event_id) is None, event_id
    assert made.seen_by("7-0") == Seen(0, -1)


def test_readers_that_know_the_same_share_one_message_until_something_moves() -> None:
    made = published(board(tally(WARD.id, open_overdue=1)))
    first = made.message_for(None)
    assert first is made.message_for(Seen(0, 0))  # before the units were there
    assert first is not None
    assert first.encoded is first.encoded
    assert first.encoded.decode().startswith("event: snapshot\n")
    apply(made.board, tally(WARD.id, open_overdue=2))
    advance(made)
    second = made.message_for(first.seen)
    assert second is made.message_for(first.seen)
    assert made.message_for(None) is not first
    assert content(made.message_for(None))["version"] == "7-2"


def test_a_new_set_of_units_is_a_snapshot_for_everyone() -> None:
    made = published(board(tally(WARD.id, open_overdue=1)))
    seen = made.seen_by("7-1")
    apply(made.board, tally("new", open_overdue=1))
    advance(made)
    message = made.message_for(seen)
    assert message is not None
    assert message.event == "snapshot"
    assert ids(message) == [CITY.id, CENTRE.id, WARD.id, "new"]


def test_another_board_is_a_snapshot_even_when_it_looks_the_same() -> None:
    made = published(board(tally(WARD.id, open_overdue=1)))
    seen = made.seen_by("7-1")
    made.show(board())
    advance(made)
    message = made.message_for(seen)
    assert message is not None
    assert message.event == "snapshot"
    assert [unit["stock"] for unit in content(message)["units"]] == [None] * 3


def test_freshness_alone_is_told_once_a_second() -> None:
    made = published(board(heartbeat(), tally(WARD.id)))
    seen = made.seen_by("7-1")
    first = made.message_for(seen)
    assert first is not None
    assert first.event == "freshness"
    apply(made.board, heartbeat(at_s=NOW_S + 0.5))
    advance(made, now_s=NOW_S + 0.5)
    assert made.message_for(first.seen) is None
    advance(made, now_s=NOW_S + 1.0)
    assert content(made.message_for(first.seen))["freshness"]["heartbeat_at"] == "2023-11-15T05:13:20.500000+07:00"


def test_a_change_of_state_is_told_at_once() -> None:
    made = published(board(heartbeat(), tally(WARD.id)))
    seen = Seen(1, 10**6)
    made.advance(freshness(made.board, now_s=NOW_S + 60), now_s=NOW_S + 0.25)
    message = made.message_for(seen)
    assert content(message)["freshness"]["state"] == "stale"


def test_at_midnight_every_unit_gets_a_new_today() -> None:
    made = published(board(heartbeat(), tally(WARD.id, day="2021-12-31", received_direct=1)))
    assert [unit.today and unit.today.received for unit in made.units.values()] == [1, None, 1]
    seen = made.seen_by("7-1")
    apply(made.board, heartbeat(as_of_us=AS_OF_US + DAY_US))
    advance(made, now_s=NOW_S + 1)
    message = made.message_for(seen)
    assert message is not None
    assert message.event == "units"
    assert [unit["today"] and unit["today"]["received"] for unit in content(message)["units"]] == [0, None, 0]


def test_moving_between_days_changes_the_version_although_no_total_moves() -> None:
    made = published(board(tally(WARD.id, day="2021-03-01", received_direct=1)))
    apply(made.board, tally(WARD.id, day="2021-03-01"), tally(WARD.id, day="2021-03-02", received_direct=1))
    advance(made)
    assert made.name == "7-2"


def test_waiting_ends_with_news_or_with_time() -> None:
    async def scene() -> None:
        made = published(board())
        assert await asyncio.gather(made.wait(0.01), made.wait(10)) == [False] * 2  # one timer for all
        waiting = [asyncio.create_task(made.wait(10)) for _ in range(3)]
        await asyncio.sleep(0)
        advance(made)  # nothing moved: nobody wakes
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        apply(made.board, tally(WARD.id, open_overdue=1))
        advance(made)
        assert await asyncio.gather(*waiting) == [True] * 3

    asyncio.run(scene())
