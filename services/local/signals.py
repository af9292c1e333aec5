"""Leaving a block of work in good order on Ctrl-C or SIGTERM, instead of losing the process on the spot."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from signal import SIGINT, SIGTERM, Signals
from typing import Final

SIGNALS: Final = (SIGINT, SIGTERM)


@dataclass(slots=True)
class Leaving:
    """What made the block end: None while nothing did."""

    signal: Signals | None = None


@contextmanager
def left_on_signals() -> Iterator[Leaving]:
    """A signal cancels the block, which then cleans up; a second one cancels the cleaning up. Main thread only.

    The block's end by a signal is no error here: ask `Leaving.signal` afterwards.
    """
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    leaving = Leaving()

    def leave(number: Signals) -> None:
        leaving.signal = number
        task.cancel()

    for number in SIGNALS:
        loop.add_signal_handler(number, leave, number)
    try:
        yield leaving
    except asyncio.CancelledError:
        if leaving.signal is None:
            raise
        while task.uncancel():
            pass
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
