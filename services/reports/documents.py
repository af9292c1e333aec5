"""A report whole, with all that a reader needs to check it later; and its two plain forms, JSON and CSV."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from services.reports.form import COLUMNS, COUNTS, Form, Line
from services.reports.periods import Period
from services.reports.source import Digest, Moments

FORM_NUMBER: Final = "II.06a/VPCP/KSTT"
BOM: Final = "\ufeff"  # or else a spreadsheet reads UTF-8 as something older
HEADER: Final = ("level", "code", "name_vi", "name_en", *(f"column_{number}" for number in COLUMNS), *COUNTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Form II.06a of an authority and a period."""

    unit_id: str  # empty: every unit
    unit_vi: str
    unit_en: str
    above_vi: str  # name of the unit above; empty when there is none
    period: Period
    moments: Moments
    form: Form
    digest: Digest
    line_digests: Mapping[tuple[str, str], Digest]
    returned_on_time: bool

    @property
    def lines(self) -> Sequence[Line]:
        """All lines, the total last."""
        return *self.form.lines, self.form.total


def as_document(report: Report) -> dict[str, Any]:
    """Everything, for programs: counts as they are kept apart, the form's columns, residuals, digests."""
    form, period = report.form, report.period
    known_at = report.moments.known_at
    return {
        "form": FORM_NUMBER,
        "unit_id": report.unit_id,
        "unit_vi": report.unit_vi,
        "unit_en": report.unit_en,
        "from": period.first.isoformat(),
        "to": period.last.isoformat(),
        "period": period.name_en,
        "year_begins": period.cut_off or None,
        "as_of": report.moments.as_of.isoformat(),
        "known_at": known_at.isoformat() if known_at else None,
        "policies": list(form.policies),
        "calendars": list(form.calendars),
        "by": form.by.value,
        "returned_on_time": report.returned_on_time,
        "linked_left_out": form.linked_left_out,
        "dossiers": report.digest.dossiers,
        "digest": report.digest.sha256,
        "is_balanced": form.is_balanced,
        "lines": [_line(line, report) for line in form.lines],
        "total": _line(form.total, report),
    }


def as_csv(report: Report) -> str:
    """Lines and total, ready for a spreadsheet."""
    return csv_of(HEADER, map(partial(_cells, report=report), report.lines))


def csv_of(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """CSV with a byte order mark. A text that a spreadsheet would take for a formula gets an apostrophe before it."""
    text = io.StringIO()
    text.write(BOM)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_harmless(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return text.getvalue()


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _cells(line: Line, report: Report) -> list[str | int]:
    columns = line.columns(returned_on_time=report.returned_on_time)
    texts = (line.level, line.code, line.name_vi, line.name_en)
    return [*texts, *columns.values(), *(line.counts[name] for name in COUNTS)]


def _line(line: Line, report: Report) -> dict[str, Any]:
    digest = report.digest if line is report.form.total else report.line_digests.get((line.level, line.code))
    columns = line.columns(returned_on_time=report.returned_on_time)
    return {
        "level": line.level,
        "code": line.code,
        "name_vi": line.name_vi,
        "name_en": line.name_en,
        "columns": {str(number): count for number, count in columns.items()},
        "counts": dict(line.counts),
        "residuals": dict(line.residuals),
        "digest": digest.sha256 if digest else None,
    }
