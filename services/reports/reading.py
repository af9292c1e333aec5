"""A report read whole from ClickHouse: by the tables' present conclusions, or by what the log held at some time."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final

from schemas.settings import Settings
from services.reports.as_of import View, dossiers_as_of
from services.reports.cells import Cells, Names, Sums
from services.reports.documents import Report
from services.reports.form import By, Row, form_of, line_key
from services.reports.log import Ask, Selection, count_records
from services.reports.periods import Period
from services.reports.rulebooks import Rules
from services.reports.source import Digest, Moments, Unit, read_digests, read_moments, read_rows, read_units, scope_of

NOTHING: Final = Digest(sha256(b"").hexdigest(), 0)
EVERY_UNIT: Final = Unit("", "", "Tất cả đơn vị", "Every unit")

Line = tuple[str, str]
Found = tuple[Moments, Sequence[Row], Mapping[Line, Digest], Digest]


def read_report(
    ask: Ask,
    *,
    unit_id: str,
    period: Period,
    by: By,
    returned_on_time: bool,
    settings: Settings,
    known_at: datetime | None = None,
    started: Callable[[int], None] = lambda _records: None,
    advance: Callable[[int], None] = lambda _records: None,
) -> Report:
    """The report of a unit and those below it; an empty id means every unit.

    `known_at`: as it would have been made then, from the records that the log held, folded anew by the rules in force;
    `started` hears how many records that takes, `advance` how many were read since.
    """
    units = read_units(ask)
    unit = units.get(unit_id, Unit(unit_id, "", unit_id, unit_id)) if unit_id else EVERY_UNIT
    scope = scope_of(unit_id, units) if unit_id else []
    sums_levels = len(scope) != 1
    if known_at is None:
        found = _stored(ask, period, scope, by, sums_levels)
    else:
        found = _known_at(ask, period, scope, by, sums_levels, settings, known_at, started, advance)
    moments, rows, line_digests, digest = found
    above = units.get(unit.parent_id)
    return Report(
        unit_id=unit_id,
        unit_vi=unit.name_vi,
        unit_en=unit.name_en,
        above_vi=above.name_vi if above else "",
        period=period,
        moments=moments,
        form=form_of(rows, by=by, sums_levels=sums_levels),
        digest=digest,
        line_digests=line_digests,
        returned_on_time=returned_on_time,
    )


def _stored(ask: Ask, period: Period, scope: Sequence[str], by: By, sums_levels: bool) -> Found:
    moments = read_moments(ask, period)
    rows = read_rows(ask, period, scope)
    line_digests = read_digests(ask, period, scope, by=by, sums_levels=sums_levels)
    digests = read_digests(ask, period, scope, by=None, sums_levels=sums_levels)
    return moments, rows, line_digests, digests.get(("", ""), NOTHING)


def _known_at(
    ask: Ask,
    period: Period,
    scope: Sequence[str],
    by: By,
    sums_levels: bool,
    settings: Settings,
    known_at: datetime,
    started: Callable[[int], None],
    advance: Callable[[int], None],
) -> Found:
    view = View.of_period(ask, period.last, now=settings.now(), known_at=known_at)
    rules = Rules.read(ask, settings).in_force()
    counts = count_records(ask, Selection(units=scope, known_at=view.known_at))
    started(sum(counts.values()))
    sums = Sums(Cells(period.first, period.last, view.at), scope)
    for dossier in dossiers_as_of(ask, view, rules, units=scope, counts=counts, advance=advance):
        sums.add(dossier)
    rows = sums.rows(Names.read(ask))
    members: dict[Line, set[str]] = {}
    for row, of_row in rows:
        if not (sums_levels and row["is_linked"]):
            members.setdefault(line_key(row, by), set()).update(of_row)
    line_digests = {line: _digest(of_line) for line, of_line in members.items()}
    together = _digest(set[str]().union(*members.values()))
    return Moments(view.at, view.known_at), [row for row, _ in rows], line_digests, together


def _digest(members: Collection[str]) -> Digest:
    return Digest(sha256("\n".join(sorted(members)).encode()).hexdigest(), len(members))
