"""`hoso corrections`: what changed a report since it was made, down to the records."""

from typing import Annotated, Any

import typer

from schemas.settings import read_settings
from services.cli.history import First, KnownAt, Last, Year, days, moment, question, read
from services.cli.output import AsJson, console, print_json, print_rows
from services.reports.corrections import Change, changes_between, sums_of
from services.reports.form import COUNTS
from services.reports.lineage import address_of
from services.reports.log import Selection
from services.reports.rulebooks import Rules


def corrections(
    since: Annotated[
        str, typer.Option(help="When the report was made: a day (its end) or an ISO time.", show_default=False)
    ],
    known_at: KnownAt = "",
    unit: Annotated[str, typer.Option(help="One unit's code; without: every unit.")] = "",
    counter: Annotated[str, typer.Option(help="One number of the form; without: all.")] = "",
    year: Year = None,
    first: First = "",
    last: Last = "",
    as_json: AsJson = False,
) -> None:
    """Print how a period's figures changed since they were reported, with the dossiers and records behind each change.

    Examples:

    hoso corrections --since 2022-01-05T00:00+07:00 --year 2021

    hoso corrections --since 2022-01-05 --known-at 2022-06-30 --year 2021 --unit 06808 --json

    Exit code: 0 nothing changed; 1 something did; 2 wrong usage; 3 ClickHouse does not answer.
    """
    settings = read_settings()
    before = moment(since, "--since")
    if before is None:
        raise typer.BadParameter("say when the report was made", param_hint="--since")
    if counter and counter not in COUNTS:
        raise typer.BadParameter(f"expected one of {', '.join(COUNTS)}", param_hint="--counter")
    period = days(settings, year, first, last)
    units = [unit] if unit else []
    with question(settings, period=period, known_at=known_at) as (ask, view, cells):
        rules = Rules.read(ask, settings).in_force()
        known = read(ask, Selection(units=units, known_at=view.known_at), "comparing")
        changes = [
            change
            for change in changes_between(known, rules, cells, before=before, units=units)
            if counter in ("", change.counter)
        ]
    sums = [
        {"unit_id": unit_id, "counter": name, "difference": difference}
        for (unit_id, name), difference in sorted(sums_of(changes).items())
    ]
    if as_json:
        print_json(
            {
                "from": period[0],
                "to": period[1],
                "as_of": view.at,
                "since": before,
                "known_at": view.known_at,
                "cells": sums,
                "changes": list(map(as_row, changes)),
            }
        )
    elif changes:
        print_rows(sums, title=f"{period[0]:%d/%m/%Y} - {period[1]:%d/%m/%Y}, since {before:%d/%m/%Y %H:%M}")
        print_rows([{**as_row(change), "records": _addresses(change)} for change in changes])
    else:
        console.print("nothing changed")
    if changes:
        raise typer.Exit(1)


def as_row(change: Change) -> dict[str, Any]:
    """A change for programs, with the address of every record that came in between."""
    return {
        "unit_id": change.unit_id,
        "procedure_id": change.procedure_id,
        "counter": change.counter,
        "dossier_id": change.dossier_id,
        "before": change.before,
        "after": change.after,
        "records": [
            {"kind": each.entry.kind.value, "event_id": each.event.id, **address_of(each)} for each in change.records
        ],
    }


def _addresses(change: Change) -> str:
    return "\n".join(f"{each.entry.kind.value} {each.partition}/{each.offset}" for each in change.records)
