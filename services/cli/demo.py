"""`hoso demo`: a synthetic year of a city through the whole of Hoso, and the article's figures from every side."""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from schemas.settings import Settings, read_settings
from services.cli.output import AsJson, complain, console, note, print_json, print_rows, progress

if TYPE_CHECKING:
    from services.demo.figures import Figure


def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop everything at the end instead of staying up.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show Hoso with a synthetic year of a city: events to counters, report and SQL, beside published figures.

    About 650,000 invented events go through the gateway. Only their sums are real (docs/demo.md). Running it again
    counts nothing twice. The data stays in HOSO_VAR (./var).

    Exit code: 0 all figures are equal, or stopped by Ctrl-C; 1 some differ, or another `hoso up` runs here; 2 the
    settings cannot work; 3 something cannot be fetched, started or reached.
    """
    from services.local.lock import AlreadyRunning

    try:
        equal = asyncio.run(_demo(read_settings(), once=once, as_json=as_json))
    except AlreadyRunning as error:
        complain(str(error))
        raise typer.Exit(1) from None
    raise typer.Exit(0 if equal else 1)


async def _demo(settings: Settings, *, once: bool, as_json: bool) -> bool:
    # Imported when needed, so that `hoso --help` answers at once.
    from services.cli.up import fetching, print_urls
    from services.clickhouse import open_reader
    from services.demo.figures import catalogue_figures
    from services.demo.run import compare, send_year
    from services.demo.year import YEAR_END, events
    from services.local.ports import url
    from services.local.signals import left_on_signals
    from services.local.stack import LocalStack

    if settings.clock is None:  # the year is over, and open dossiers are judged at its end
        settings = settings.model_copy(update={"clock": YEAR_END})
    equal = True
    with left_on_signals(), fetching() as fetched:
        year = asyncio.create_task(asyncio.to_thread(events))
        note("starting a broker, a worker, a gateway, a sink and a monitor on this machine")
        async with LocalStack(settings, notify=note, progress=fetched) as stack:
            if not as_json:
                print_urls(stack.urls)
            found = await year
            note(f"sending a synthetic year of {len(found):,} invented events; watch {stack.urls['page']}")
            with progress() as bar:
                task = bar.add_task("sending", total=len(found))
                answers = await send_year(
                    found,
                    address=stack.urls["gateway"],
                    key=stack.key or "",
                    sent=lambda count: bar.update(task, advance=count),
                )
            note(", ".join(f"{count:,} {status}" for status, count in sorted(answers.items())))
            with console.status("counting") as status, open_reader(settings) as client:
                years = await compare(
                    monitor=url(settings, settings.monitor_port),
                    reports=url(settings, settings.reports_port),
                    client=client,
                    waiting=status.update,
                )
                catalogue = catalogue_figures(client)
            equal = all(figure.equal for figures in (*years.values(), catalogue) for figure in figures)
            if as_json:
                years_found = {reading: list(map(_row, figures)) for reading, figures in years.items()}
                print_json(
                    {"equal": equal, "answers": answers, "years": years_found, "catalogue": list(map(_row, catalogue))}
                )
            else:
                for reading, figures in years.items():
                    _print(figures, f"Uông Bí {reading}: the article, counters, report and SQL (synthetic dossiers)")
                _print(catalogue, "the catalogue of procedures: the article and SQL (synthetic codes)")
            if not once:
                note(f"everything stays up until Ctrl-C; the page is at {stack.urls['page']}")
                await asyncio.Event().wait()
    return equal


def _row(figure: "Figure") -> dict[str, Any]:
    return {"figure": figure.name, "article": figure.article, **figure.found, "equal": figure.equal}


def _print(figures: Iterable["Figure"], title: str) -> None:
    print_rows([_row(figure) | {"equal": "yes" if figure.equal else "NO"} for figure in figures], title=title)
