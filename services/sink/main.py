"""The sink as a process: migrates ClickHouse, moves records, and answers for its health and, embedded, for SQL."""

import argparse
import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI

from schemas.errors import SettingsError, Unavailable
from schemas.logs import configure_logs
from schemas.records import fetch_lean
from schemas.settings import Settings, read_settings
from services.clickhouse import access_of
from services.garbage import collect_seldom
from services.http import add_health, serve, stop_on_signals
from services.sink.checkpoint import UnsafeStartError
from services.sink.clickhouse import Warehouse, open_embedded, open_server
from services.sink.metrics import Metrics
from services.sink.migrations import MigrationError, migrate, read_migrations
from services.sink.retry import patiently
from services.sink.sink import Sink
from services.sink.watch import Watcher

EXIT_HUMAN: Final = 2  # settings, or tables and log that do not fit: starting again would not help
EXIT_UNAVAILABLE: Final = 3
OPEN_S_MAX: Final = 20.0  # a predecessor that was told to stop may still hold the directory


def main() -> None:
    """Run until told to stop; a line on standard error and an exit code say why it cannot go on."""
    parser = argparse.ArgumentParser(prog="python -m services.sink", description=__doc__)
    parser.add_argument(
        "--rebuild", action="store_true", help="fill empty tables from the log, although they were filled before"
    )
    rebuild = parser.parse_args().rebuild
    try:
        settings = read_settings()
        configure_logs(settings)
        collect_seldom()
        fetch_lean()
        asyncio.run(run(settings, rebuild=rebuild))
    except (SettingsError, UnsafeStartError, MigrationError) as error:
        _end(error, EXIT_HUMAN)
    except Unavailable as error:
        _end(error, EXIT_UNAVAILABLE)


async def run(settings: Settings, *, rebuild: bool = False) -> None:
    """Serve and move records until SIGTERM or SIGINT; the insert in hand is finished first."""
    stop = stop_on_signals()
    warehouse = await patiently(lambda: asyncio.to_thread(open_warehouse, settings), stop=stop, limit_s=OPEN_S_MAX)
    try:
        await asyncio.to_thread(migrate, warehouse, read_migrations())
        metrics = Metrics()
        sink = Sink(settings, warehouse, metrics=metrics, stop=stop, rebuild=rebuild)
        watcher = Watcher(lambda: open_warehouse(settings), registry=metrics.registry)
        app = FastAPI(title="Hoso sink", docs_url=None, redoc_url=None, openapi_url=None)
        add_health(app, checks={"sink": sink.check}, registry=metrics.registry)
        if not settings.clickhouse:
            from services.sink.sql_door import create_sql_door  # with the engine, which a server's sink has not

            app.mount("/", create_sql_door(embedded_path(settings)))  # last: what is no health page is for ClickHouse
        serving = serve(app, host=settings.host, port=settings.sql_port, setting="HOSO_SQL_PORT", stop=stop)
        await _both(serving, sink.run(), watcher.run(stop=stop), stop=stop)
    finally:
        warehouse.close()


def open_warehouse(settings: Settings) -> Warehouse:
    """The ClickHouse that the settings name: a server, or the embedded engine in var."""
    if not settings.clickhouse:
        return open_embedded(embedded_path(settings))
    return open_server(**access_of(settings))


def embedded_path(settings: Settings) -> Path:
    """Where the embedded engine keeps its data."""
    return settings.var / "clickhouse"


async def _both(*parts: Coroutine[Any, Any, None], stop: asyncio.Event) -> None:
    """Run all until one ends; then stop the others in good order. The first error is raised."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.set()
        await asyncio.wait(tasks)
    for task in tasks:
        task.result()


def _end(error: Exception, code: int) -> None:
    sys.stderr.write(f"hoso sink: {error}\n")
    sys.exit(code)
