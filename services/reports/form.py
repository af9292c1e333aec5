"""Report form II.06a/VPCP/KSTT from rows: lines, a total, the form's columns, and the identities, checked.

Rows have the columns of `mart.report_06a`. They keep apart what the form has no column for; where the form wants a
number all the same, this is the reading (`Line.columns`):

- column 6, carried over, also holds the other moves: transfers between units, in less out, and reopenings;
- column 9, on time, also holds the resolved that had no promise: the form's class for what is neither early nor late;
- column 12, within due, also holds those that wait for papers or payment (footnote of the form) and the open ones
  without a promise.

One printed copy of the form counts every returned or withdrawn dossier as on time. That is a second reading, not the
rule: on request (`returned_on_time`), since it makes a late dossier on time.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

RECEIVED: Final = (
    *("received", "received_online", "received_direct_or_postal", "carried_over"),
    *("other_moves", "transferred_in", "transferred_out", "reopened"),
)
RESOLVED: Final = (
    *("resolved", "resolved_early", "resolved_on_time", "resolved_overdue", "resolved_undated"),
    "resolved_overdue_apologised",
    *("not_granted_early", "not_granted_on_time", "not_granted_overdue", "not_granted_undated"),
)
IN_PROGRESS: Final = (
    *("in_progress", "in_progress_within_due", "in_progress_overdue", "in_progress_paused", "in_progress_undated"),
    "in_progress_overdue_apologised",
)
COUNTS: Final = (*RECEIVED, *RESOLVED, *IN_PROGRESS)
"""The counts of a row, as the columns of `mart.report_06a` name them."""

COLUMNS: Final = range(3, 14)
"""The numbered columns of the form that hold figures."""

IDENTITIES: Final[Mapping[str, tuple[str, Sequence[str]]]] = {
    "3=4+5+6": ("received", ("received_online", "received_direct_or_postal", "carried_over", "other_moves")),
    "7=8+9+10": ("resolved", ("resolved_early", "resolved_on_time", "resolved_overdue", "resolved_undated")),
    "11=12+13": (
        "in_progress",
        ("in_progress_within_due", "in_progress_overdue", "in_progress_paused", "in_progress_undated"),
    ),
    "3=7+11": ("received", ("resolved", "in_progress")),
}
"""What must hold for every line: a count, and those that add up to it."""

Row = Mapping[str, Any]
Counts = Mapping[str, int]


class By(StrEnum):
    """What a line of the form is."""

    FIELD = "field"
    UNIT = "unit"
    PROCEDURE = "procedure"


_LEVEL: Final = {By.FIELD: "desk", By.UNIT: "", By.PROCEDURE: "desk"}
_CODE: Final = {By.FIELD: "field_id", By.UNIT: "unit_id", By.PROCEDURE: "procedure_id"}
_NAME: Final = {By.FIELD: "field", By.UNIT: "unit_name", By.PROCEDURE: "procedure"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line: a field (with the level of its desk), a unit or a procedure; or the total, which has no code."""

    level: str  # the kind of desk, `centre` or `commune`; empty when unknown, or when lines are units
    code: str
    name_vi: str
    name_en: str
    counts: Counts

    @property
    def residuals(self) -> Counts:
        """What each identity is off by; all zero, or somewhere a dossier is lost or doubled."""
        return {
            name: self.counts[whole] - sum(self.counts[part] for part in parts)
            for name, (whole, parts) in IDENTITIES.items()
        }

    def columns(self, *, returned_on_time: bool = False) -> Mapping[int, int]:
        """Columns 3 to 13 as the form has them."""
        has = self.counts
        early, overdue = has["resolved_early"], has["resolved_overdue"]
        if returned_on_time:
            early -= has["not_granted_early"]
            overdue -= has["not_granted_overdue"]
        return {
            3: has["received"],
            4: has["received_online"],
            5: has["received_direct_or_postal"],
            6: has["carried_over"] + has["other_moves"],
            7: has["resolved"],
            8: early,
            9: has["resolved_on_time"]
            + has["resolved_undated"]
            + (has["resolved_early"] - early)
            + (has["resolved_overdue"] - overdue),
            10: overdue,
            11: has["in_progress"],
            12: has["in_progress_within_due"] + has["in_progress_paused"] + has["in_progress_undated"],
            13: has["in_progress_overdue"],
        }


@dataclass(frozen=True, slots=True)
class Form:
    """The lines in order, their total, and under which policies and calendars the dossiers behind them were judged."""

    by: By
    lines: Sequence[Line]
    total: Line
    linked_left_out: int  # received for a root elsewhere, and left out because levels are summed
    policies: Sequence[str]
    calendars: Sequence[str]

    @property
    def is_balanced(self) -> bool:
        """Whether every identity holds on every line."""
        return not any(residual for line in (*self.lines, self.total) for residual in line.residuals.values())


def form_of(rows: Iterable[Row], *, by: By, sums_levels: bool) -> Form:
    """The form of rows of `mart.report_06a`, wherever they come from.

    `sums_levels`: the rows are of several units, so that a dossier that was opened for a root elsewhere would be
    counted at every level; it is left out.
    """
    counted, left_out = [], 0
    for row in rows:
        if sums_levels and row["is_linked"]:
            left_out += row["received"]
        else:
            counted.append(row)
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in counted:
        groups.setdefault(line_key(row, by), []).append(row)
    lines = [
        Line(level, code, group[0][f"{_NAME[by]}_vi"], group[0][f"{_NAME[by]}_en"], _sum(group))
        for (level, code), group in groups.items()
    ]
    return Form(
        by=by,
        lines=sorted(lines, key=_place),
        total=Line("", "", "Tổng cộng", "Total", _sum(counted)),
        linked_left_out=left_out,
        policies=sorted({row["policy_id"] for row in counted}),
        calendars=sorted({row["calendar_id"] for row in counted} - {""}),
    )


def line_key(row: Row, by: By) -> tuple[str, str]:
    """Level and code of the line that a row belongs to."""
    return (row[_LEVEL[by]] if _LEVEL[by] else ""), row[_CODE[by]]


def _sum(rows: Iterable[Row]) -> Counts:
    total = dict.fromkeys(COUNTS, 0)
    for row in rows:
        for name in COUNTS:
            total[name] += row[name]
    return total


def _place(line: Line) -> tuple[bool, str, bool, str, str]:
    """By level, the centre first, and by code; what is unknown comes last."""
    return not line.level, line.level, not line.code, line.code, line.name_vi
