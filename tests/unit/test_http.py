"""Answers leave the server as few packets as they can, and large ones under the connection's own back-pressure."""

import asyncio
import socket
from typing import Any

import pytest

from services import http
from services.http import JOINED_BYTES_MAX, _Joining, serve
from tests.kafka import free_port

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


@pytest.mark.parametrize("reads", [False, True])
async def test_a_client_that_takes_nothing_is_dropped_and_a_slow_one_is_not(
    monkeypatch: pytest.MonkeyPatch, *, reads: bool
) -> None:
    monkeypatch.setattr(http, "STALL_S_MAX", 0.3)
    left = asyncio.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (await asyncio.gather(send(PIECE), asyncio.sleep(0)))[0] is None:
            if left.is_set():
                return

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        answering = asyncio.create_task(endless(scope, receive, send))
        while (await receive())["type"] != "http.disconnect":
            pass
        left.set()
        await answering

    stop = asyncio.Event()
    port = free_port()
    serving = asyncio.create_task(serve(watched, host="127.0.0.1", port=port, setting="HOSO_PORT", stop=stop))
    line = await connected(port)
    reader, writer = await asyncio.open_connection(sock=line, limit=64 * 1024)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    try:
        async with asyncio.timeout(5):
            if reads:
                for _ in range(200):  # much longer than the limit, in steps that the kernel passes on
                    await reader.read(64 * 1024)
                    await asyncio.sleep(0.01)
                assert not left.is_set()
            else:
                await left.wait()
    finally:
        writer.close()
        stop.set()
        await serving


PIECE = {"type": "http.response.body", "body": bytes(32 << 20), "more_body": True}  # far more than is read in time


async def connected(port: int) -> socket.socket:
    """A connection that the kernel takes little in for."""
    while True:
        line = socket.socket()
        line.setblocking(False)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        try:
            await asyncio.get_running_loop().sock_connect(line, ("127.0.0.1", port))
        except ConnectionRefusedError:
            line.close()
            await asyncio.sleep(0.02)  # it is starting
        else:
            return line
