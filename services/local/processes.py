"""Child processes of the local stack: started on a leash, waited for, ended within a bound.

Waiting polls: asyncio's own child processes belong to one event loop, and tests have many.
"""

import asyncio
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from services.local.leash import leashed

POLL_S: Final = 0.05
LOG_BYTES_MAX: Final = 20 * 1024 * 1024  # a longer log is put aside when its process starts anew; one is kept
TAIL_LINES: Final = 12
TAIL_BYTES_MAX: Final = 64 * 1024


def spawn(command: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start `command` on a leash, in a session of its own: Ctrl-C reaches the one who started it, who then stops it.

    Its output is appended to `log`. Call it from the main thread: the child dies with the calling thread.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - our own programs
            leashed(command),
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


async def end_of(process: subprocess.Popen[bytes]) -> int:
    """The exit code, once there is one."""
    while (code := process.poll()) is None:  # noqa: ASYNC110 - see above
        await asyncio.sleep(POLL_S)
    return code


async def stop(process: subprocess.Popen[bytes], *, wait_s_max: float) -> bool:
    """End it in good order, or kill it when that takes longer; whether it went by itself."""
    process.terminate()
    try:
        async with asyncio.timeout(wait_s_max):
            await end_of(process)
    except TimeoutError:
        process.kill()
        await end_of(process)
        return False
    return True


def tail(log: Path, *, since: int = 0) -> str:
    """The last lines that were written after byte `since`."""
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(min(since, size), size - TAIL_BYTES_MAX))
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(lines[-TAIL_LINES:])


def size_of(log: Path) -> int:
    """How long the log is now; 0 when there is none."""
    return log.stat().st_size if log.exists() else 0


def put_aside(log: Path) -> None:
    """Rename a log that has grown long, so that logs never fill a disk."""
    if size_of(log) > LOG_BYTES_MAX:
        log.replace(log.with_name(f"{log.name}.1"))
