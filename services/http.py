"""What every HTTP process shares: health and metrics routes, and serving until told to stop (errors: problems.py).

Promises: a taken port is a `SettingsError` that names the setting; a stop finishes the requests in flight; a client
that takes nothing of its answer is dropped.
"""

import asyncio
import contextlib
import errno
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final, cast

import msgspec
import uvicorn
from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from schemas.errors import SettingsError

STOP_S_MAX: Final = 10  # for requests in flight; orchestrators kill after 30 s
STALL_S_MAX: Final = 20.0  # mobile networks come back within seconds
UNSENT_BYTES_MAX: Final = 128 * 1024  # in the kernel, which doubles it; 5 MB/s at a round trip of 50 ms
JOINED_BYTES_MAX: Final = 64 * 1024  # above, the connection's own back-pressure must see it
Check = Callable[[], Awaitable[str]]  # answers the empty text when all is well, else what is missing and what to do


def add_health(app: FastAPI, *, checks: Mapping[str, Check], registry: CollectorRegistry) -> None:
    """Add /livez (this process answers), /readyz (503 unless every check is well) and /metrics."""

    @app.get("/livez", tags=["operator"], operation_id="livez")
    async def livez() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", tags=["operator"], operation_id="readyz", responses={503: {"description": "Not ready."}})
    async def readyz() -> Response:
        found = {name: await check() for name, check in checks.items()}
        body = {"status": "not ready" if any(found.values()) else "ok"}
        body |= {name: text or "ok" for name, text in found.items()}
        return Response(msgspec.json.encode(body), 503 if any(found.values()) else 200, media_type="application/json")

    @app.get("/metrics", tags=["operator"], operation_id="metrics", response_class=Response)
    async def metrics() -> Response:
        return Response(generate_latest(registry), headers={"content-type": CONTENT_TYPE_LATEST})


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set; one process shares it among all it serves. Main thread only."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def serve(app: ASGIApp, *, host: str, port: int, setting: str, stop: asyncio.Event) -> None:
    """Serve `app` until `stop`, then refuse new connections and finish the requests in flight.

    `setting` is the variable to name in the `SettingsError` when `port` is taken. A handler that never ends by itself,
    such as an event stream, watches `stop` too, or is cancelled after STOP_S_MAX.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise SettingsError(f"port {port} on {host} is taken; set {setting}") from error
        raise SettingsError(f"{host}:{port} cannot be listened on; set {setting} or HOSO_HOST") from error
    # asyncio does so only for sockets that it made; without it, every answer on a kept connection waits 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # Linux lets a connection's own grow to 4 MB; a thousand readers of a stream that stop reading would hold as many.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNSENT_BYTES_MAX)
    server = _Server(
        uvicorn.Config(
            app,
            http=_Http,
            log_config=None,
            access_log=False,
            proxy_headers=False,  # nothing here asks who called
            ws="none",
            timeout_graceful_shutdown=STOP_S_MAX,
        )
    )

    async def leave() -> None:
        await stop.wait()
        server.should_exit = True

    leaving = asyncio.create_task(leave())
    try:
        await server.serve(sockets=[listener])
    finally:
        leaving.cancel()
        listener.close()


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handlers, which would end the process before it has cleaned up."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Http(HttpToolsProtocol):
    """Uvicorn's fast parser; an answer's head and body leave in one system call, not in two that cost as much each.

    A client that takes nothing of an answer for STALL_S_MAX is dropped: its share of the memory is somebody else's.
    """

    _left_bytes = 0
    _stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast("asyncio.Transport", _Joining(transport, self.loop)))

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._forget()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._forget()

    def _watch(self) -> None:
        self._left_bytes = self.transport.get_write_buffer_size()
        self._stall = self.loop.call_later(STALL_S_MAX, self._drop_if_stalled)

    def _forget(self) -> None:
        if self._stall is not None:
            self._stall.cancel()

    def _drop_if_stalled(self) -> None:
        if self.transport.get_write_buffer_size() >= self._left_bytes:
            self.transport.abort()
        else:
            self._watch()


class _Joining:
    """A transport that sends at the end of the loop's turn what was written during it, and at once what is large."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._written: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._written:
            self._loop.call_soon(self._flush)
        self._written.append(data)
        self._size += len(data)
        if self._size > JOINED_BYTES_MAX:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._written:
            self._transport.write(b"".join(self._written))
            self._written.clear()
            self._size = 0
