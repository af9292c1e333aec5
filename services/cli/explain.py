"""`hoso explain`: why a number is so, from a cell to its dossiers and from a dossier to its records in the log."""

from typing import Annotated, Any, Final

import typer
from rich.table import Table

from schemas.settings import read_settings
from schemas.tallies import FLOW
from services.cli.history import At, First, KnownAt, Last, Year, days, question, read
from services.cli.output import AsJson, complain, console, print_json, print_rows
from services.reports.as_of import OFFICE, state_of
from services.reports.cells import COUNTERS
from services.reports.lineage import Member, digest_of, folded_members, stored_members, story_of
from services.reports.log import Selection, read_known
from services.reports.rulebooks import Rules

MEMBERS_SHOWN_MAX: Final = 50  # in a table on a terminal

app = typer.Typer(
    help="Why a number is so: from a cell to dossiers, from a dossier to its records.", no_args_is_help=True
)


@app.command("dossier")
def dossier(
    code: Annotated[str, typer.Argument(help="The dossier's code.", show_default=False)],
    at: At = "",
    known_at: KnownAt = "",
    as_json: AsJson = False,
) -> None:
    """Print what each event of a dossier did, where it lies in the log, and why the dossier stands as it does.

    Examples:

    hoso explain dossier 000.00.20.H49-210301-0304

    hoso explain dossier 000.00.20.H49-210301-0304 --at 2021-03-04 --known-at 2022-01-05T00:00+07:00

    Exit code: 0; 1 nothing was known of such a dossier; 2 wrong usage; 3 ClickHouse does not answer.
    """
    settings = read_settings()
    with question(settings, at=at, known_at=known_at) as (ask, view, _):
        rules = Rules.read(ask, settings).in_force()
        found = next(read_known(ask, Selection(dossiers=[code], known_at=view.known_at)), None)
    if found is None:
        complain(f"nothing was known of dossier {code}; is the code right? `hoso lag` says whether all is stored")
        raise typer.Exit(1)
    story = story_of(found, rules, view.at)
    if as_json:
        print_json({"as_of": view.at, "known_at": view.known_at, **story})
        return
    at_, known = (_time(each.astimezone(OFFICE)) for each in (view.at, view.known_at))
    table = Table(title=f"as of {at_}, known at {known}", title_justify="left")
    for name in ("happened", "event", "unit", "offset", "recorded", "did"):
        table.add_column(name, overflow="fold")
    for event in story["events"]:
        where = f"{event['partition']}/{event['offset']}"
        did = "\n".join(event["did"])
        table.add_row(_time(event["at"]), event["kind"], event["unit_id"], where, _time(event["recorded_at"]), did)
    console.print(table, markup=False)
    if story["happened_later"]:
        console.print(f"{story['happened_later']} events happened later and are left out")
    if story["state"]:
        console.print(f"{story['state']['status']}: {story['state']['why']}", markup=False, highlight=False)


@app.command("cell")
def cell(
    unit: Annotated[str, typer.Option(help="The unit's code.", show_default=False)],
    counter: Annotated[
        str, typer.Option(help="Which number, such as resolved_overdue or in_progress.", show_default=False)
    ],
    year: Year = None,
    first: First = "",
    last: Last = "",
    procedure: Annotated[str, typer.Option(help="One procedure's code; without: all.")] = "",
    at: At = "",
    known_at: KnownAt = "",
    as_json: AsJson = False,
) -> None:
    """Print the dossiers behind a number, the offset of each one's last event, and a digest of the set.

    A number is a count of the report form (received, carried_over, resolved_early, in_progress_overdue, ...), a flow of
    the period, or a stock at its end (open_overdue, ...).

    Examples:

    hoso explain cell --unit 06808 --counter resolved_overdue --year 2021

    hoso explain cell --unit 06808 --counter in_progress --year 2021 --known-at 2022-01-04 --json

    Exit code: 0; 1 the number is zero; 2 wrong usage; 3 ClickHouse does not answer.
    """
    settings = read_settings()
    if counter not in COUNTERS:
        raise typer.BadParameter(f"expected one of {', '.join(COUNTERS)}", param_hint="--counter")
    period = days(settings, year, first, last)
    with question(settings, period=period, at=at, known_at=known_at) as (ask, view, cells):
        rules = Rules.read(ask, settings).in_force()
        if counter in FLOW and not at and not known_at:
            members = stored_members(ask, cells, unit=unit, counter=counter, procedure=procedure)
        else:
            known = read(ask, Selection(units=[unit], known_at=view.known_at), "folding")
            states = (state_of(each, rules, view.at) for each in known)
            members = folded_members(states, cells, unit=unit, counter=counter, procedure=procedure)
    count, digest = sum(member.count for member in members), digest_of(members)
    if as_json:
        print_json(
            {
                "unit_id": unit,
                "counter": counter,
                "procedure_id": procedure or None,
                "from": period[0],
                "to": period[1],
                "as_of": view.at,
                "known_at": view.known_at,
                "count": count,
                "digest": digest,
                "dossiers": list(map(_row, members)),
            }
        )
    else:
        shown = members[:MEMBERS_SHOWN_MAX] if console.is_terminal else members
        print_rows(list(map(_row, shown)), title=f"{counter} of {unit}: {count}, {len(members)} dossiers")
        if len(shown) < len(members):
            console.print(f"and {len(members) - len(shown)} more; --json prints all")
        console.print(f"digest {digest}", highlight=False)
    if not count:
        raise typer.Exit(1)


def _row(member: Member) -> dict[str, Any]:
    return {"dossier_id": member.dossier_id, "event_offset": member.event_offset, "count": member.count}


def _time(at: Any) -> str:
    return f"{at:%d/%m/%Y %H:%M}"
