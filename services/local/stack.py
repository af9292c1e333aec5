"""The whole of Hoso on this machine: broker, worker, gateway, sink and monitor under one supervisor.

    with left_on_signals():
        async with LocalStack(settings, notify=print) as stack:  # everything answers
            ...

Promises: inside the block all parts answered, and a part that dies is started again and told (services.local.keeper).
When one cannot live, the block is cancelled and the reason raised. After the block nothing is left running, and what
the supervisor could not end, even because it was killed itself, ends by its leash. One stack per data folder.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Final, Self

import httpx
from aiokafka.errors import KafkaError

from schemas.errors import SettingsError, Unavailable
from schemas.settings import Settings
from services.local.keeper import Keeper, Notify, Part
from services.local.key import ensure_key, read_key
from services.local.lock import Owner, only_one
from services.local.parts import SERVICES, log_of, service
from services.local.ports import BROKER_HOST, check_ports, url
from services.topics import ensure_topics, publish_reference

BROKER: Final = "broker"
READY_S_MAX: Final = 120.0  # 15 s on two idle cores; a worker that reads back a million states needs longer
Progress = Callable[[int, int], None]  # (jars done, jars in all)


class LocalStack:
    """An asynchronous context manager; the data is in `settings.var` and stays there.

    `rebuild`: tables that are empty although they were filled before are filled from the log, not refused.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        notify: Notify,
        progress: Progress = lambda _done, _all: None,
        rebuild: bool = False,
    ) -> None:
        self.settings = settings
        self.urls: Final = {
            "page": f"{url(settings, settings.monitor_port)}/",
            "gateway": f"{url(settings, settings.gateway_port)}/v1/events",
            "reports": f"{url(settings, settings.reports_port)}/v1/report",
            "sql": settings.clickhouse or url(settings, settings.sql_port),
            "kafka": settings.kafka or f"{BROKER_HOST}:{settings.kafka_port}",
            "logs": str(settings.var / "log"),
        }
        self._notify = notify
        self._progress = progress
        self._arguments = {"sink": ["--rebuild"]} if rebuild else {}
        self._keepers: dict[str, Keeper] = {}
        self._keeping: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self._context: AbstractAsyncContextManager[None] | None = None

    @property
    def key(self) -> str | None:
        """The API key of this machine's own source; None when a sources file of yours is used."""
        return read_key(self.settings)

    def pid_of(self, name: str) -> int | None:
        """The process id of a part; None while it is down."""
        return self._keepers[name].pid

    async def __aenter__(self) -> Self:
        """Start everything; `AlreadyRunning`, `SettingsError` or `Unavailable` when that cannot be."""
        self._context = self._run()
        await self._context.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        """Stop everything."""
        assert self._context is not None
        return await self._context.__aexit__(kind, error, traceback)

    @asynccontextmanager
    async def _run(self) -> AsyncIterator[None]:
        owner = asyncio.current_task()
        assert owner is not None
        with only_one(self.settings.var, Owner(pid=os.getpid(), urls=self.urls)):
            check_ports(self.settings)
            try:
                async with httpx.AsyncClient(trust_env=False) as client:  # no proxy between us and this machine
                    await self._start(client, owner)
                    yield
            except asyncio.CancelledError:
                if self._failure is None or owner.uncancel():
                    raise
                raise self._failure from None
            finally:
                await self._stop()

    async def _start(self, client: httpx.AsyncClient, owner: asyncio.Task[object]) -> None:
        if not self.settings.kafka:
            await self._begin([await self._broker()], owner)
        await self._prepare()
        parts = [service(name, self.settings, client, arguments=self._arguments.get(name, ())) for name in SERVICES]
        await self._begin(parts, owner)

    async def _broker(self) -> Part:
        try:  # the wheels that only this part of the stack needs
            from services.local.broker import Broker, start_broker
            from services.local.jars import fetch_jars
        except ImportError as error:
            raise SettingsError(
                f"{error.name} is not installed: pip install 'hoso[local]', or set HOSO_KAFKA to a broker of yours"
            ) from error
        var, log = self.settings.var.absolute(), log_of(self.settings, BROKER)
        jars = await fetch_jars(var / "kafka" / "jars", progress=self._progress)

        async def start() -> Broker:
            return await start_broker(
                data_dir=var / "kafka" / "data",
                jars=jars,
                port=self.settings.kafka_port,
                controller_port=self.settings.kafka_controller_port,
                log=log,
            )

        async def missing() -> str:
            return ""  # a started broker has answered

        return Part(name=BROKER, where=self.urls["kafka"], log=log, start=start, missing=missing)

    async def _prepare(self) -> None:
        """What the parts expect to find: topics, reference data, a key."""
        try:
            made = await ensure_topics(self.settings)
            written = sum((await publish_reference(self.settings)).values())
        except (KafkaError, OSError) as error:
            raise Unavailable(f"Kafka at {self.urls['kafka']} does not answer; check HOSO_KAFKA") from error
        if made or written:
            self._notify(f"{len(made)} topics made, {written} records of reference data written")
        ensure_key(self.settings)

    async def _begin(self, parts: Sequence[Part], owner: asyncio.Task[object]) -> None:
        """Start parts side by side and return when all have answered."""

        def ended(task: asyncio.Task[None]) -> None:
            if self._failure is None and task in self._keeping and not task.cancelled():  # `_run` takes back one cancel
                self._failure = task.exception()
                owner.cancel()

        keepers = [Keeper(part, notify=self._notify) for part in parts]
        for keeper in keepers:
            self._notify(f"{keeper.part.name} starts")
            self._keepers[keeper.part.name] = keeper
            task = asyncio.create_task(keeper.keep())
            self._keeping.add(task)
            task.add_done_callback(ended)
        for keeper in keepers:
            try:
                async with asyncio.timeout(READY_S_MAX):
                    await keeper.ready.wait()
            except TimeoutError:
                late = f"{keeper.part.name} is not ready after {READY_S_MAX:.0f} s"
                raise Unavailable(f"{late} ({keeper.missing}); see {keeper.part.log}") from None

    async def _stop(self) -> None:
        """What takes work in first, the broker last; a cancellation, such as a second signal, kills the rest."""
        if self._keepers:
            self._notify("stopping")
        keeping, self._keeping = self._keeping, set()
        for task in keeping:
            task.cancel()
        try:
            await asyncio.gather(*keeping, return_exceptions=True)
            await asyncio.gather(*(self._keepers[name].stop() for name in SERVICES if name in self._keepers))
            if BROKER in self._keepers:
                await self._keepers[BROKER].stop()
        finally:
            await asyncio.gather(*(keeper.kill() for keeper in self._keepers.values()))
