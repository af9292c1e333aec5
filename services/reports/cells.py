"""What each dossier adds to which cells: of report form II.06a, and of the counters.

The counts are those of `mart.report_06a_dossiers` and their sums have the columns of `mart.report_06a`, but they come
from folded dossiers, so that they can be had for any T and K.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import Any, Final

from schemas.state import Dossier
from schemas.tallies import (
    APOLOGISED,
    FLOW,
    OPEN_DUE_SOON,
    OPEN_OVERDUE,
    OPEN_PAUSED,
    OPEN_REGISTERED,
    OPEN_UNDATED,
    OPEN_WITHIN_DUE,
    OUTCOME,
    RECEIVED,
    REOPENED,
    RESOLVED,
    STOCK,
    TRANSFERRED_IN,
    TRANSFERRED_OUT,
)
from services.reports.form import COUNTS
from services.reports.log import Ask
from streams.domain.dossier import micros
from streams.domain.tally import standing

COUNTERS: Final = tuple(dict.fromkeys((*COUNTS, *FLOW, *STOCK)))
"""Every name that a cell can have: of the form, a flow of a period, a stock at T."""

_RECEIVED: Final = frozenset(RECEIVED.values())
_RESOLVED: Final = frozenset(RESOLVED.values())
_CAME: Final = _RECEIVED | {TRANSFERRED_IN, REOPENED}
_WENT: Final = _RESOLVED | {TRANSFERRED_OUT}
_NOT_GRANTED: Final = frozenset({OUTCOME["returned"], OUTCOME["withdrawn"]})
_IN_PROGRESS: Final = {
    OPEN_WITHIN_DUE: "in_progress_within_due",
    OPEN_DUE_SOON: "in_progress_within_due",
    OPEN_OVERDUE: "in_progress_overdue",
    OPEN_PAUSED: "in_progress_paused",
    OPEN_UNDATED: "in_progress_undated",
}

Counts = Mapping[str, int]
Key = tuple[str, str, bool, str, str]  # unit, procedure, whether linked, policy, calendar


@dataclass(frozen=True, slots=True)
class Cells:
    """Days of a period, both included, and the instant at which open dossiers are placed."""

    first: date
    last: date
    at: datetime

    def of(self, dossier: Dossier) -> dict[str, Counts]:
        """What the dossier adds, by unit; a unit for which it adds nothing is absent."""
        bucket = standing(dossier, micros(self.at)).bucket
        units = dict.fromkeys(flow.unit_id for flow in dossier.flows)
        if bucket is not None:
            units[dossier.unit_id or ""] = None
        found = {unit: self._of_unit(dossier, unit, bucket if unit == dossier.unit_id else None) for unit in units}
        return {unit: counts for unit, counts in found.items() if counts}

    def _of_unit(self, dossier: Dossier, unit: str, bucket: str | None) -> Counts:
        first, last = self.first.isoformat(), self.last.isoformat()
        counts: dict[str, int] = defaultdict(int)
        flows = [flow for flow in dossier.flows if flow.unit_id == unit and flow.day <= last]
        happened = [flow.counter for flow in flows if flow.day >= first]
        for counter in (flow.counter for flow in flows if flow.day < first):
            counts["carried_over"] += (counter in _CAME) - (counter in _WENT)
        for counter, ending in pairwise((*happened, "")):
            counts[counter] += 1
            if counter in _RESOLVED:
                counts["resolved"] += 1
                if ending in _NOT_GRANTED:  # an outcome follows its verdict
                    counts[counter.replace("resolved", "not_granted", 1)] += 1
        counts["received_direct_or_postal"] = counts["received_direct"] + counts["received_postal"]
        counts["other_moves"] = counts[TRANSFERRED_IN] + counts[REOPENED] - counts[TRANSFERRED_OUT]
        counts["received"] = (
            counts["carried_over"]
            + counts["received_online"]
            + counts["received_direct_or_postal"]
            + counts["other_moves"]
        )
        counts["resolved_overdue_apologised"] = counts[APOLOGISED]
        if bucket is not None:
            counts[bucket] = 1
            if bucket != OPEN_REGISTERED:
                counts["in_progress"] = counts[_IN_PROGRESS[bucket]] = 1
                if bucket == OPEN_OVERDUE and dossier.due_announced is not None:
                    counts["in_progress_overdue_apologised"] = 1
        return {counter: count for counter, count in counts.items() if count}


@dataclass(frozen=True, slots=True)
class Names:
    """What units and procedures are called; absent: as their codes."""

    units: Mapping[str, tuple[str, str]]
    procedures: Mapping[str, tuple[str, str, str, str, str, str]]

    @classmethod
    def read(cls, ask: Ask) -> "Names":
        """From the reference data in ClickHouse."""
        units = ask("SELECT unit_id, name_vi, name_en FROM core.units FINAL", {})
        procedures = ask(_PROCEDURES, {})
        return cls({row[0]: (row[1], row[2]) for row in units}, {row[0]: tuple(row[1:]) for row in procedures})


_PROCEDURES: Final = """\
SELECT procedure_id, name_vi, name_en, toString(desk), toString(field_id), toString(field_vi), toString(field_en)
FROM core.procedures FINAL"""


class Sums:
    """Rows with the columns of `mart.report_06a`, summed dossier by dossier, and the dossiers behind each.

    `units`: of these units or, when there are none, of every one.
    """

    def __init__(self, cells: Cells, units: Iterable[str] = ()) -> None:
        self._cells = cells
        self._units = frozenset(units)
        self._sums: dict[Key, dict[str, int]] = {}
        self._members: dict[Key, list[str]] = {}

    def add(self, dossier: Dossier) -> None:
        """Count a dossier wherever it counts."""
        for unit, counts in self._cells.of(dossier).items():
            if (self._units and unit not in self._units) or not any(counts.get(name) for name in COUNTS):
                continue
            linked = dossier.root_id is not None
            key = unit, dossier.procedure_id or "", linked, dossier.policy_id, dossier.calendar_id
            row = self._sums.setdefault(key, dict.fromkeys(COUNTS, 0))
            for name in COUNTS:
                row[name] += counts.get(name, 0)
            self._members.setdefault(key, []).append(f"{dossier.id} {dossier.offset}")

    def rows(self, names: Names) -> list[tuple[dict[str, Any], list[str]]]:
        """Each row with a line of the digest for each of its dossiers."""
        return [(_row(key, self._sums[key], names), self._members[key]) for key in sorted(self._sums)]


def rows_of(dossiers: Iterable[Dossier], cells: Cells, names: Names, units: Iterable[str] = ()) -> list[dict[str, Any]]:
    """The rows alone."""
    sums = Sums(cells, units)
    for dossier in dossiers:
        sums.add(dossier)
    return [row for row, _ in sums.rows(names)]


def _row(key: Key, counts: Counts, names: Names) -> dict[str, Any]:
    unit, procedure, linked, policy, calendar = key
    unit_vi, unit_en = names.units.get(unit, (unit, unit))
    name_vi, name_en, desk, field, field_vi, field_en = names.procedures.get(
        procedure, (procedure, procedure, "", "", "", "")
    )
    return {
        "unit_id": unit,
        "unit_name_vi": unit_vi,
        "unit_name_en": unit_en,
        "desk": desk,
        "field_id": field,
        "field_vi": field_vi,
        "field_en": field_en,
        "procedure_id": procedure,
        "procedure_vi": name_vi,
        "procedure_en": name_en,
        "is_linked": linked,
        "policy_id": policy,
        "calendar_id": calendar,
        **counts,
    }
