"""`hoso what-if`: the same log under other rules, without touching what is stored."""

from pathlib import Path
from typing import Annotated

import typer

from schemas.settings import read_settings
from services.cli.history import At, First, KnownAt, Last, Year, days, question, read
from services.cli.output import AsJson, console, print_json, print_rows
from services.reports.log import Selection
from services.reports.rulebooks import Rules, UnknownRules
from services.reports.what_if import CLASSES, compare, comparison_document


def what_if(
    policy: Annotated[list[str], typer.Option(help="A policy to judge every dossier by; may be repeated.")] = [],  # noqa: B006 - typer's own form
    calendar: Annotated[str, typer.Option(help="A calendar to go by instead of the policy's own.")] = "",
    unit: Annotated[str, typer.Option(help="One unit's code; without: every unit.")] = "",
    year: Year = None,
    first: First = "",
    last: Last = "",
    at: At = "",
    known_at: KnownAt = "",
    policies_file: Annotated[
        Path | None,
        typer.Option(help="Policies to choose from, such as one not in force yet.", dir_okay=False, exists=True),
    ] = None,
    calendars_file: Annotated[
        Path | None, typer.Option(help="Calendars to choose from.", dir_okay=False, exists=True)
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="How many dossiers that change class are named.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Print how the period's dossiers would stand under other rules, and which of them change class.

    The first column is by the rules in force. Promises that an office wrote into an event stay as written.

    Examples:

    hoso what-if --policy vn-day-reset-1 --policy vn-half-day-1 --unit 196.TTHCC --year 2021

    hoso what-if --policy draft-1 --policies-file draft.json --from 2021-01-01 --to 2021-06-30 --json

    Exit code: 0 no dossier changes class; 1 some do; 2 wrong usage; 3 ClickHouse does not answer.
    """
    settings = read_settings()
    if not policy and not calendar:
        raise typer.BadParameter("say which rules to try: --policy or --calendar", param_hint="--policy")
    period = days(settings, year, first, last)
    units = [unit] if unit else []
    with question(settings, period=period, at=at, known_at=known_at) as (ask, view, cells):
        records = Rules.read(ask, settings)
        stored = records.in_force()
        try:
            others = records.with_files(policies_file, calendars_file).others(policy, calendar)
        except UnknownRules as error:
            raise typer.BadParameter(str(error), param_hint="--policy") from None
        known = read(ask, Selection(units=units, known_at=view.known_at), "folding")
        found = compare(known, stored, others, cells, units=units, limit=limit)
    if as_json:
        asked = {"from": period[0], "to": period[1], "as_of": view.at, "known_at": view.known_at}
        print_json({**asked, **comparison_document(found)})
    else:
        rows = [{"class": each, **{name: counts[each] for name, counts in found.counts.items()}} for each in CLASSES]
        print_rows(rows, title=f"{period[0]:%d/%m/%Y} - {period[1]:%d/%m/%Y}, {found.dossiers} dossiers")
        if found.total:
            document = comparison_document(found)
            print_rows(document["switched"], title="change of class")
            print_rows(document["first"], title=f"the first {len(found.first)} of {found.total}")
        else:
            console.print("no dossier changes class")
    if found.total:
        raise typer.Exit(1)
