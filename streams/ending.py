"""How a worker ends when it must not go on: at once, with a message and an exit code.

A graceful stop would let Faust work on for seconds in a group that has moved on. A supervisor starts a new worker.
"""

import os
from typing import Final, NoReturn

import structlog

log = structlog.get_logger()

EXIT_FENCED: Final = 70
EXIT_UNAVAILABLE: Final = 69


def end_fenced(message: str) -> NoReturn:
    """Another worker owns what this one was about to write."""
    log.critical(message)
    os._exit(EXIT_FENCED)


def end_unavailable(message: str) -> NoReturn:
    """The broker did not come back in time."""
    log.critical(message)
    os._exit(EXIT_UNAVAILABLE)
