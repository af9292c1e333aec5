"""What a benchmark says: ours, a peer's, the ratio and the target; as a table and as docs/performance.json."""

import os
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One line: `ratio` is ours over the peer's, so larger is better."""

    name: str
    ours: float
    peer: float
    unit: str
    target: float
    peer_name: str

    @property
    def ratio(self) -> float:
        """How many times as fast."""
        return self.ours / self.peer


def machine() -> str:
    """Where and with what the figures were taken."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("faust-streaming", "aiokafka", "msgspec"))
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {packages}"


def write(path: Path, comparisons: list[Comparison]) -> None:
    """Write the published list: `{name, ours, peer, unit, ratio, target}`."""
    rows: list[dict[str, Any]] = [
        {
            **asdict(comparison),
            "ours": round(comparison.ours, 1),
            "peer": round(comparison.peer, 1),
            "ratio": round(comparison.ratio, 2),
        }
        for comparison in comparisons
    ]
    path.write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=2) + b"\n")
