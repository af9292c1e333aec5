"""`hoso sql`: one question to ClickHouse, at the local stack's SQL door or at the server of the settings."""

import csv
import math
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer
from rich.table import Table

from schemas.errors import Unavailable
from schemas.settings import read_settings
from services.cli.output import AsJson, complain, console, note, print_json
from services.clickhouse import open_reader

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

ROWS_SHOWN_MAX: Final = 1000  # in a table on a terminal: nobody reads further
INT64: Final = range(-(2**63), 2**63)
FROM_STDIN: Final = "-"
_MESSAGE: Final = re.compile(r"DB::Exception: (.*?)(?: \(version .*| \(for url .*)?$", re.MULTILINE)


class QueryError(Exception):
    """ClickHouse refuses the query; the text is its reason, in one line."""


def sql(
    query: Annotated[str, typer.Argument(help="What to ask; `-` reads it from standard input.", show_default=False)],
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV with a header, as is done in a pipe.")] = False,
) -> None:
    """Ask ClickHouse. What analysts see: mart.unit_daily, mart.dossiers and mart.freshness.

    Examples:

    hoso sql "SELECT * FROM mart.freshness"

    hoso sql --csv - < question.sql > answer.csv

    Exit code: 0; 1 ClickHouse refuses the query; 3 nothing answers: the local stack is started by `hoso up`.
    """
    settings = read_settings()
    text = (sys.stdin.read() if query == FROM_STDIN else query).strip()
    if not text:
        raise typer.BadParameter("it is empty", param_hint="QUERY")
    try:
        with open_reader(settings) as client:
            names, rows = ask(client, text)
    except QueryError as error:
        complain(str(error))
        raise typer.Exit(1) from None
    if as_json:
        print_json([dict(zip(names, row, strict=True)) for row in rows])
    elif as_csv or not console.is_terminal:
        print_csv(names, rows)
    else:
        print_table(names, rows)


def ask(client: "Client", query: str) -> tuple[Sequence[str], list[list[Any]]]:
    """Column names, and rows of what JSON knows; `QueryError` when ClickHouse refuses, `Unavailable` without it."""
    from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

    try:
        result = client.query(query.strip().rstrip(";"))
    except OperationalError as error:
        raise Unavailable(f"ClickHouse does not answer any more: {_one_line(error)}") from error
    except ClickHouseError as error:
        raise QueryError(_one_line(error)) from error
    return result.column_names, [[plain(value) for value in row] for row in result.result_rows]


def plain(value: Any) -> Any:
    """A value as JSON has it. Times keep their zone; what JSON cannot hold exactly becomes text."""
    match value:
        case None | bool() | str():
            return value
        case int():
            return value if value in INT64 else str(value)
        case float():
            return value if math.isfinite(value) else str(value)
        case date():  # and datetime
            return value.isoformat()
        case Mapping():
            return {str(key): plain(each) for key, each in value.items()}
        case list() | tuple():
            return [plain(each) for each in value]
        case _:
            return str(value)


def print_csv(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Rows with a header; nothing for NULL, JSON for what has parts."""
    writer = csv.writer(sys.stdout)
    writer.writerow(names)
    writer.writerows([_cell(value) for value in row] for row in rows)


def print_table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Rows for people: a table, or a line per value when a row is wider than the terminal."""
    shown = rows[:ROWS_SHOWN_MAX]
    cells = [[_cell(value) for value in row] for row in shown]
    if sum(max(map(len, column)) + 3 for column in zip(names, *cells, strict=True)) >= console.width:
        for row in cells:
            grid = Table(show_header=False)
            for name, cell in zip(names, row, strict=True):
                grid.add_row(name, cell)
            console.print(grid, markup=False)
    else:
        table = Table()
        for index, name in enumerate(names):
            is_number = all(isinstance(row[index], int | float | None) for row in shown)
            table.add_column(name, justify="right" if is_number else "left", overflow="fold")
        for row in cells:
            table.add_row(*row)
        console.print(table, markup=False)
    if len(rows) > ROWS_SHOWN_MAX:
        note(f"the first {ROWS_SHOWN_MAX} of {len(rows)} rows; --csv prints all")


def _cell(value: Any) -> str:
    if isinstance(value, list | dict):
        return msgspec.json.encode(value).decode()
    return "" if value is None else str(value)


def _one_line(error: Exception) -> str:
    found = _MESSAGE.search(str(error))
    return found[1] if found else str(error).splitlines()[0]
