"""`hoso doctor`: checks everything from Java to the tables, and says what to do about each thing that is wrong."""

import asyncio
from typing import Final

import typer
from rich.text import Text

from schemas.settings import read_settings
from services.cli.output import AsJson, console, print_json

STYLES: Final = {"ok": "green", "warning": "yellow", "problem": "red"}


def doctor(as_json: AsJson = False) -> None:
    """Check Java, data folder, keys, broker, topics, worker, services, tables and clocks.

    Each line says ok, warning or problem, and what to do about it.

    Exit code: 0 no problem; 1 at least one problem; 2 the settings cannot work.
    """
    from services.cli.checks import examine  # Kafka's, ClickHouse's and HTTP clients: not for `hoso --help`

    findings = asyncio.run(examine(read_settings()))
    if as_json:
        print_json(findings)
    else:
        width = max(len(finding.what) for finding in findings)
        for finding in findings:
            line = Text(f"{finding.level:<8}", style=STYLES[finding.level])
            line.append(f" {finding.what:<{width}}  {finding.says}", style="default")
            if finding.todo:
                line.append(f"\n{'':{width + 11}}{finding.todo}", style="bold")
            console.print(line, soft_wrap=True, highlight=False)
    if any(finding.level == "problem" for finding in findings):
        raise typer.Exit(1)
