"""`hoso up`: the whole of Hoso on this machine, until Ctrl-C."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from schemas.settings import Settings, read_settings
from services.cli.output import AsJson, complain, note, print_json, progress


def up(
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Fill tables from the log that are empty but were filled before.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Start broker, worker, gateway, sink and monitor on this machine, and keep them running until Ctrl-C.

    The data is in HOSO_VAR (./var) and stays there. A part that dies is started again, which is said on standard
    error. With HOSO_KAFKA or HOSO_CLICKHOUSE set, those are used instead of the local broker or the embedded engine.

    Exit code: 0 stopped by Ctrl-C or SIGTERM; 1 another `hoso up` runs on the same data; 2 the settings cannot work,
    such as an occupied port; 3 something cannot be fetched, started or reached.
    """
    # Imported when needed: Kafka and HTTP clients take half a second, which `hoso --help` should not.
    from services.local.lock import AlreadyRunning

    try:
        asyncio.run(_up(read_settings(), rebuild=rebuild, as_json=as_json))
    except AlreadyRunning as error:
        complain(str(error))
        raise typer.Exit(1) from None


async def _up(settings: Settings, *, rebuild: bool, as_json: bool) -> None:
    from services.local.signals import left_on_signals
    from services.local.stack import LocalStack

    with left_on_signals() as leaving, fetching() as fetched:
        async with LocalStack(settings, notify=note, progress=fetched, rebuild=rebuild) as stack:
            if as_json:
                print_json(stack.urls)
            else:
                print_urls(stack.urls)
            note("Ctrl-C stops everything; `hoso doctor` checks it.")
            await asyncio.Event().wait()
    if leaving.signal is not None:
        note("stopped")


def print_urls(urls: dict[str, str]) -> None:
    """What answers where."""
    width = max(map(len, urls))
    for name, url in urls.items():
        print(f"{name:>{width}}  {url}", flush=True)


@contextmanager
def fetching() -> Iterator[Callable[[int, int], None]]:
    """A progress bar for the broker's jars, gone when they are there."""
    bar = progress()
    task = bar.add_task("fetching the broker")

    def fetched(done: int, total: int) -> None:
        bar.update(task, completed=done, total=total)
        if done == 0:
            bar.start()
        elif done == total:
            bar.stop()

    try:
        yield fetched
    finally:
        bar.stop()
