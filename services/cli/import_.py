"""`hoso import`: files of another system, by a mapping file, as events into the log."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from schemas.errors import SettingsError, Unavailable
from schemas.reference import read_policies
from schemas.settings import Settings, read_settings
from schemas.topics import EVENTS, UNITS
from services.cli.kafka import published_units, topic_states
from services.cli.output import AsJson, note, print_json, print_rows, progress
from services.importer.errors import CannotImport
from services.importer.job import Job
from services.importer.mapping_file import read_mapping
from services.importer.rejects import RejectFile

EXIT_DIFFERS: Final = 1
SHOWN_MAX: Final = 20  # of a list on a terminal; --json has all


def import_(
    mapping: Annotated[Path, typer.Argument(help="What the columns mean: a TOML file (docs/import.md).")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="CSV or NDJSON in UTF-8, gzip too.")],
    rejects: Annotated[
        Path | None, typer.Option(help="List of the rows that cannot be events.  [default: var/FILE.rejects.ndjson]")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and count only; needs no broker.")] = False,
    as_json: AsJson = False,
) -> None:
    """Import files of another system; importing them again changes nothing.

    Exit code 1: rows were set aside or verdicts differ, and the summary says which; everything else was imported.
    """
    settings = read_settings()
    policies = read_policies(settings.policies_file)
    plan = read_mapping(mapping, policies)
    path = rejects or settings.var / f"{files[0].name}.rejects.ndjson"
    if path.resolve() in {each.resolve() for each in (mapping, *files)}:
        raise CannotImport(f"--rejects: {path} is an input; choose another place")
    with RejectFile(path) as reject_file:
        job = Job(mapping=plan, files=files, policies=policies, rejects=reject_file)
        _run(job, settings, dry_run=dry_run)
    document = job.document()
    if as_json:
        print_json(document)
    else:
        _print(document, dry_run=dry_run)
    if not job.is_clean:
        raise typer.Exit(EXIT_DIFFERS)


def _run(job: Job, settings: Settings, *, dry_run: bool) -> None:
    """Survey and import; an import that ends early says how far it came."""
    with progress() as bar:
        task = bar.add_task("reading", total=None)

        def advance(rows: int) -> None:
            bar.advance(task, rows)

        try:
            job.survey()
            bar.update(task, description="checking" if dry_run else "sending", total=job.found.rows)
            asyncio.run(job.run(None, advance) if dry_run else _send(job, settings, advance))
        except (KeyboardInterrupt, SettingsError, Unavailable) as error:
            if stored := job.account.stored:
                note(f"Stopped: {stored:,} events are stored, those up to {job.account.reached}.")
                note("Run the same command again to go on: what is stored already changes nothing.")
            elif isinstance(error, KeyboardInterrupt):
                note("Stopped before an event was stored.")
            raise


async def _send(job: Job, settings: Settings, advance: Callable[[int], None]) -> None:
    """Send to topics that were seen to be there: to ask takes a moment, to wait for them a minute."""
    for state in await topic_states(settings):
        if state.topic in (EVENTS, UNITS) and not state.partitions:
            raise Unavailable(f"there is no topic {state.name} at {settings.bootstrap}: make it with `hoso migrate`")
    await job.send(settings, await published_units(settings), advance)


def _print(document: Mapping[str, Any], *, dry_run: bool) -> None:
    counts = {"rows": document["rows"], "events": document["events"]}
    counts |= {f"  {kind}": count for kind, count in document["kinds"].items()}
    counts |= {"rows ignored": document["ignored"], "rows set aside": document["rejects"]}
    counts |= {f"  {reason}": count for reason, count in document["reasons"].items()}
    units = {"units": document["units"]["found"]} if dry_run else _units(document["units"])
    _print_counts("Checked, nothing sent" if dry_run else "Imported", counts | units)
    if document["rejects"]:
        note(f"Rows set aside are listed in {document['rejects_file']}: file, line, reason, column.")
    if document["unfilled_columns"]:
        note(f"Columns without a single value: {', '.join(document['unfilled_columns'])}. Is the name right?")
    if document["irregular_times"]:
        note(
            f"{document['irregular_times']:,} times fall into an hour that the clocks repeat or skip (docs/import.md)."
        )
    _print_list(
        "Steps moved to the step before, as clock_skew_s_max allows", document["retimed_list"], document["retimed"]
    )
    if document["verdict"] is not None:
        _print_verdict(document["verdict"])


def _units(units: Mapping[str, Any]) -> dict[str, int]:
    if units["kept"]:
        note(f"Units known under another name or parent stay as they are: {', '.join(units['kept'][:SHOWN_MAX])}")
    return {"units new": units["new"], "units known": units["known"]}


def _print_verdict(verdict: Mapping[str, Any]) -> None:
    counts = {
        f"{theirs or 'unknown'}, here {ours}": count
        for theirs, row in verdict["by_verdict"].items()
        for ours, count in row.items()
    }
    counts |= {"agree": verdict["agree"], "differ": verdict["differ"]}
    counts |= {f"not compared, {why}": count for why, count in verdict["not_compared"].items()}
    _print_counts("Verdicts on closed dossiers with a promise", counts)
    _print_list("Verdicts that differ", verdict["differences"], verdict["differ"])


def _print_counts(title: str, counts: Mapping[str, int]) -> None:
    print_rows([{"what": what, "count": count} for what, count in counts.items()], title=title)


def _print_list(title: str, rows: Sequence[Mapping[str, Any]], total: int) -> None:
    if rows:
        print_rows(rows[:SHOWN_MAX], title=title)
    if total > SHOWN_MAX:
        note(f"{total - SHOWN_MAX:,} more; --json lists them.")
