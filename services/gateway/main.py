"""The gateway as a process: settings, pieces, and their order of starting and stopping."""

import asyncio
import sys
from contextlib import AsyncExitStack
from typing import Final

from schemas.errors import SettingsError, Unavailable
from schemas.logs import configure_logs
from schemas.reference import read_policies
from schemas.settings import Settings, read_settings
from schemas.topics import EVENTS, POLICIES, UNITS
from services.garbage import collect_seldom
from services.gateway.app import create_app
from services.gateway.intake import Intake
from services.gateway.log import KafkaLog
from services.gateway.metrics import Metrics
from services.gateway.portal import Portal
from services.gateway.reference import Followed
from services.gateway.repeats import Window
from services.gateway.sources import Sources
from services.gateway.warm import warm
from services.http import serve, stop_on_signals

EXIT_SETTINGS: Final = 2  # a supervisor does not start it again
EXIT_UNAVAILABLE: Final = 3


def main() -> None:
    """Run until told to stop; a line says what to change when it cannot. Exit code 2: the settings, 3: the broker."""
    try:
        settings = read_settings()
        configure_logs(settings)
        collect_seldom()
        asyncio.run(run(settings))
    except (SettingsError, Unavailable) as error:
        sys.stderr.write(f"hoso gateway: {error}\n")
        sys.exit(EXIT_SETTINGS if isinstance(error, SettingsError) else EXIT_UNAVAILABLE)


async def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT: then refuse what is new, finish what is in flight, and send what waits."""
    stop = stop_on_signals()
    log = KafkaLog(bootstrap=settings.bootstrap, topic=settings.topics[EVENTS])
    units = Followed(settings, UNITS)
    policies = Followed(settings, POLICIES, given=read_policies(settings.policies_file))  # these hold in any case
    sources = Sources(settings.sources_path)
    window: Window[int] = Window(settings.repeat_window)
    intake = Intake(log=log, units=units, policies=policies, window=window)
    app = create_app(
        intake=intake,
        portal=Portal(intake=intake, now=settings.now),
        sources=sources,
        checks={"broker": log.check, "units": units.check, "policies": policies.check, "sources": sources.check},
        metrics=Metrics(window=window),
        body_bytes_max=settings.body_bytes_max,
    )
    async with AsyncExitStack() as opened:
        for piece in (log, units, policies):
            opened.push_async_callback(piece.stop)
            if not await _before(stop, asyncio.create_task(piece.start())):
                return
        following = [asyncio.create_task(piece.follow()) for piece in (units, policies)]
        for task in following:
            task.add_done_callback(lambda _: stop.set())  # it ends by itself only when it fails
        warming = asyncio.create_task(
            warm(window, bootstrap=settings.bootstrap, topic=settings.topics[EVENTS], events_max=settings.repeat_window)
        )
        try:
            await serve(app, host=settings.host, port=settings.gateway_port, setting="HOSO_GATEWAY_PORT", stop=stop)
        finally:
            for task in (*following, warming):
                task.cancel()
            ends = await asyncio.gather(*following, warming, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end


async def _before(stop: asyncio.Event, starting: asyncio.Task[None]) -> bool:
    """Whether `starting` ended well before `stop` came, which ends it."""
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if starting.done():
        starting.result()
        return True
    starting.cancel()
    await asyncio.wait([starting])
    return False
