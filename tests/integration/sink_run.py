"""A sink as a process of its own: the embedded engine allows one per directory, and only a process can be killed."""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import anyio
import httpx

from schemas.settings import PREFIX
from schemas.topics import TOPICS
from services.local.leash import leashed
from tests.kafka import create_topic, free_port

WAIT_S_MAX: Final = 60.0
POLL_S: Final = 0.05


async def create_topics(bootstrap: str, prefix: str, *, partitions: int = 2) -> None:
    """All topics under `prefix`, as the list says, with few partitions."""
    for topic in TOPICS:
        count = partitions if topic.partitions == "setting" else topic.partitions
        await create_topic(bootstrap, prefix + topic.name, partitions=count, configs=topic.config)


@dataclass(slots=True)
class RunningSink:
    """A sink process and its SQL door."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    async def ask(self, sql: str) -> list[list[Any]]:
        """The rows of a SELECT, over HTTP."""
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(self.url, content=f"{sql} FORMAT JSONCompact".encode(), timeout=WAIT_S_MAX)
        assert answer.status_code == 200, answer.text
        rows: list[list[Any]] = answer.json()["data"]
        return rows

    async def metrics(self) -> str:
        """What /metrics says."""
        async with httpx.AsyncClient(trust_env=False) as client:
            return (await client.get(f"{self.url}/metrics")).text

    async def count(self, table: str, where: str = "1") -> int:
        """How many rows."""
        return int((await self.ask(f"SELECT count() FROM {table} WHERE {where}"))[0][0])

    async def until(self, reached: Callable[["RunningSink"], Any]) -> None:
        """Wait until the awaited answer is true."""
        with anyio.fail_after(WAIT_S_MAX):
            while not await reached(self):
                assert self.process.poll() is None, self.tail()
                await anyio.sleep(POLL_S)

    async def is_ready(self) -> bool:
        """What /readyz says."""
        async with httpx.AsyncClient(trust_env=False) as client:
            try:
                return (await client.get(f"{self.url}/readyz")).status_code == 200
            except httpx.TransportError:
                return False

    async def end(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        return await self.code()

    async def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        await self.code()

    async def code(self) -> int:
        """The exit code, once there is one."""
        with anyio.fail_after(WAIT_S_MAX):
            while self.process.poll() is None:  # noqa: ASYNC110 - a child process tells nobody
                await anyio.sleep(POLL_S)
        return self.process.returncode

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-3000:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Topics, a directory and a port, on which one sink after another may run. The port makes it the same member."""

    bootstrap: str
    prefix: str
    var: Path
    port: int = field(default_factory=free_port)

    def start(self, *arguments: str, **settings: object) -> RunningSink:
        """Start a sink; it may not be ready yet, or may never be."""
        values = {
            "kafka": self.bootstrap,
            "topic_prefix": self.prefix,
            "var": self.var,
            "sql_port": self.port,
            **settings,
        }
        environment = {f"{PREFIX}{name.upper()}": str(value) for name, value in values.items()}
        log = self.var / "sink.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                leashed([sys.executable, "-m", "services.sink", *arguments]),
                env=environment,
                stdout=output,
                stderr=output,
            )
        return RunningSink(process, f"http://127.0.0.1:{self.port}", log)

    @asynccontextmanager
    async def running(self, *arguments: str, **settings: object) -> AsyncIterator[RunningSink]:
        """A sink that is ready; ended in good order when the test is through."""
        sink = self.start(*arguments, **settings)
        try:
            await sink.until(RunningSink.is_ready)
            yield sink
            assert sink.process.poll() is not None or await sink.end() == 0, sink.tail()
        finally:
            if sink.process.poll() is None:
                await sink.kill()
