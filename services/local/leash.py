"""Runs a command that dies with the process that started it, even when that one is killed with -9.

Linux only (`PR_SET_PDEATHSIG`); elsewhere the command runs without the leash. A wrapper, not a `preexec_fn`: that one
runs Python between fork and exec, which is unsafe beside threads. The leash hangs on the *thread* that starts the
command: start it from the main thread.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from typing import Final

PR_SET_PDEATHSIG: Final = 1  # <linux/prctl.h>


def leashed(command: Sequence[str]) -> list[str]:
    """`command`, to be started as a child of this process, on the leash."""
    return [sys.executable, "-ISE", __file__, str(os.getpid()), *command]


def main(parent: int, command: list[str]) -> None:
    """Put the leash on and become `command`."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the leash was on
            sys.exit("the process that started this one is gone")
    os.execv(command[0], command)  # noqa: S606 - a list of arguments, no shell


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
