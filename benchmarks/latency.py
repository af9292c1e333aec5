"""From the gateway's 2xx to the counter on the monitor's stream: idle, and at half of what the chain takes.

Gateway, worker, monitor, broker and the sender of the load are processes of their own. A probe is one event of a
unit that nothing else names; its wait runs from the gateway's answer until a reader of the stream holds a count with
it. Half load is half of the rate at which the same processes have just taken bodies of events, from the gateway to
committed counters. Budgets stand as peers. Checked: every probe and every dossier of the load is counted once.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Final

import httpx
import msgspec

from benchmarks.http_load import Load, send
from benchmarks.processor import received
from benchmarks.report import Comparison
from benchmarks.serving import cpu_s, serving
from benchmarks.stand import PORT, broker, environment, make_topics
from schemas.codec import EVENT_OF_KIND, STRUCTURED, encode, new_event
from schemas.events import Channel, Kind
from schemas.settings import Settings, read_settings
from schemas.topics import EVENTS as EVENT_TOPIC
from services.cli.output import print_rows
from services.demo.year import PLANS, SOURCE, Plan, events
from services.gateway.sources import create_source
from streams.kafka import Log

PROBE_UNIT: Final = "22.YENTU"
PROBED_AT: Final = datetime(2021, 6, 1, 2, tzinfo=UTC)
EVENTS: Final = 450_000  # about three of each dossier
FLOOD: Final = 150_000  # of them, as fast as they are taken
FLOOD_BODY: Final = 1_000  # events of a body
STEADY_BODY: Final = 100
SENDERS: Final = 8
ACCEPTED: Final = EVENT_OF_KIND[Kind.ACCEPTED].type.encode()
IDLE_PROBES: Final = 150
LOADED_PROBES: Final = 300
SETTLED_S: Final = 2.0  # of load before the first probe
GAP_S: Final = (0.01, 0.04)  # between a probe's answer and the next probe
IDLE_GAP_S: Final = (0.05, 0.25)
WAIT_S_MAX: Final = 30.0
POLL_S: Final = 0.05

BUDGETS_MS: Final = {50: 40.0, 99: 150.0}  # by percentile
BUCKETS_MS: Final = (5, 10, 20, 40, 80, 150, 300, 600)


class _Total(msgspec.Struct):
    received: int


class _Unit(msgspec.Struct):
    id: str
    total: _Total | None


class _Message(msgspec.Struct):
    units: list[_Unit] = []


class _Counts:
    """The probe unit's count as the stream tells it, and when each count was first seen."""

    def __init__(self) -> None:
        self.seen_at: list[float] = []  # by count
        self._moved = asyncio.Event()

    async def read(self, client: httpx.AsyncClient) -> None:
        """Follow the stream until cancelled."""
        decoder = msgspec.json.Decoder(_Message)
        async with client.stream("GET", "/v1/stream", timeout=None) as response:
            async for line in response.aiter_lines():
                if line.startswith("data:"):
                    now = perf_counter()
                    for unit in decoder.decode(line[5:]).units:
                        if unit.id == PROBE_UNIT and unit.total is not None:
                            self._saw(unit.total.received, now)

    async def until(self, count: int) -> None:
        """Wait for it."""
        async with asyncio.timeout(WAIT_S_MAX):
            while len(self.seen_at) < count:
                self._moved.clear()
                await self._moved.wait()

    def _saw(self, count: int, now: float) -> None:
        self.seen_at += [now] * (count - len(self.seen_at))
        self._moved.set()


class _Probes:
    """Sends events one after the other and remembers when each was answered."""

    def __init__(self, client: httpx.AsyncClient, counts: _Counts, key: str) -> None:
        self._client = client
        self._counts = counts
        self._headers = {"authorization": f"Bearer {key}", "content-type": STRUCTURED}
        self._answered_at: list[float] = []
        self._random = Random(7)

    @property
    def sent(self) -> int:
        """How many."""
        return len(self._answered_at)

    async def waits_ms(self, count: int, *, gap_s: tuple[float, float]) -> list[float]:
        """Send so many; milliseconds from each answer to its count."""
        first = len(self._answered_at)
        for number in range(first, first + count):
            answer = await self._client.post("/v1/events", content=_probe(number), headers=self._headers)
            self._answered_at.append(perf_counter())
            if answer.status_code != 202:
                raise RuntimeError(f"the gateway answered {answer.status_code}: {answer.text}")
            await asyncio.sleep(self._random.uniform(*gap_s))
        await self._counts.until(first + count)
        if len(self._counts.seen_at) > len(self._answered_at):
            raise RuntimeError(f"{len(self._counts.seen_at)} probes were counted, {len(self._answered_at)} were sent")
        pairs = zip(self._answered_at[first:], self._counts.seen_at[first:], strict=True)
        return [max(0.0, seen - answered) * 1000 for answered, seen in pairs]


def main() -> list[Comparison]:
    """Measure and return the comparisons."""
    return asyncio.run(_measure())


async def _measure() -> list[Comparison]:
    waits_ms = {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        async with broker(root) as running:
            assert running.pid is not None
            variables = environment(root, "latency", gateway_port=PORT + 3, monitor_port=PORT + 4)
            settings = read_settings(variables)
            await make_topics(settings)
            key = create_source(settings.sources_path, SOURCE, ["*"])
            async with _chain(settings, variables, key, root) as (probes, pids):
                flood, steady = _bodies()
                rate = await _most(settings, key, flood)
                waits_ms["idle"] = await probes.waits_ms(IDLE_PROBES, gap_s=IDLE_GAP_S)
                loading = asyncio.create_task(_send(settings, key, steady, rate=rate / 2))
                waits_ms["at half load"] = await _under_load(probes, loading, {"broker": running.pid, **pids})
                print(f"half load: {rate / 2:,.0f} events/s", flush=True)
                await _until_committed(settings)
            counted = await received(settings)
    sent = sum(body.count(ACCEPTED) for body in (*flood, *steady)) + probes.sent
    if counted != sent:
        raise RuntimeError(f"{counted} dossiers were counted, {sent} were sent")
    for name, found in waits_ms.items():
        print_rows([{f"{name}, ms": bound, "probes": count} for bound, count in _histogram(found).items()])
    return [row for name, found in waits_ms.items() for row in _rows(name, found)]


@asynccontextmanager
async def _chain(
    settings: Settings, variables: Mapping[str, str], key: str, root: Path
) -> AsyncIterator[tuple[_Probes, dict[str, int]]]:
    """Gateway, worker and monitor, each ready, and probes between them."""
    ports = {
        "streams": settings.worker_port,
        "services.gateway": settings.gateway_port,
        "services.monitor": settings.monitor_port,
    }
    pids = {}
    async with AsyncExitStack() as stack:
        for module, port in ports.items():
            log, ready = root / f"{module}.log", f"http://127.0.0.1:{port}/readyz"
            running = serving(module, environment=variables, log=log, ready=ready)
            pids[module] = await stack.enter_async_context(running)
        gateway, monitor = [
            await stack.enter_async_context(httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}"))
            for port in (settings.gateway_port, settings.monitor_port)
        ]
        counts = _Counts()
        reading = asyncio.create_task(counts.read(monitor))
        try:
            yield _Probes(gateway, counts, key), pids
        finally:
            reading.cancel()


def _bodies() -> tuple[list[bytes], list[bytes]]:
    """Large ones to find out how much is the most, and small ones for the steady load."""
    plan = Plan(units=PLANS[0].units + PLANS[1].units, carried_over=0, early=EVENTS // 3, on_time=0, open=0)
    values = [encode(event) for event in islice(events((plan,)), EVENTS)]

    def cut(chosen: Sequence[bytes], size: int) -> list[bytes]:
        return [b"\n".join(chosen[start : start + size]) for start in range(0, len(chosen), size)]

    return cut(values[:FLOOD], FLOOD_BODY), cut(values[FLOOD:], STEADY_BODY)


async def _most(settings: Settings, key: str, bodies: list[bytes]) -> float:
    """Events a second that the chain takes, from the first body to the last event in a committed transaction."""
    begun = perf_counter()
    await _send(settings, key, bodies)
    await _until_committed(settings)
    return FLOOD / (perf_counter() - begun)


async def _until_committed(settings: Settings) -> None:
    """Wait until every event that is in the log is in a committed transaction of the worker."""
    log = Log(settings.bootstrap)
    topic = settings.topics[EVENT_TOPIC]
    for partition in range(settings.partitions):
        end = await log.end_offset(topic, partition)
        while (await log.committed(settings.group, topic, partition)).offset < end:  # noqa: ASYNC110 - Kafka tells nobody
            await asyncio.sleep(POLL_S)


async def _send(settings: Settings, key: str, bodies: list[bytes], *, rate: float = 0.0) -> None:
    """All bodies of lines, `rate` events a second, or as many as are taken."""
    headers = {"authorization": f"Bearer {key}", "content-type": "application/x-ndjson"}
    every_s = STEADY_BODY * SENDERS / rate if rate else 0.0
    load = Load(
        port=settings.gateway_port,
        path="/v1/events",
        headers=headers,
        connections=SENDERS,
        bodies=bodies,
        every_s=every_s,
    )
    outcome = await send(load)
    if outcome.statuses != {202: len(bodies)}:
        raise RuntimeError(f"answers by status: {outcome.statuses}")


async def _under_load(probes: _Probes, loading: asyncio.Task[None], pids: Mapping[str, int]) -> list[float]:
    await asyncio.sleep(SETTLED_S)
    begun, before = perf_counter(), {name: cpu_s(pid) for name, pid in pids.items()}
    waits_ms = await probes.waits_ms(LOADED_PROBES, gap_s=GAP_S)
    seconds = perf_counter() - begun
    used = ", ".join(f"{name} {(cpu_s(pid) - before[name]) / seconds:.0%}" for name, pid in pids.items())
    print(f"of one core: {used}", flush=True)
    if loading.done():
        raise RuntimeError("the load ended before the last probe")
    await loading
    return waits_ms


def _probe(number: int) -> bytes:
    dossier = f"000.00.20.H49-210601-{number:07d}"
    return encode(
        new_event(
            Kind.ACCEPTED,
            id=dossier,
            source=SOURCE,
            subject=dossier,
            time=PROBED_AT,
            unit_id=PROBE_UNIT,
            procedure_id="9.000001",
            channel=Channel.DIRECT,
            due_at=PROBED_AT + timedelta(days=400),
        )
    )


def _rows(name: str, waits_ms: Sequence[float]) -> Iterator[Comparison]:
    for percent, bound in BUDGETS_MS.items():
        yield Comparison.within(
            bound,
            name=f"from the gateway's 2xx to the stream, {name}, p{percent}",
            ours=[_percentile(waits_ms, percent)],
            unit="ms",
            histogram=_histogram(waits_ms) if percent == max(BUDGETS_MS) else None,
        )


def _histogram(waits_ms: Sequence[float]) -> dict[str, int]:
    """How many waits lie below each bound, and not below the one before."""
    found: dict[str, int] = {}
    below = 0.0
    for bound in (*BUCKETS_MS, float("inf")):
        found[f"< {bound}" if bound < float("inf") else f">= {below:.0f}"] = sum(
            below <= wait < bound for wait in waits_ms
        )
        below = bound
    return found


def _percentile(waits_ms: Sequence[float], percent: int) -> float:
    return sorted(waits_ms)[len(waits_ms) * percent // 100]
