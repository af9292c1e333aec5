"""Reads the monitor's stream over many connections: a process of its own beside it.

`python -m benchmarks.stream_readers PORT READERS STUCK OUT`: READERS connections that read as fast as they can, STUCK
ones that stop reading after the head. Writes READERS' count to OUT when each has its snapshot, and at SIGTERM an
`Outcome` over it.
"""

import asyncio
import signal
import socket
import sys
from pathlib import Path
from time import perf_counter, process_time

import msgspec

REQUEST = b"GET /v1/stream HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\n\r\n"
OPENED_AT_ONCE = 50
STUCK_BYTES = 64 * 1024  # what the kernel takes in for a reader that does not read


class Arrival(msgspec.Struct):
    """One message: how many readers got it, and from the first to the last of them in seconds."""

    readers: int
    first_s: float
    last_s: float


class Outcome(msgspec.Struct, kw_only=True):
    """What was read since the last snapshot came: messages by id, bytes, seconds, this process's CPU."""

    arrivals: dict[str, Arrival]
    received: int
    seconds: float
    cpu_s: float
    last_ids: dict[str, int]  # of readers: the last id that each has seen
    cut: int  # readers whose connection ended


class _Reader(asyncio.Protocol):
    def __init__(self, readers: "_Readers", *, is_stuck: bool) -> None:
        self._readers = readers
        self._is_stuck = is_stuck
        self._rest = b""
        self.last_id = ""
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        if self._is_stuck:
            self.transport.pause_reading()
            return
        self._readers.received += len(data)
        text = self._rest + data
        at = text.rfind(b"\nid: ")
        end = text.find(b"\n", at + 5) if at >= 0 else -1
        if end >= 0:
            self._readers.arrived(self, text[at + 5 : end].decode().strip())
            self._rest = text[end:][-200:]
        else:
            self._rest = text[-200:]  # an id and its name fit in

    def connection_lost(self, _: Exception | None) -> None:
        self._readers.cut += not self._is_stuck


class _Readers:
    def __init__(self, count: int) -> None:
        self._missing = count
        self.ready = asyncio.Event()
        self.arrivals: dict[str, Arrival] = {}
        self.received = 0
        self.cut = 0

    def arrived(self, reader: _Reader, name: str) -> None:
        now = perf_counter()
        if not reader.last_id:
            self._missing -= 1
            if not self._missing:
                self.ready.set()
        if name != reader.last_id:
            reader.last_id = name
            known = self.arrivals.setdefault(name, Arrival(0, now, now))
            known.readers += 1
            known.last_s = now


async def run(port: int, count: int, stuck: int, out: Path) -> None:
    """Read until SIGTERM."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    readers = _Readers(count)
    opened: list[_Reader] = []
    for number in range(count + stuck):
        is_stuck = number >= count
        line = socket.socket()
        line.setblocking(False)
        if is_stuck:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STUCK_BYTES)
        await loop.sock_connect(line, ("127.0.0.1", port))
        reader = _Reader(readers, is_stuck=is_stuck)
        await loop.create_connection(lambda reader=reader: reader, sock=line)  # type: ignore[misc]
        opened.append(reader)
        if number % OPENED_AT_ONCE == 0:
            await asyncio.sleep(0.05)
    await readers.ready.wait()
    readers.arrivals.clear()
    readers.received = 0
    out.write_text(str(count))  # noqa: ASYNC240 - once
    begun, cpu = perf_counter(), process_time()
    await stop.wait()
    last_ids: dict[str, int] = {}
    for reader in opened[:count]:
        last_ids[reader.last_id] = last_ids.get(reader.last_id, 0) + 1
    outcome = Outcome(
        arrivals=readers.arrivals,
        received=readers.received,
        seconds=perf_counter() - begun,
        cpu_s=process_time() - cpu,
        last_ids=last_ids,
        cut=readers.cut,
    )
    out.write_bytes(msgspec.json.encode(outcome))  # noqa: ASYNC240 - at the end


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])))
