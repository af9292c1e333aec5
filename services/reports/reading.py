"""A report read whole from ClickHouse: by the tables' present conclusions, or by what the log held at some time."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final

from schemas.settings import Settings
from services.reports.as_of import View, dossiers_as_of
from services.reports.cells import Cells, Names, rows_of
from services.reports.documents import Report
from services.reports.form import By, Row, form_of, line_key
from services.reports.lineage import Member, digest_of
from services.reports.log import Ask
from services.reports.periods import Period
from services.reports.source import Digest, Moments, Unit, read_digests, read_moments, read_rows, read_units, scope_of
from services.reports.stored_rules import rulebook_of

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
) -> Report:
    """The report of a unit and those below it; an empty id means every unit.

    `known_at`: as it would have been made then, from the records that the log held, folded anew by the rules in force.
    """
    units = read_units(ask)
    unit = units.get(unit_id, Unit(unit_id, "", unit_id, unit_id)) if unit_id else EVERY_UNIT
    scope = scope_of(unit_id, units) if unit_id else []
    sums_levels = len(scope) != 1
    if known_at is None:
        found = _stored(ask, period, scope, by, sums_levels)
    else:
        found = _known_at(ask, period, scope, by, sums_levels, settings, known_at)
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
) -> Found:
    view = View.of_period(ask, period.last, now=settings.now(), known_at=known_at)
    cells, names = Cells(period.first, period.last, view.at), Names.read(ask)
    rows: list[Row] = []
    members: dict[Line, dict[str, Member]] = {}
    for dossier in dossiers_as_of(ask, view, rulebook_of(ask, settings), units=scope):
        for row in rows_of([dossier], cells, names, scope):
            rows.append(row)
            if not (sums_levels and row["is_linked"]):
                members.setdefault(line_key(row, by), {})[dossier.id] = Member(dossier.id, dossier.offset, 1)
    together = {id_: member for line in members.values() for id_, member in line.items()}
    line_digests = {line: _digest(of_line.values()) for line, of_line in members.items()}
    return Moments(view.at, view.known_at), rows, line_digests, _digest(together.values())


def _digest(members: Iterable[Member]) -> Digest:
    found = list(members)
    return Digest(digest_of(found), len(found))
