"""Bodies that arrive slowly, are cut off, or are too many at once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.types import Message

from services.gateway import bodies
from services.gateway.bodies import BodyReader
from services.problems import Problem

pytestmark = pytest.mark.asyncio

LIMIT = 1000


def arriving(*messages: Message) -> Callable[[], Awaitable[Message]]:
    """A connection that says these and then stays silent."""
    waiting = list(messages)

    async def receive() -> Message:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    return receive


def chunk(size: int, *, more: bool) -> Message:
    return {"type": "http.request", "body": b"x" * size, "more_body": more}


async def read(reader: BodyReader, receive: Any) -> bytes:
    async with reader.read({}, receive) as body:
        return body


async def test_a_connection_that_is_cut_off_is_no_fault_of_ours() -> None:
    with pytest.raises(Problem) as caught:
        await read(BodyReader(bytes_max=LIMIT), arriving(chunk(10, more=True), {"type": "http.disconnect"}))
    assert caught.value.kind.code == "unreadable"


async def test_a_body_that_does_not_arrive_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "ARRIVAL_S_MAX", 0.01)
    with pytest.raises(Problem) as caught:
        await read(BodyReader(bytes_max=LIMIT), arriving(chunk(10, more=True)))
    assert caught.value.kind.code == "slow_body"


async def test_all_bodies_together_are_bounded_while_they_are_worked_on() -> None:
    reader = BodyReader(bytes_max=LIMIT)
    whole = chunk(LIMIT, more=False)
    async with (
        reader.read({}, arriving(whole)),
        reader.read({}, arriving(whole)),
        reader.read({}, arriving(whole)),
        reader.read({}, arriving(whole)) as body,
    ):
        assert len(body) == LIMIT
        with pytest.raises(Problem) as caught:
            await read(reader, arriving(chunk(1, more=False)))
        assert (caught.value.kind.code, caught.value.headers) == ("busy", {"retry-after": "5"})
    assert await read(reader, arriving(whole)) == whole["body"]


async def test_reading_stops_at_the_limit() -> None:
    receive = arriving(chunk(LIMIT, more=True), chunk(1, more=True), chunk(1, more=True))
    with pytest.raises(Problem) as caught:
        await read(BodyReader(bytes_max=LIMIT), receive)
    assert caught.value.kind.code == "too_large"
    assert await receive() == chunk(1, more=True)  # the third was never asked for
