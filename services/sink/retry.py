"""Waiting for the world to come back, with a limit."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, TypeVar

import structlog

from schemas.errors import Unavailable

LIMIT_S: Final = 240.0  # a consumer that reads nothing for 300 s is put out of its group
DELAY_S_FIRST: Final = 0.2
DELAY_S_MAX: Final = 15.0

Result = TypeVar("Result")
log = structlog.get_logger()


async def patiently(call: Callable[[], Awaitable[Result]], *, stop: asyncio.Event, limit_s: float = LIMIT_S) -> Result:
    """The result of `call`, asked again while it is `Unavailable`; its last error after `limit_s` or once stopped."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + limit_s
    delay_s = DELAY_S_FIRST
    while True:
        try:
            return await call()
        except Unavailable as error:
            if stop.is_set() or clock() + delay_s > deadline:
                raise
            log.warning("waiting", reason=str(error), again_in_s=delay_s)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), delay_s)
        delay_s = min(delay_s * 2, DELAY_S_MAX)
