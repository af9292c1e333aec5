"""What the audit found: differences by place, the first of each, and how much was compared."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import msgspec


class Difference(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is not as the log says. `offset` is an address in `topic`'s partition, where it has one."""

    place: str  # the topic, table or service that is wrong
    what: str  # missing, foreign, differs, duplicate, behind
    subject: str  # the dossier, or the counter's key
    expected: Any = None
    found: Any = None
    topic: str = ""
    partition: int | None = None
    offset: int | None = None


@dataclass
class Findings:
    """Collects differences; at most `shown` of each place are kept, all are counted."""

    shown: int
    total: Counter[str] = field(default_factory=Counter)
    compared: Counter[str] = field(default_factory=Counter)  # how many rows, states, counters by place
    notes: list[str] = field(default_factory=list)  # what was not compared, and why
    _kept: dict[str, list[Difference]] = field(default_factory=lambda: defaultdict(list))

    def add(self, difference: Difference) -> None:
        """Count a difference, and keep it when there is room."""
        self.total[difference.place] += 1
        if len(self._kept[difference.place]) < self.shown:
            self._kept[difference.place].append(difference)

    @property
    def differences(self) -> list[Difference]:
        """Those that were kept, place by place."""
        return [difference for kept in self._kept.values() for difference in kept]
