"""`hoso report`: a period's figures per unit in the columns of report form II.06a, from ClickHouse."""

from datetime import date
from typing import Annotated, Final

import typer

from schemas.settings import read_settings
from services.cli.output import AsJson, console, print_json, print_rows

# Columns 3 to 11 of the form. Opening is the stock before the first day of the period; workload is column 3.
SQL: Final = """\
SELECT
    unit_id AS unit,
    any(unit_name_vi) AS name,
    sumIf(moved, day < {first:Date}) AS carried_over,
    sumIf(received_online, in_period) AS online,
    sumIf(received_direct + received_postal, in_period) AS direct_or_post,
    sumIf(transferred_in + reopened - transferred_out, in_period) AS other_moves,
    carried_over + online + direct_or_post + other_moves AS received,
    sumIf(resolved, in_period) AS resolved,
    sumIf(resolved_early, in_period) AS early,
    sumIf(resolved_on_time, in_period) AS on_time,
    sumIf(resolved_overdue, in_period) AS overdue,
    sumIf(resolved_undated, in_period) AS undated,
    received - resolved AS in_progress
FROM
(
    SELECT *, closing - opening AS moved, day BETWEEN {first:Date} AND {last:Date} AS in_period
    FROM mart.unit_daily
    WHERE day <= {last:Date} AND ({unit:String} = '' OR unit_id = {unit:String})
)
GROUP BY unit_id
ORDER BY unit_id"""


def report(
    year: Annotated[int | None, typer.Option(help="A calendar year.", show_default="this year")] = None,
    first: Annotated[str, typer.Option("--from", help="First day, YYYY-MM-DD, instead of a year.")] = "",
    last: Annotated[str, typer.Option("--to", help="Last day, included.")] = "",
    unit: Annotated[str, typer.Option(help="One unit's code; without: every unit.")] = "",
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV with a header, as is done in a pipe.")] = False,
) -> None:
    """Print a period's figures per unit, in the columns of report form II.06a.

    received = carried over + online + direct or by post + other moves (transfers and reopenings), and
    in progress = received - resolved.

    Examples:

    hoso report --year 2021

    hoso report --from 2020-12-15 --to 2021-12-14 --unit 196.TTHCC --csv > report.csv

    Exit code: 0; 1 nothing was counted for this period; 3 ClickHouse does not answer.
    """
    from services.cli.sql import open_reader, plain, print_csv

    settings = read_settings()
    if (year is not None) and (first or last):
        raise typer.BadParameter("a year or two days, not both", param_hint="--year")
    year = year or settings.now().year
    parameters = {"first": _day(first or f"{year}-01-01", "--from"), "last": _day(last or f"{year}-12-31", "--to")}
    if parameters["first"] > parameters["last"]:
        raise typer.BadParameter("the first day is after the last", param_hint="--from")
    with open_reader(settings) as client:
        found = client.query(SQL, parameters=parameters | {"unit": unit})
    rows = [dict(zip(found.column_names, map(plain, row), strict=True)) for row in found.result_rows]
    if as_json:
        print_json({"from": parameters["first"].isoformat(), "to": parameters["last"].isoformat(), "units": rows})
    elif as_csv or not console.is_terminal:
        print_csv(found.column_names, [list(row.values()) for row in rows])
    else:
        print_rows(rows, title=f"{parameters['first']:%d/%m/%Y} - {parameters['last']:%d/%m/%Y}")
    if not rows:
        raise typer.Exit(1)


def _day(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("expected a day such as 2021-01-31", param_hint=option) from None
