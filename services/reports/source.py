"""What a report reads from ClickHouse: rows of the form, the digest of the dossiers behind them, the moments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.reports.as_of import OFFICE, end_of
from services.reports.form import COUNTS, By, Row
from services.reports.log import Ask
from services.reports.periods import Period

COLUMNS: Final = (
    *("unit_id", "unit_name_vi", "unit_name_en", "desk", "field_id", "field_vi", "field_en"),
    *("procedure_id", "procedure_vi", "procedure_en", "is_linked", "policy_id", "calendar_id"),
    *COUNTS,
)

_ROWS: Final = (
    f"SELECT {', '.join(COLUMNS)}"
    + """
FROM mart.report_06a(first = {first:Date}, last = {last:Date})
WHERE empty({units:Array(String)}) OR has({units:Array(String)}, unit_id)"""
)
_UNITS: Final = "SELECT unit_id, parent_id, name_vi, name_en FROM core.units FINAL"
_MOMENTS: Final = "SELECT now64(6, 'Asia/Ho_Chi_Minh'), max(last_recorded_at) FROM mart.freshness"
_LINES: Final = {By.FIELD: "(desk, field_id)", By.UNIT: "('', unit_id)", By.PROCEDURE: "(desk, procedure_id)"}
_DIGESTS: Final = """\
SELECT
    LINE AS line,
    lower(hex(SHA256(arrayStringConcat(
        arraySort(groupUniqArray(concat(dossier_id, ' ', toString(event_offset)))), '\\n')))) AS digest,
    uniqExact(dossier_id) AS dossiers
FROM mart.report_06a_dossiers(first = {first:Date}, last = {last:Date}) AS counted
LEFT JOIN (SELECT procedure_id, desk, field_id FROM core.procedures FINAL) AS procedures
    ON procedures.procedure_id = counted.procedure_id
WHERE (empty({units:Array(String)}) OR has({units:Array(String)}, unit_id)) AND NOT ({sums_levels:Bool} AND is_linked)
GROUP BY line"""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of the reference data, as far as a report needs it."""

    id: str
    parent_id: str
    name_vi: str
    name_en: str


@dataclass(frozen=True, slots=True)
class Digest:
    """SHA-256 over the sorted lines `dossier offset` of the dossiers that count, and how many they are.

    The offset is that of the dossier's last event in `dossier-events`: as long as both are the same, so is the figure.
    """

    sha256: str
    dossiers: int


@dataclass(frozen=True, slots=True)
class Moments:
    """The instant at which open dossiers were placed, and up to when the log was known."""

    as_of: datetime
    known_at: datetime | None  # None: the log is empty


def read_units(ask: Ask) -> Mapping[str, Unit]:
    """All units by id."""
    return {row[0]: Unit(*row) for row in ask(_UNITS, {})}


def scope_of(unit_id: str, units: Mapping[str, Unit]) -> list[str]:
    """A unit and those below it; several mean that levels are summed."""
    found = [unit_id]
    for above in found:  # grows while it is read
        found += sorted(unit.id for unit in units.values() if unit.parent_id == above and unit.id not in found)
    return found


def read_rows(ask: Ask, period: Period, scope: Sequence[str]) -> list[Row]:
    """Rows of the form; an empty scope means every unit."""
    parameters = {"first": period.first, "last": period.last, "units": [*scope]}
    return [dict(zip(COLUMNS, row, strict=True)) for row in ask(_ROWS, parameters)]


def read_digests(
    ask: Ask, period: Period, scope: Sequence[str], *, by: By | None, sums_levels: bool
) -> Mapping[tuple[str, str], Digest]:
    """The digest of each line, by its level and code; `by` None: of all together, under two empty texts."""
    sql = _DIGESTS.replace("LINE", _LINES[by] if by else "('', '')", 1)
    parameters = {"first": period.first, "last": period.last, "units": [*scope], "sums_levels": sums_levels}
    return {(line[0], line[1]): Digest(sha256, dossiers) for line, sha256, dossiers in ask(sql, parameters)}


def read_moments(ask: Ask, period: Period) -> Moments:
    """As of the end of the period, or of this moment when it is not over."""
    [(now, known_at)] = ask(_MOMENTS, {})
    return Moments(min(end_of(period.last), now.astimezone(OFFICE)), known_at)
