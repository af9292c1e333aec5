"""Answers leave the server as few packets as they can, and large ones under the connection's own back-pressure."""

import asyncio

import pytest

from services.http import JOINED_BYTES_MAX, _Joining

pytestmark = pytest.mark.asyncio


class FakeTransport:
    def __init__(self) -> None:
        self.said: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.said.append(data)

    def close(self) -> None:
        self.said.append(b"closed")

    def is_closing(self) -> bool:
        return b"closed" in self.said


async def test_what_is_written_in_one_turn_leaves_together() -> None:
    wire = FakeTransport()
    joining = _Joining(wire, asyncio.get_running_loop())  # type: ignore[arg-type]
    joining.write(b"head ")
    joining.write(b"body")
    assert wire.said == []
    await asyncio.sleep(0)
    assert wire.said == [b"head body"]
    joining.write(b"next")
    await asyncio.sleep(0)
    assert wire.said == [b"head body", b"next"]


async def test_what_is_large_does_not_wait() -> None:
    wire = FakeTransport()
    joining = _Joining(wire, asyncio.get_running_loop())  # type: ignore[arg-type]
    joining.write(b"head ")
    joining.write(bytes(JOINED_BYTES_MAX))
    assert wire.said == [b"head " + bytes(JOINED_BYTES_MAX)]
    await asyncio.sleep(0)
    assert len(wire.said) == 1


async def test_closing_sends_what_was_written_first() -> None:
    wire = FakeTransport()
    joining = _Joining(wire, asyncio.get_running_loop())  # type: ignore[arg-type]
    joining.write(b"last")
    joining.close()
    await asyncio.sleep(0)
    assert (wire.said, joining.is_closing()) == ([b"last", b"closed"], True)
