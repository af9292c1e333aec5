"""A gateway as a process beside a real broker, an upstream that loads it, and what then lies in the log."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer, ConsumerRecord

from schemas.codec import STRUCTURED
from schemas.reference import Unit
from schemas.settings import Settings, read_settings
from schemas.topics import EVENTS
from services.gateway.sources import create_source
from services.topics import ensure_topics, publish_units
from tests.kafka import free_port
from tests.unit.gateway.make import LINES, OTHER_UNIT, SOURCE, UNIT, accepted

WAIT_S_MAX = 60.0
EVENTS_URL = "/v1/events"


@dataclass
class Running:
    """A gateway process and a client that knows its key."""

    settings: Settings
    process: asyncio.subprocess.Process
    client: httpx.AsyncClient

    async def stop(self) -> int:
        """SIGTERM; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(WAIT_S_MAX):
            return await self.process.wait()

    async def post(self, body: bytes | dict[str, Any], media: str = STRUCTURED) -> httpx.Response:
        content = json.dumps(body).encode() if isinstance(body, dict) else body
        return await self.client.post(EVENTS_URL, content=content, headers={"content-type": media})

    async def log(self) -> list[ConsumerRecord[bytes, bytes]]:
        return await read_all(self.settings.bootstrap, self.settings.topics[EVENTS])


def environment(folder: Path, bootstrap: str, **settings: str) -> dict[str, str]:
    return {
        "HOSO_KAFKA": bootstrap,
        "HOSO_VAR": str(folder),
        "HOSO_TOPIC_PREFIX": f"{folder.name}-",
        "HOSO_GATEWAY_PORT": str(free_port()),
    } | settings


@asynccontextmanager
async def prepared(folder: Path, bootstrap: str, **settings: str) -> AsyncIterator[Callable[[], Awaitable[Running]]]:
    """Topics, units and a key; yields what starts a gateway on them. What is still running at the end is killed."""
    env = environment(folder, bootstrap, **settings)
    read = read_settings(env)
    await ensure_topics(read)
    await publish_units(read, [Unit(id=unit, name_vi="Thử", name_en="Test") for unit in (UNIT, OTHER_UNIT)])
    key = create_source(read.sources_path, SOURCE, ["*"])
    running: list[Running] = []

    async def start() -> Running:
        process = await spawn(env, log=folder / "gateway.log")
        client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{read.gateway_port}",
            headers={"authorization": f"Bearer {key}"},
            timeout=WAIT_S_MAX,
        )
        running.append(Running(read, process, client))
        await until(lambda: is_ready(client))
        return running[-1]

    try:
        yield start
    finally:
        for each in running:
            await each.client.aclose()
            if each.process.returncode is None:
                each.process.kill()
                await each.process.wait()


async def spawn(env: dict[str, str], *, log: Path) -> asyncio.subprocess.Process:
    with log.open("ab") as said:
        return await asyncio.create_subprocess_exec(sys.executable, "-m", "services.gateway", env=env, stderr=said)


class Upstream:
    """Several senders that send bodies and single events, each again until it is taken; and what they were promised."""

    def __init__(self, gateway: Running, *, senders: int, body_events: int) -> None:
        self.promised: dict[str, tuple[int, int] | None] = {}
        self.refusals = 0
        self._gateway = gateway
        self._body_events = body_events
        self._stopped = False
        self._tasks = [asyncio.create_task(self._send(sender)) for sender in range(senders)]

    async def stop(self) -> None:
        self._stopped = True
        await asyncio.gather(*self._tasks)

    async def _send(self, sender: int) -> None:
        number = 0
        while not self._stopped:
            number += 1
            count = self._body_events if number % 4 else 1
            events = [accepted(id=f"{sender}-{number}-{n}", subject=f"H49-{sender}-{n % 40}") for n in range(count)]
            while not (items := await self._sent(events)) and not self._stopped:
                self.refusals += 1
            for event, item in zip(events, items, strict=False):
                self.promised[event["id"]] = (item["partition"], item["offset"]) if "offset" in item else None

    async def _sent(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The items of a 2xx; none after a 503, or when the gateway is gone."""
        body = b"\n".join(json.dumps(event).encode() for event in events)
        try:
            answer = await self._gateway.post(body, STRUCTURED if len(events) == 1 else LINES)
        except httpx.TransportError:
            assert self._stopped
            return []
        assert answer.status_code in (200, 202, 503)
        if not answer.is_success:
            return []
        document = answer.json()
        return [document] if len(events) == 1 else list(document["items"])


async def read_all(bootstrap: str, topic: str) -> list[ConsumerRecord[bytes, bytes]]:
    """Every record of a topic."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        partitions = list(consumer.assignment())
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning()
        records: list[ConsumerRecord[bytes, bytes]] = []
        while any([await consumer.position(each) < ends[each] for each in partitions]):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                records.extend(batch)
        return records
    finally:
        await consumer.stop()


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(WAIT_S_MAX):
        while not await holds():  # noqa: ASYNC110 - other processes set no event
            await asyncio.sleep(0.05)


async def is_ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/readyz")).status_code == 200
    except httpx.TransportError:
        return False
