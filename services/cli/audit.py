"""`hoso audit`: the log, read a second time by other code, beside everything that was derived from it."""

import asyncio
from typing import Annotated, Any

import typer

from schemas.errors import Unavailable
from schemas.settings import read_settings
from services.cli.output import AsJson, console, note, print_json, print_rows, progress
from services.clickhouse import access_of, unanswered
from services.local.ports import reachable


def audit(
    as_json: AsJson = False,
    shown: Annotated[int, typer.Option("--show", min=1, help="Differences shown of each place; all are counted.")] = 20,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds that counters and tables may take to reach the log's end.")
    ] = 60.0,
    without_sql: Annotated[bool, typer.Option("--without-sql", help="Leave ClickHouse out.")] = False,
) -> None:
    """Fold the whole log by independent code; compare states, counters, dead letters, monitor and ClickHouse with it.

    Changes nothing and may run beside live traffic. Each difference names the place that is wrong, dossier or
    counter, topic, partition and offset, what the log says and what was found. docs/operations.md tells what to do.

    Example: hoso audit --json | jq .differing

    Exit code: 0 everything is equal; 1 something differs; 2 wrong settings; 3 the broker or ClickHouse does not answer.
    """
    from services.audit.run import audit as run  # Kafka's and ClickHouse's clients: not for `hoso --help`
    from services.sink.clickhouse import open_server

    settings = read_settings()
    warehouse = None
    if not without_sql:
        try:
            warehouse = open_server(**access_of(settings))
        except Unavailable as error:
            raise Unavailable(f"{unanswered(settings)}, or audit --without-sql") from error
    with progress() as bar:
        task = bar.add_task("reading", total=None)
        doing = "reading"

        def step(what: str, total: int | None, done: int) -> None:
            nonlocal doing
            if what != doing:
                doing = what
                bar.reset(task, description=what, total=total)
            bar.advance(task, done)

        found = asyncio.run(
            run(
                settings,
                warehouse=warehouse,
                monitor=f"http://{reachable(settings.host)}:{settings.monitor_port}",
                wait_s=wait,
                shown=shown,
                step=step,
            )
        )
    if as_json:
        print_json(found)
    else:
        for line in found.notes:
            note(line)
        places = sorted({*found.compared, *found.differing})
        print_rows(
            [
                {"place": place, "compared": found.compared.get(place, 0), "differing": found.differing.get(place, 0)}
                for place in places
            ]
        )
        for difference in found.differences:
            console.print(_line(difference), markup=False, highlight=False, soft_wrap=True)
        console.print("everything is equal" if found.equal else f"differences: {sum(found.differing.values())}")
    if not found.equal:
        raise typer.Exit(1)


def _line(difference: Any) -> str:
    """One difference in one line."""
    address = "" if difference.partition is None else f" {difference.topic}[{difference.partition}]"
    address += "" if difference.offset is None else f"@{difference.offset}"
    values = (
        ""
        if difference.expected is None and difference.found is None
        else (f": the log says {difference.expected}, found {difference.found}")
    )
    return f"{difference.place}: {difference.what} {difference.subject}{address}{values}"
