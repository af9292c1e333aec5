"""The same log under other rules, without touching what is stored: counts side by side, and who changes class.

Other rules judge: what on time spans, what pauses, how a pause moves the promise, by which calendar. Promises that an
office wrote into an event stay as they were written.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from schemas.state import Dossier, Timeliness
from schemas.tallies import OPEN_DUE_SOON, OPEN_REGISTERED, OPEN_WITHIN_DUE
from services.reports.as_of import state_of
from services.reports.cells import Cells
from services.reports.log import Known
from streams.domain.deadline import Rulebook
from streams.domain.dossier import micros
from streams.domain.tally import standing

STORED: Final = "stored"  # the name of the rules in force among the columns
CLASSES: Final = (
    *(each.value for each in (Timeliness.EARLY, Timeliness.ON_TIME, Timeliness.OVERDUE, Timeliness.UNDATED)),
    *("open_within_due", "open_overdue", "open_paused", "open_undated"),
)
NOWHERE: Final = ""  # neither resolved in the period nor open at its end


@dataclass(frozen=True, slots=True)
class Switch:
    """A dossier that is in another class under other rules."""

    rules: str
    dossier_id: str
    unit_id: str
    was: str
    would_be: str


@dataclass(slots=True)
class Comparison:
    """Counts per rules and class, stored first, and the dossiers that change class: the first ones, and how many."""

    counts: dict[str, dict[str, int]]
    switched: dict[str, Counter[tuple[str, str]]]
    first: list[Switch] = field(default_factory=list)
    dossiers: int = 0

    @property
    def total(self) -> int:
        """How many changes of class there are, over all rules."""
        return sum(counter.total() for counter in self.switched.values())


def compare(
    dossiers: Iterable[Known],
    stored: Rulebook,
    others: Mapping[str, Rulebook],
    cells: Cells,
    *,
    units: Sequence[str] = (),
    limit: int,
) -> Comparison:
    """Fold every dossier under each rulebook; at most `limit` dossiers are named."""
    found = Comparison(
        {name: dict.fromkeys(CLASSES, 0) for name in (STORED, *others)}, {name: Counter() for name in others}
    )
    for known in dossiers:
        dossier = state_of(known, stored, cells.at)
        was = class_of(dossier, cells, units)
        found.dossiers += bool(was)
        _count(found.counts[STORED], was)
        for name, rules in others.items():
            other = state_of(known, rules, cells.at)
            would_be = class_of(other, cells, units)
            _count(found.counts[name], would_be)
            if would_be != was:
                found.switched[name][was, would_be] += 1
                if len(found.first) < limit:
                    found.first.append(Switch(name, known.dossier_id, other.unit_id or "", was, would_be))
    return found


def comparison_document(found: Comparison) -> dict[str, Any]:
    """The comparison for programs."""
    return {
        "dossiers": found.dossiers,
        "counts": found.counts,
        "switched": [
            {"rules": name, "was": was, "would_be": would_be, "dossiers": count}
            for name, counter in found.switched.items()
            for (was, would_be), count in sorted(counter.items())
        ],
        "total": found.total,
        "first": [asdict(each) for each in found.first],
    }


def class_of(dossier: Dossier, cells: Cells, units: Sequence[str] = ()) -> str:
    """How a dossier that was accepted counts in the period: resolved in it, open at its end, or nowhere."""
    if dossier.accepted_at is None or (units and dossier.unit_id not in units):
        return NOWHERE
    if dossier.timeliness is not None:
        day = next(flow.day for flow in reversed(dossier.flows) if flow.counter.startswith("resolved_"))
        return dossier.timeliness.value if cells.first.isoformat() <= day <= cells.last.isoformat() else NOWHERE
    bucket = standing(dossier, micros(cells.at)).bucket
    assert bucket not in (None, OPEN_REGISTERED)
    return OPEN_WITHIN_DUE if bucket == OPEN_DUE_SOON else bucket or NOWHERE


def _count(counts: dict[str, int], class_: str) -> None:
    if class_:
        counts[class_] += 1
