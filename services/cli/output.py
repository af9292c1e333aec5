"""What the command line prints: tables and progress for people, one JSON document for programs.

Results go to standard output, everything else to standard error, so that `hoso ... --json | jq` always works.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

PIPE_WIDTH: Final = 200  # columns of a table that no terminal bounds

console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
notes = Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]


def complain(message: str) -> None:
    """One line about what went wrong."""
    notes.print(f"hoso: {message}", style="red", markup=False, highlight=False)


def note(message: str) -> None:
    """One line about what is going on."""
    notes.print(message, markup=False, highlight=False)


def print_json(document: Any) -> None:
    """The document, indented, in UTF-8."""
    print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode(), flush=True)


def write_json(document: Any, output: Path | None) -> None:
    """The document to a file, or printed."""
    if output is None:
        print_json(document)
    else:
        output.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")


def write_text(text: str, output: Path | None) -> None:
    """A text to a file, or printed."""
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, "utf-8")


def print_rows(rows: Sequence[Mapping[str, Any]], *, title: str | None = None) -> None:
    """Rows with the same keys as a table."""
    table = Table(title=title, title_justify="left")
    for name in rows[0] if rows else ():
        is_number = all(isinstance(row[name], int | float) and not isinstance(row[name], bool) for row in rows)
        table.add_column(name, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    console.print(table)


def progress() -> Progress:
    """A progress bar on a terminal; nothing in a pipe."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=notes,
        transient=True,
        disable=not notes.is_terminal,
    )
