"""A whole local stack with a second worker, its killers, and the comparison of everything with a recount of the log."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import clickhouse_connect
import httpx
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas import topics
from schemas.settings import Settings, read_settings
from services.demo.year import YEAR_END
from services.local.leash import leashed
from services.local.parts import environment_of
from services.local.stack import LocalStack
from streams.kafka import Log
from tests.kafka import JARS, free_port

SETTLE_S_MAX = 120.0
POLL_S = 0.2
PORTS = ("kafka", "kafka_controller", "worker", "gateway", "monitor", "sql")


def stand_settings(folder: Path) -> Settings:
    """Everything on free ports, with a short session so that a paused worker is given up soon."""
    jars = folder / "kafka" / "jars"
    jars.parent.mkdir(parents=True)
    jars.symlink_to(JARS)
    ports = {f"HOSO_{name.upper()}_PORT": str(free_port()) for name in PORTS}
    return read_settings(
        {"HOSO_VAR": str(folder), "HOSO_SESSION_TIMEOUT_S": "6", "HOSO_CLOCK": YEAR_END.isoformat(), **ports}
    )


class Stand:
    """The running stack and what a round does to it."""

    def __init__(self, settings: Settings, stack: LocalStack) -> None:
        self.settings = settings
        self.stack = stack
        self.log = Log(settings.bootstrap)
        self.second: subprocess.Popen[bytes] | None = None
        self.second_port = free_port()

    def pid_of(self, name: str) -> int | None:
        """The process id of a part's present incarnation; None while it is down."""
        return self.stack.pid_of(name)

    def ensure_second_worker(self) -> None:
        """A second worker in the same group, outside the supervisor: nobody else starts it anew when it has ended."""
        if self.second is not None and self.second.poll() is None:
            return
        settings = self.settings.model_copy(update={"worker_port": self.second_port})
        with (self.settings.var / "log" / "second.log").open("ab") as output:
            self.second = subprocess.Popen(
                leashed([sys.executable, "-m", "streams"]),
                env=environment_of(settings, os.environ),
                stdout=output,
                stderr=output,
            )

    async def owned(self, port: int) -> set[int]:
        """The partitions that the worker at this port has open."""
        try:
            async with httpx.AsyncClient(trust_env=False) as client:
                answer = await client.get(f"http://{self.settings.host}:{port}/readyz", timeout=2)
        except httpx.HTTPError:
            return set()
        return set(map(int, answer.json().get("partitions", {})))

    async def settled(self) -> None:
        """Wait until every event is counted and every record is in ClickHouse."""
        names, partitions = self.settings.topics, range(self.settings.partitions)
        ends = {partition: await self.log.end_offset(names[topics.EVENTS], partition) for partition in partitions}

        async def counted() -> bool:
            committed = [
                (await self.log.committed(self.settings.group, names[topics.EVENTS], p)).offset for p in partitions
            ]
            return committed == list(ends.values())

        await until(counted, "every event counted")

        def stored() -> bool:
            return dict(self.ask("SELECT kpart, max(koffset) + 1 FROM raw.events GROUP BY kpart")) == ends

        await until(stored, "every record in ClickHouse")

    def ask(self, query: str) -> list[Any]:
        """Rows from the SQL door; none while it is down."""
        try:
            client = clickhouse_connect.get_client(
                host=self.settings.host, port=self.settings.sql_port, autogenerate_session_id=False
            )
            return list(client.query(query).result_rows)
        except ClickHouseError:
            return []


async def until(condition: Callable[[], Any], what: str, *, limit_s: float = SETTLE_S_MAX) -> None:
    """Wait for a condition, plain or asynchronous; a clear failure when it does not come."""
    try:
        async with asyncio.timeout(limit_s):
            while True:
                found = condition()
                if asyncio.iscoroutine(found):
                    found = await found
                if found:
                    return
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise AssertionError(f"not within {limit_s:.0f} s: {what}") from None


@asynccontextmanager
async def stand(folder: Path) -> AsyncIterator[Stand]:
    """A stack for one round; nothing is left afterwards."""
    settings = stand_settings(folder)
    async with LocalStack(settings, notify=print) as stack:
        found = Stand(settings, stack)
        try:
            yield found
        finally:
            if found.second is not None:
                found.second.kill()
                found.second.wait()
