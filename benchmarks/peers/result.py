"""How a peer in a process of its own tells its result."""

from pathlib import Path
from time import perf_counter

import msgspec


class Result(msgspec.Struct, frozen=True):
    """Seconds from the first event until the last was through, and dossiers received by the peer's tallies."""

    seconds: float
    received: int


class Clock:
    """Runs from the first event on."""

    def __init__(self) -> None:
        self.seen = 0
        self._started = 0.0

    def tick(self) -> None:
        """One more event."""
        if not self.seen:
            self._started = perf_counter()
        self.seen += 1

    def write(self, out: Path, *, received: int) -> None:
        """End, and say so in one move: a reader never finds half a result."""
        seconds = perf_counter() - self._started
        draft = out.with_suffix(".draft")
        draft.write_bytes(msgspec.json.encode(Result(seconds, received)))
        draft.rename(out)


def read_result(out: Path) -> Result:
    """What a peer wrote."""
    return msgspec.json.decode(out.read_bytes(), type=Result)
