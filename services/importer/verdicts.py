"""The other system's verdicts beside ours, row by row, where a dossier is closed and had a promise.

Ours is what the fold concludes from the row's events alone. Each difference is kept with its cause; none is explained
away: what the fold leaves open counts as a difference.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from schemas.events import Kind
from schemas.state import Dossier
from services.importer.facts import Said
from services.importer.mapping import Verdict
from streams.domain.deadline import Rulebook
from streams.domain.dossier import entry_of, fold, micros

CLOSING: Final = frozenset({Kind.REFUSED, Kind.STOPPED, Kind.WITHDRAWN, Kind.FINISHED, Kind.DELIVERED})
OPEN: Final = "open"
LISTED_MAX: Final = 10_000  # about 2 MB; counts go on beyond


class Cause(StrEnum):
    """Why a verdict differs."""

    CLOSES_BEFORE_IT_OPENS = "closes_before_it_opens"  # the fold keeps the end as an anomaly; the dossier is open
    STEP_NOT_ALLOWED = "step_not_allowed"  # another step that the lifecycle does not have
    CLOCK_CHANGE = "clock_change"  # a time of the row is in an hour that comes twice or never
    UNKNOWN_VERDICT = "unknown_verdict"  # a text that `verdict.map` does not hold
    RULE = "rule"  # the times are plain: the other system judges by another rule


@dataclass(frozen=True, slots=True)
class Difference:
    """One dossier judged differently."""

    file: str
    line: int
    dossier: str
    ours: str
    theirs: str | None  # None: not in the map, so not repeated here
    cause: Cause
    late_s: float  # from the promise to the row's last end; negative: before it


@dataclass(slots=True)
class Comparison:
    """All verdicts of one import."""

    agree: int = 0
    differ: int = 0
    by_verdict: dict[str, Counter[str]] = field(default_factory=dict)  # theirs, then ours
    differences: list[Difference] = field(default_factory=list)  # the first LISTED_MAX
    not_compared: Counter[str] = field(default_factory=Counter)


class Judge:
    """Compares; `comparison` is what it found so far."""

    def __init__(self, verdict: Verdict, rules: Rulebook) -> None:
        self._verdict = verdict
        self._rules = rules
        self.comparison = Comparison()
        self.column = verdict.column

    def compare(self, *, file: str, line: int, theirs: str, said: Said) -> None:
        """One dossier: what its row says, and how the other system judged it."""
        promises = [event.data.due_at for event in said.events if event.data.due_at is not None]
        ends = [event.time for event in said.events if event.data.kind in CLOSING]
        if not promises or not ends:
            self.comparison.not_compared["without a promise" if ends else "open"] += 1
            return
        dossier = fold(said.events[0].subject, map(entry_of, said.events), self._rules)
        ours = dossier.timeliness.value if dossier.timeliness is not None else OPEN
        meant = self._verdict.map.get(theirs)
        known = theirs if meant is not None else None
        self.comparison.by_verdict.setdefault(known or "", Counter())[ours] += 1
        if meant is not None and ours in meant:
            self.comparison.agree += 1
            return
        self.comparison.differ += 1
        if len(self.comparison.differences) < LISTED_MAX:
            cause = _cause(dossier, said, is_known=meant is not None)
            late_s = (max(ends) - promises[-1]).total_seconds()
            self.comparison.differences.append(Difference(file, line, dossier.id, ours, known, cause, late_s))


def _cause(dossier: Dossier, said: Said, *, is_known: bool) -> Cause:
    if not is_known:
        return Cause.UNKNOWN_VERDICT
    if dossier.anomalies:
        opened = min((micros(event.time) for event in said.events if event.data.kind is Kind.ACCEPTED), default=None)
        ended = min(micros(event.time) for event in said.events if event.data.kind in CLOSING)
        is_reversed = opened is not None and ended < opened
        return Cause.CLOSES_BEFORE_IT_OPENS if is_reversed else Cause.STEP_NOT_ALLOWED
    return Cause.CLOCK_CHANGE if said.irregular else Cause.RULE
