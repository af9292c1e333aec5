"""One running reports process: it holds nothing, and asks ClickHouse for each question anew."""

import asyncio
from functools import partial

from schemas.errors import SettingsError, Unavailable
from schemas.settings import Settings
from schemas.tables import RAW_EVENTS
from services.http import serve
from services.reports.answers import Answers
from services.reports.api import Metrics, create_app
from services.reports.door import open_tables
from services.reports.rulebooks import Rules


async def run(settings: Settings, *, stop: asyncio.Event) -> None:
    """Serve until `stop`; `SettingsError` when the port is taken."""
    app = create_app(
        Answers(settings, partial(open_tables, settings)),
        checks={"clickhouse": partial(asyncio.to_thread, _check, settings)},
        metrics=Metrics(),
    )
    await serve(app, host=settings.host, port=settings.reports_port, setting="HOSO_REPORTS_PORT", stop=stop)


def _check(settings: Settings) -> str:
    try:
        with open_tables(settings) as ask:
            if not ask(
                "SELECT name FROM system.tables WHERE concat(database, '.', name) = {name:String}", {"name": RAW_EVENTS}
            ):
                return "the tables are not made yet: the sink does so"
            Rules.read(ask, settings).in_force()
    except (Unavailable, SettingsError) as error:
        return str(error)
    return ""
