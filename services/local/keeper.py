"""Keeps one part of the local stack alive: starts it, waits until it answers, starts it again when it dies.

Promises: a dead part is told at once, with its last log lines, and started again after 1, 2, 4 … 30 s, from 1 s again
after a minute of health. Exit code 2 means that somebody has to change something first: starting again would not help.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final, NoReturn, Protocol

from schemas.errors import SettingsError, Unavailable
from services.local.processes import put_aside, size_of, tail

WAIT_S_FIRST: Final = 1.0
WAIT_S_MAX: Final = 30.0
HEALTHY_S: Final = 60.0
FIRST_STARTS_MAX: Final = 3  # a part that never once answered is not going to: say so instead of trying for ever
ASK_EVERY_S: Final = 0.1
EXIT_HOPELESS: Final = 2

Notify = Callable[[str], None]


class Running(Protocol):
    """A process that was started."""

    @property
    def pid(self) -> int | None:
        """Its process id while it lives."""

    async def wait(self) -> int:
        """Return its exit code once it has ended."""

    async def stop(self) -> bool:
        """End it in good order; False when it had to be killed."""

    async def kill(self) -> None:
        """End it at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """How to start one part, and how to ask it whether it is ready: the empty text, or what is missing."""

    name: str
    where: str
    log: Path
    start: Callable[[], Awaitable[Running]]
    missing: Callable[[], Awaitable[str]]


@dataclass(slots=True)
class Backoff:
    """How long to wait before the next start."""

    failures: int = 0

    def after(self, healthy_s: float) -> float:
        """The wait after a part that was healthy for so long."""
        if healthy_s >= HEALTHY_S:
            self.failures = 0
        wait_s = min(WAIT_S_FIRST * 2**self.failures, WAIT_S_MAX)
        self.failures += 1
        return wait_s


class Keeper:
    """Runs one part until told to stop."""

    def __init__(
        self,
        part: Part,
        *,
        notify: Notify,
        clock: Callable[[], float] = monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.part = part
        self.ready = asyncio.Event()  # set once it has answered, and for good: what is down later is started again
        self.missing = "not started"  # what its last answer lacked
        self._notify = notify
        self._clock = clock
        self._sleep = sleep
        self._running: Running | None = None

    @property
    def pid(self) -> int | None:
        """The process id; None while the part is down."""
        return None if self._running is None else self._running.pid

    async def keep(self) -> NoReturn:
        """`SettingsError` or `Unavailable` when it cannot live; both carry what it said last."""
        backoff = Backoff()
        starts = 0
        while True:
            put_aside(self.part.log)
            log_begins = size_of(self.part.log)
            starts += 1
            healthy_s = 0.0
            try:
                self._running = await self.part.start()
                code, healthy_s = await self._live(self._running)
                said = tail(self.part.log, since=log_begins)
                if code == EXIT_HOPELESS:
                    raise SettingsError(f"{self.part.name} cannot go on:\n{said}")
                trouble = f"{self.part.name} {_how_it_ended(code)}"
            except Unavailable as error:
                trouble, said = f"{self.part.name} does not start: {error}", ""
            last = f"; {self.part.log} ends with:\n{said}" if said else ""
            if not self.ready.is_set() and starts == FIRST_STARTS_MAX:
                raise Unavailable(f"{trouble}, {starts} times in a row{last}")
            wait_s = backoff.after(healthy_s)
            self._notify(f"{trouble}; starting it again in {wait_s:.0f} s{last}")
            await self._sleep(wait_s)

    async def stop(self) -> None:
        """End it in good order; call it after `keep` was cancelled."""
        if self._running is not None and not await self._running.stop():
            self._notify(f"{self.part.name} did not stop in time and was killed")

    async def kill(self) -> None:
        """End it at once; nothing happens to one that has ended."""
        if self._running is not None:
            await self._running.kill()

    async def _live(self, running: Running) -> tuple[int, float]:
        """Its exit code, and for how many seconds it had answered."""
        answering = asyncio.create_task(self._until_it_answers())
        try:
            code = await running.wait()
            return code, self._clock() - answering.result() if answering.done() else 0.0
        finally:
            answering.cancel()
            with suppress(asyncio.CancelledError):
                await answering

    async def _until_it_answers(self) -> float:
        """When it first answered that it is ready."""
        while missing := await self.part.missing():
            self.missing = missing
            await self._sleep(ASK_EVERY_S)
        if self.ready.is_set():
            self._notify(f"{self.part.name} answers again")
        self.ready.set()
        return self._clock()


def _how_it_ended(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
