"""What the commands about history share: instants, days and the reading of the log with a progress bar."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Annotated

import typer

from schemas.settings import Settings
from services.cli.output import progress
from services.reports.as_of import OFFICE, View, instant_of
from services.reports.cells import Cells
from services.reports.door import open_tables
from services.reports.log import Ask, Known, Selection, count_records, read_known

At = Annotated[
    str,
    typer.Option(help="What had happened by then: YYYY-MM-DD (end of that day) or an ISO time.", show_default="now"),
]
KnownAt = Annotated[
    str,
    typer.Option(help="What was in the log by then: YYYY-MM-DD (end of that day) or an ISO time.", show_default="now"),
]
Year = Annotated[int | None, typer.Option(help="A calendar year.", show_default="this year")]
First = Annotated[str, typer.Option("--from", help="First day, YYYY-MM-DD, instead of a year.")]
Last = Annotated[str, typer.Option("--to", help="Last day, included.")]


def moment(text: str, option: str) -> datetime | None:
    """An instant that somebody typed; without a zone it is the office's. None: not given."""
    if not text:
        return None
    try:
        return instant_of(text)
    except ValueError:
        raise typer.BadParameter(
            "expected a day such as 2022-01-04, or a time such as 2022-01-05T00:00+07:00", param_hint=option
        ) from None


def days(settings: Settings, year: int | None, first: str, last: str) -> tuple[date, date]:
    """The days of a period, both included."""
    if year is not None and (first or last):
        raise typer.BadParameter("a year or two days, not both", param_hint="--year")
    year = year or settings.now().year
    found = _day(first or f"{year}-01-01", "--from"), _day(last or f"{year}-12-31", "--to")
    if found[0] > found[1]:
        raise typer.BadParameter("the first day is after the last", param_hint="--from")
    return found


@contextmanager
def question(
    settings: Settings, *, period: tuple[date, date] | None = None, at: str = "", known_at: str = ""
) -> Iterator[tuple[Ask, View, Cells]]:
    """ClickHouse, the two instants, and the cells of a period; without one, of all days up to T."""
    asked_at, asked_known = moment(at, "--at"), moment(known_at, "--known-at")
    with open_tables(settings) as ask:
        if period is None or asked_at is not None:
            view = View.of(ask, now=settings.now(), at=asked_at, known_at=asked_known)
        else:
            view = View.of_period(ask, period[1], now=settings.now(), known_at=asked_known)
        first, last = period or (date.min, view.at.astimezone(OFFICE).date())
        yield ask, view, Cells(first, last, view.at)


def read(ask: Ask, selection: Selection, what: str) -> Iterator[Known]:
    """The chosen dossiers, with a bar that moves by records."""
    counts = count_records(ask, selection)
    with progress() as bar:
        task = bar.add_task(what, total=sum(counts.values()))
        yield from read_known(ask, selection, counts=counts, advance=lambda records: bar.advance(task, records))


def _day(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("expected a day such as 2021-01-31", param_hint=option) from None
