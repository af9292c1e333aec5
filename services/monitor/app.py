"""One running monitor: reading, publishing and serving side by side until told to stop."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final
from zoneinfo import ZoneInfo

from prometheus_client import CollectorRegistry

from schemas.errors import SettingsError
from schemas.reference import read_policies
from schemas.settings import Settings
from services.http import serve
from services.monitor.api import create_app
from services.monitor.board import Heartbeat
from services.monitor.feed import Feed
from services.monitor.freshness import LogEnds, judge
from services.monitor.metrics import MonitorCollector
from services.monitor.page import page_build
from services.monitor.published import Published
from services.monitor.views import Freshness

PUBLISH_EVERY_S: Final = 0.01  # at most so often
FRESHNESS_S: Final = 0.25  # when nothing came: silence too must become visible
READER_S: Final = 0.000_25  # for each reader of the stream: a fifth of a core for all, at 50 us a message and reader


class Monitor:
    """What one monitor holds; `clock` is the wall clock in seconds, by which heartbeats are judged."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self._zone = _zone(settings)
        self.published = Published(
            run=int(clock() * 1000),  # grows from run to run, so that the ids of the stream do
            page=page_build(),
            freshness=self._judge([], LogEnds()),
        )
        self.feed = Feed(settings, published=self.published, clock=clock)

    async def run(self, *, stop: asyncio.Event) -> None:
        """Serve until `stop`; `SettingsError` when the port is taken."""
        registry = CollectorRegistry()
        registry.register(MonitorCollector(self.published, self.feed))
        app = create_app(
            self.published, checks={"counters": self._check_counters, "broker": self._check_broker}, registry=registry
        )
        try:
            async with asyncio.TaskGroup() as group:
                readers = [group.create_task(each) for each in (self.feed.follow(), self.feed.watch_log())]
                readers += [group.create_task(each) for each in (self._publish(), self._close(stop))]
                await serve(
                    app,
                    host=self._settings.host,
                    port=self._settings.monitor_port,
                    setting="HOSO_MONITOR_PORT",
                    stop=stop,
                )
                for task in readers:
                    task.cancel()
        except ExceptionGroup as errors:  # not `except*`: what it raises, Python 3.11.2 wraps in a group again
            if wrong := errors.subgroup(SettingsError):
                raise wrong.exceptions[0] from None
            raise

    async def _publish(self) -> None:
        while True:
            started_s = time.monotonic()
            freshness = self._judge(self.published.board.heartbeats, self.feed.log_ends)
            self.published.advance(freshness, now_s=self._clock())
            # With hundreds of units it takes tenths of a second: three quarters of the time are for everyone else.
            took_s = time.monotonic() - started_s
            await asyncio.sleep(max(PUBLISH_EVERY_S, READER_S * self.published.readers, 3 * took_s))
            with suppress(TimeoutError):
                async with asyncio.timeout(FRESHNESS_S):
                    await self.feed.moved.wait()
            self.feed.moved.clear()

    async def _close(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self.published.close()

    def _judge(self, heartbeats: Sequence[Heartbeat], log_ends: LogEnds) -> Freshness:
        return judge(
            heartbeats,
            log_ends,
            now_s=self._clock(),
            stale_after_s=self._settings.stale_after_s,
            zone=self._zone,
        )

    async def _check_counters(self) -> str:
        return "" if self.feed.complete else "the counters are not read to their end yet"

    async def _check_broker(self) -> str:
        if self.published.freshness.broker_reachable:
            return ""
        return f"no answer from {self._settings.bootstrap}; see HOSO_KAFKA"


def _zone(settings: Settings) -> ZoneInfo:
    """The zone of the offices: that of the policy in force."""
    policies = read_policies(settings.policies_file)
    if settings.policy not in policies:
        raise SettingsError(f"HOSO_POLICY: there is no policy {settings.policy}; there are: {', '.join(policies)}")
    return ZoneInfo(policies[settings.policy].zone)
