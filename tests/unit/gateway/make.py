"""A gateway in one process: the real application around a log in memory. All data is synthetic."""

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
from aiokafka.partitioner import DefaultPartitioner
from starlette.types import ASGIApp

from schemas.errors import Unavailable
from services.gateway.app import EVENTS_PATH, create_app
from services.gateway.intake import Intake
from services.gateway.log import Address, Record
from services.gateway.metrics import Metrics
from services.gateway.portal import Portal
from services.gateway.repeats import Window
from services.gateway.sources import EVERY_UNIT, Sources, create_source

SOURCE: Final = "urn:hoso:test"
UNIT: Final = "06808"
OTHER_UNIT: Final = "06811"
STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
LINES: Final = "application/x-ndjson"


class FakeLog:
    """The log in memory; it passes the suite of the real one (tests/integration/test_gateway.py)."""

    def __init__(self, *, partitions: int = 4) -> None:
        self.partitions: list[list[Record]] = [[] for _ in range(partitions)]
        self.silent_for: set[bytes] = set()  # keys that the broker does not acknowledge

    async def append(self, records: Sequence[Record]) -> list[Address | None]:
        return [self._store(*record) for record in records]

    def _store(self, key: bytes, value: bytes) -> Address | None:
        if key in self.silent_for:
            return None
        numbers = list(range(len(self.partitions)))
        number = DefaultPartitioner()(key, numbers, numbers)
        self.partitions[number].append((key, value))
        return number, len(self.partitions[number]) - 1

    @property
    def values(self) -> list[bytes]:
        return [value for partition in self.partitions for _, value in partition]


@dataclass
class FakeIds:
    """Ids known now, and those that are in the topic and not yet here."""

    known: set[str]
    coming: set[str] = field(default_factory=set)
    reads: int = 0
    down: bool = False

    def __contains__(self, id_: object) -> bool:
        return id_ in self.known

    async def catch_up(self) -> None:
        if self.down:
            raise Unavailable("the topic cannot be read")
        self.reads += 1
        self.known |= self.coming


@dataclass
class Clock:
    """The office's clock, held still."""

    now: datetime = datetime(2021, 6, 1, 3, 0, tzinfo=UTC)  # 10:00 in the office


@dataclass
class Gateway:
    """The application, its pieces, and a client that knows the key."""

    app: ASGIApp
    client: httpx.AsyncClient
    log: FakeLog
    units: FakeIds
    policies: FakeIds
    sources_path: Path
    clock: Clock

    async def post(self, body: bytes | str | dict[str, Any], media: str = STRUCTURED, **headers: Any) -> httpx.Response:
        content = json.dumps(body) if isinstance(body, dict) else body
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return await self.client.post(EVENTS_PATH, content=content, headers={"content-type": media, **named})


@asynccontextmanager
async def gateway(
    folder: Path,
    *,
    key_units: Iterable[str] = (EVERY_UNIT,),
    body_bytes_max: int = 1 << 20,
    repeat_window: int = 1000,
    dossiers_max: int = 1000,
) -> AsyncIterator[Gateway]:
    path = folder / "sources.json"
    key = create_source(path, SOURCE, key_units)
    log, units, policies, sources = FakeLog(), FakeIds({UNIT, OTHER_UNIT}), FakeIds({"vn-day-1"}), Sources(path)
    intake = Intake(log=log, units=units, policies=policies, window=Window(repeat_window))
    clock = Clock()
    app = create_app(
        intake=intake,
        portal=Portal(intake=intake, now=lambda: clock.now, dossiers_max=dossiers_max),
        sources=sources,
        checks={"units": _well, "sources": sources.check},
        metrics=Metrics(),
        body_bytes_max=body_bytes_max,
    )
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    headers = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as client:
        yield Gateway(app, client, log, units, policies, path, clock)


def accepted(**changes: Any) -> dict[str, Any]:
    """An acceptance; `data` holds changes of the data, None takes a field away."""
    data = {"unit_id": UNIT, "procedure_id": "1.001612", "channel": "direct"} | changes.pop("data", {})
    event = {
        "specversion": "1.0",
        "type": "vn.hoso.dossier.accepted.v1",
        "id": "e-1",
        "source": SOURCE,
        "subject": "H49-210301-0001",
        "time": "2021-03-01T08:30:00+07:00",
        "data": {name: value for name, value in data.items() if value is not None},
    } | changes
    return {name: value for name, value in event.items() if value is not None}


def line(**changes: Any) -> bytes:
    """An acceptance as one line of a body."""
    return json.dumps(accepted(**changes)).encode()


async def _well() -> str:
    return ""
