"""`hoso report`: report form II.06a of a unit and a period, from ClickHouse: table, JSON, CSV or a workbook."""

from datetime import datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from schemas.settings import read_settings
from services.cli.indicators import show_indicators
from services.cli.output import AsJson, complain, console, note, print_rows, progress, write_json, write_text
from services.cli.report_period import CutOff, chosen_period
from services.reports.as_of import OFFICE, instant_of
from services.reports.documents import Report, as_csv, as_document
from services.reports.form import By, Line
from services.reports.reading import read_report
from services.reports.stored_rules import year_begins


class Format(StrEnum):
    """How the report is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"


def report(
    unit: Annotated[str, typer.Option(help="A unit's code, with the units below it; without: every unit.")] = "",
    year: Annotated[int | None, typer.Option(help="A reporting year.", show_default="this year")] = None,
    quarter: Annotated[int | None, typer.Option(min=1, max=4, help="Only this quarter of it.")] = None,
    month: Annotated[int | None, typer.Option(min=1, max=12, help="Only this month of it.")] = None,
    first: Annotated[str, typer.Option("--from", help="First day, YYYY-MM-DD, instead of a year.")] = "",
    last: Annotated[str, typer.Option("--to", help="Last day, included.")] = "",
    cut_off: Annotated[
        CutOff | None, typer.Option(help="When a year begins.", show_default="as the policy says")
    ] = None,
    by: Annotated[By | None, typer.Option(help="What a line is.", show_default="field; unit without --unit")] = None,
    returned_on_time: Annotated[
        bool, typer.Option(help="Count returned and withdrawn dossiers as on time, as one printed form does.")
    ] = False,
    known_at: Annotated[
        str, typer.Option(help="As it would have been made then: a day or a time.", show_default="now")
    ] = "",
    indicators: Annotated[bool, typer.Option(help="The indicators of QD 766 instead of the form.")] = False,
    format_: Annotated[
        Format | None, typer.Option("--format", help="How to write it.", show_default="table; csv in a pipe")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write to this file.", show_default="print")] = None,
    as_json: AsJson = False,
    as_csv_: Annotated[bool, typer.Option("--csv", help="As --format csv.")] = False,
) -> None:
    """Report form II.06a/VPCP/KSTT of a period, and whether it is balanced.

    received = online + direct or by post + carried over + other moves (transfers and reopenings) = resolved + in
    progress. Where several units are summed, dossiers opened for a root at another level are left out.

    Examples:

    hoso report --year 2021

    hoso report --unit 196 --year 2021 --cut-off 15-december --format xlsx --output report.xlsx

    hoso report --unit 196.TTHCC --year 2021 --quarter 4 --by procedure --json

    hoso report --unit 196 --year 2021 --known-at 2022-01-05

    hoso report --unit 196 --year 2021 --indicators

    Exit code: 0; 1 nothing was counted for this period, or the figures are not balanced; 2 wrong usage; 3 ClickHouse
    does not answer.
    """
    from services.reports.door import open_tables  # with its client, which `hoso --help` need not wait for

    settings = read_settings()
    written = format_ or (
        Format.JSON if as_json else Format.CSV if as_csv_ or not console.is_terminal else Format.TABLE
    )
    if output is not None and format_ is None:
        written = Format(output.suffix[1:]) if output.suffix[1:] in {*Format} else written
    if written is Format.XLSX and (output is None or indicators):
        raise typer.BadParameter("a workbook holds the form and needs --output FILE", param_hint="--format")
    if indicators and known_at:
        raise typer.BadParameter("the indicators are those known now", param_hint="--known-at")
    with open_tables(settings) as ask:
        period = chosen_period(
            this_year=settings.now().astimezone(OFFICE).year,
            begins=partial(year_begins, ask, settings, unit),
            year=year,
            quarter=quarter,
            month=month,
            first=first,
            last=last,
            cut_off=cut_off,
        )
        if indicators:
            ok = show_indicators(settings, ask, period=period, unit_id=unit, written=written.value, output=output)
        else:
            with progress() as bar:
                task = bar.add_task("reading", total=None)
                found = read_report(
                    ask,
                    unit_id=unit,
                    period=period,
                    by=by or (By.FIELD if unit else By.UNIT),
                    returned_on_time=returned_on_time,
                    settings=settings,
                    known_at=_instant(known_at),
                    started=lambda records: bar.update(task, total=records),
                    advance=lambda records: bar.advance(task, records),
                )
            ok = _show(found, written, output)
    if not ok:
        raise typer.Exit(1)


def _show(report_: Report, written: Format, output: Path | None) -> bool:
    match written:
        case Format.XLSX:
            from services.reports.xlsx import as_xlsx

            assert output is not None
            output.write_bytes(as_xlsx(report_))
        case Format.CSV:
            write_text(as_csv(report_), output)
        case Format.JSON:
            write_json(as_document(report_), output)
        case Format.TABLE:
            _table(report_)
    if output:
        note(f"{output}: {report_.digest.dossiers:,} dossiers, digest {report_.digest.sha256}")
    if not report_.form.lines:
        complain(f"nothing was counted from {report_.period.first} to {report_.period.last}")
    elif not report_.form.is_balanced:
        off = {name: count for name, count in report_.form.total.residuals.items() if count}
        complain(
            f"the figures are not balanced ({off or 'line by line'}): do not use them; `hoso audit` finds the dossiers"
        )
    return bool(report_.form.lines) and report_.form.is_balanced


def _instant(text: str) -> datetime | None:
    try:
        return instant_of(text) if text else None
    except ValueError:
        raise typer.BadParameter("expected a day or an ISO time", param_hint="--known-at") from None


def _table(report_: Report) -> None:
    period, form = report_.period, report_.form
    rows = [_shown(line, report_) for line in report_.lines]
    print_rows(rows, title=f"{report_.unit_vi}, {period.first:%d/%m/%Y} - {period.last:%d/%m/%Y}")
    if form.linked_left_out:
        note(f"{form.linked_left_out:,} linked dossiers are left out: they count at the level of their root")
    if moves := form.total.counts["other_moves"]:
        note(f"carried over includes {moves:,} transferred in or reopened, less transferred out")


def _shown(line: Line, report_: Report) -> dict[str, Any]:
    columns = line.columns(returned_on_time=report_.returned_on_time)
    names = (
        *("received", "online", "direct or post", "carried over", "resolved", "early", "on time", "overdue"),
        *("in progress", "within due", "overdue "),
    )
    level = {} if report_.form.by is By.UNIT else {"level": line.level}
    return {
        **level,
        report_.form.by.value: line.code or (line.name_vi if line is report_.form.total else "?"),
        "name": "" if line is report_.form.total else line.name_vi,
        **dict(zip(names, columns.values(), strict=True)),
    }
