"""Sends bodies over kept HTTP/1.1 connections, as fast as they are answered or at a steady rate, beside a server.

`send` runs `python -m benchmarks.http_load FILE`, which holds a `Load` and prints an `Outcome`, as another process. It
parses no more of an answer than its length and status, so that its own work stays a small part of a request's (see
`Outcome.cpu_s`).
"""

import asyncio
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time

import msgspec

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length: "


class Load(msgspec.Struct, kw_only=True):
    """`bodies` are sent in order, each by the next connection that is free."""

    port: int
    path: str
    headers: dict[str, str]
    connections: int
    bodies: list[bytes]
    every_s: float = 0.0  # between two bodies of a connection, or longer when the answer takes longer


class Outcome(msgspec.Struct, kw_only=True):
    """How it went: wall clock from the first request to the last answer, this process's CPU, answers by status."""

    seconds: float
    cpu_s: float
    statuses: dict[int, int]
    latencies_ms: list[float]


class _Connection(asyncio.Protocol):
    def __init__(self, requests: "_Requests", every_s: float) -> None:
        self._requests = requests
        self._every_s = every_s
        self._received = bytearray()
        self._sent_at = 0.0
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def send_next(self) -> None:
        request = self._requests.next()
        if request is not None:
            self._sent_at = perf_counter()
            self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head = self._received.find(HEAD_END)
        if head < 0:
            return
        start = self._received.index(LENGTH) + len(LENGTH)
        length = int(self._received[start : self._received.index(b"\r", start)])
        if len(self._received) < head + len(HEAD_END) + length:
            return
        self._requests.answered(int(self._received[9:12]), perf_counter() - self._sent_at)
        self._received.clear()
        rest_s = self._sent_at + self._every_s - perf_counter()
        if rest_s > 0:
            asyncio.get_running_loop().call_later(rest_s, self.send_next)
        else:
            self.send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._requests.lost(exc)


class _Requests:
    def __init__(self, load: Load) -> None:
        named = "".join(f"{name}: {text}\r\n" for name, text in load.headers.items())
        head = f"POST {load.path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{named}content-length: "
        self._waiting = iter([b"%s%d\r\n\r\n%s" % (head.encode(), len(body), body) for body in load.bodies])
        self._open = len(load.bodies)
        self.statuses: dict[int, int] = {}
        self.latencies_ms: list[float] = []
        self.done = asyncio.get_running_loop().create_future()

    def next(self) -> bytes | None:
        return next(self._waiting, None)

    def answered(self, status: int, seconds: float) -> None:
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.latencies_ms.append(round(seconds * 1000, 3))
        self._open -= 1
        if not self._open:
            self.done.set_result(None)

    def lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionResetError("the server closed a connection"))


async def run(load: Load) -> Outcome:
    """Send everything."""
    loop = asyncio.get_running_loop()
    requests = _Requests(load)
    opened = [
        await loop.create_connection(lambda: _Connection(requests, load.every_s), "127.0.0.1", load.port)
        for _ in range(min(load.connections, len(load.bodies)))
    ]
    begun, cpu = perf_counter(), process_time()
    for number, (_, connection) in enumerate(opened):
        loop.call_later(load.every_s * number / len(opened), connection.send_next)
    await requests.done
    seconds, cpu_s = perf_counter() - begun, process_time() - cpu
    for transport, _ in opened:
        transport.close()
    return Outcome(seconds=seconds, cpu_s=cpu_s, statuses=requests.statuses, latencies_ms=requests.latencies_ms)


async def send(load: Load) -> Outcome:
    """Send everything, from a process of its own."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(msgspec.msgpack.encode(load))
        file.flush()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.http_load", file.name, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
    return msgspec.json.decode(said, type=Outcome)


if __name__ == "__main__":
    given = msgspec.msgpack.decode(Path(sys.argv[1]).read_bytes(), type=Load)
    sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(run(given))))
