"""`hoso reference`: the files of units, procedures, calendars and policies, and the topics that they fill."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import typer

from schemas.settings import Settings, read_settings
from services.cli.output import AsJson, note, print_json, print_rows

EXIT_DIFFERS: Final = 1

app = typer.Typer(
    help="Check and load units, procedures, calendars and policies (docs/reference.md).", no_args_is_help=True
)


@app.command()
def check(as_json: AsJson = False) -> None:
    """Say what is wrong in the files of reference data, and what of them the topics do not have. Changes nothing.

    Example: HOSO_UNITS_FILE=units.json hoso reference check

    Records that only a topic has are counted as foreign and stay: an import may have brought them.

    Exit code: 0; 1 something is wrong (the topics are not asked then) or due; 2 a file cannot be read; 3 Kafka does
    not answer.
    """
    settings = read_settings()
    files, report = _look(settings)
    if not report["flaws"]:
        report["topics"] = asyncio.run(_compare(settings, files))
    due = [standing for standing in report["topics"].values() if standing.due]
    if as_json:
        print_json(report)
    else:
        _print(report)
    if report["flaws"] or due:
        raise typer.Exit(EXIT_DIFFERS)


@app.command()
def load(as_json: AsJson = False) -> None:
    """Write what is new or changed in the files to the topics; workers, gateways and tables follow by themselves.

    Example: HOSO_CALENDARS_FILE=calendars.json hoso reference load

    Exit code: 0; 1 something is wrong in the files, and nothing was written; 2 a file cannot be read; 3 Kafka does not
    answer.
    """
    settings = read_settings()
    _, report = _look(settings)
    if not report["flaws"]:
        report["written"] = asyncio.run(_load(settings))
    if as_json:
        print_json(report)
    elif report["flaws"]:
        _print(report)
    else:
        print_rows([{"kind": kind, "written": count} for kind, count in report["written"].items()])
    if report["flaws"]:
        raise typer.Exit(EXIT_DIFFERS)


def _look(settings: Settings) -> tuple[Mapping[str, list[Any]], dict[str, Any]]:
    from services.reference import find_flaws, read_files

    files = read_files(settings)
    counts = {kind: len(records) for kind, records in files.items()}
    return files, {"records": counts, "flaws": find_flaws(files), "topics": {}}


async def _compare(settings: Settings, files: Mapping[str, list[Any]]) -> dict[str, Any]:
    from services.topics import compare_reference

    await _ask_for_topics(settings)
    return dict(await compare_reference(settings, files))


async def _load(settings: Settings) -> dict[str, int]:
    from services.topics import publish_reference

    await _ask_for_topics(settings)
    return await publish_reference(settings)


async def _ask_for_topics(settings: Settings) -> None:
    """To ask takes a moment, to wait for a topic that is not there a minute."""
    from schemas.errors import Unavailable
    from schemas.topics import REFERENCE
    from services.cli.kafka import topic_states

    for state in await topic_states(settings):
        if state.topic in REFERENCE and not state.partitions:
            raise Unavailable(f"there is no topic {state.name} at {settings.bootstrap}: make it with `hoso migrate`")


def _print(report: dict[str, Any]) -> None:
    if report["flaws"]:
        print_rows([msgspec.structs.asdict(flaw) for flaw in report["flaws"]], title="Wrong in the files")
        note("The topics were left alone; put the files right first.")
        return
    rows = [
        {
            "kind": kind,
            "records": report["records"][kind],
            "new": len(standing.new),
            "changed": len(standing.changed),
            "foreign": len(standing.foreign),
            "due": ", ".join([*standing.new, *standing.changed][:5]),
        }
        for kind, standing in report["topics"].items()
    ]
    print_rows(rows)
    if any(standing.due for standing in report["topics"].values()):
        note("`hoso reference load` writes what is due.")
