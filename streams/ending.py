"""How a worker ends when it must not go on: at once, with a message and an exit code.

A graceful stop would let Faust work on for seconds in a group that has moved on. A supervisor starts a new worker.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

import structlog

log = structlog.get_logger()

EXIT_FENCED: Final = 70
EXIT_UNAVAILABLE: Final = 69
EXIT_BROKEN: Final = 1


def end_fenced(message: str) -> NoReturn:
    """Another worker owns what this one was about to write."""
    log.critical(message)
    os._exit(EXIT_FENCED)


def end_unavailable(message: str) -> NoReturn:
    """The broker did not come back in time."""
    log.critical(message)
    os._exit(EXIT_UNAVAILABLE)


@contextmanager
def ending_on_failure() -> Iterator[None]:
    """Around everything that Faust calls: an exception that left for Faust would pass for success there."""
    try:
        yield
    except Exception:  # the outermost loop: whatever it is, it is ours
        log.exception("the worker is broken; nothing was committed for this slice")
        os._exit(EXIT_BROKEN)
