"""From the gateway's 2xx to the counter on the monitor's stream: idle, and at half of what the worker can do.

Gateway, worker, monitor, broker and the writer of the load are processes of their own. A probe is one event of a
unit that nothing else names; its wait runs from the gateway's answer until a reader of the stream holds a count with
it. Half load is half of the rate at which the same worker has just caught up with the same kind of events. Budgets
stand as peers. Checked: every probe is counted once, and the load is in the counters when it ends.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Final

import httpx
import msgspec

from benchmarks.processor import received, run_ours
from benchmarks.report import Comparison
from benchmarks.serving import serving
from benchmarks.stand import PORT, broker, environment, load, make_topics
from schemas.codec import STRUCTURED, encode, new_event
from schemas.events import Channel, Kind
from schemas.settings import Settings, read_settings
from services.gateway.sources import create_source

PROBE_UNIT: Final = "22.YENTU"
PROBE_SOURCE: Final = "https://motcua.uongbi.example/latency"
PROBED_AT: Final = datetime(2021, 6, 1, 2, tzinfo=UTC)
LOAD_EVENTS: Final = 400_000
IDLE_PROBES: Final = 150
LOADED_PROBES: Final = 300
SETTLED_S: Final = 2.0  # of load before the first probe
GAP_S: Final = (0.01, 0.04)  # between a probe's answer and the next probe
IDLE_GAP_S: Final = (0.05, 0.25)
WAIT_S_MAX: Final = 30.0

P50_MS_MAX: Final = 40.0
P99_MS_MAX: Final = 150.0
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
        async with broker(root):
            rate = (await run_ours(root, "alone", LOAD_EVENTS // 2)).rate / 2
            variables = environment(root, "latency", gateway_port=PORT + 3, monitor_port=PORT + 4)
            settings = read_settings(variables)
            await make_topics(settings)
            async with _chain(settings, variables, root) as probes:
                await probes.waits_ms(20, gap_s=GAP_S)  # until everything has been used once
                waits_ms["idle"] = await probes.waits_ms(IDLE_PROBES, gap_s=IDLE_GAP_S)
                _show("idle", waits_ms["idle"])
                waits_ms["at half load"] = await _under_load(probes, variables, rate)
                _show(f"at half load, {rate:,.0f} events/s", waits_ms["at half load"])
            counted = await received(settings)
    sent = load(LOAD_EVENTS, partitions=settings.partitions).accepted + probes.sent
    if counted != sent:
        raise RuntimeError(f"{counted} dossiers were counted, {sent} were sent")
    return [row for name, found in waits_ms.items() for row in _rows(name, found)]


@asynccontextmanager
async def _chain(settings: Settings, variables: Mapping[str, str], root: Path) -> AsyncIterator[_Probes]:
    """Gateway, worker and monitor, each ready, and probes between them."""
    key = create_source(settings.sources_path, PROBE_SOURCE, ["*"])
    ports = {"gateway": settings.gateway_port, "monitor": settings.monitor_port}
    async with AsyncExitStack() as stack:
        for module, port in (
            ("streams", settings.worker_port),
            *((f"services.{name}", port) for name, port in ports.items()),
        ):
            log, ready = root / f"{module}.log", f"http://127.0.0.1:{port}/readyz"
            await stack.enter_async_context(serving(module, environment=variables, log=log, ready=ready))
        gateway, monitor = [
            await stack.enter_async_context(httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}"))
            for port in (settings.gateway_port, settings.monitor_port)
        ]
        counts = _Counts()
        reading = asyncio.create_task(counts.read(monitor))
        try:
            yield _Probes(gateway, counts, key)
        finally:
            reading.cancel()


async def _under_load(probes: _Probes, variables: Mapping[str, str], rate: float) -> list[float]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "benchmarks.steady_load", str(LOAD_EVENTS), str(rate)),
        env={**os.environ, **variables},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    await process.stdout.readline()  # it has made its events
    process.stdin.write(b"\n")
    await asyncio.sleep(SETTLED_S)
    waits_ms = await probes.waits_ms(LOADED_PROBES, gap_s=GAP_S)
    if process.returncode is not None:
        raise RuntimeError("the load ended before the last probe")
    if await process.wait():
        raise RuntimeError("the load did not get through")
    return waits_ms


def _probe(number: int) -> bytes:
    dossier = f"000.00.20.H49-210601-{number:07d}"
    return encode(
        new_event(
            Kind.ACCEPTED,
            id=dossier,
            source=PROBE_SOURCE,
            subject=dossier,
            time=PROBED_AT,
            unit_id=PROBE_UNIT,
            procedure_id="9.000001",
            channel=Channel.DIRECT,
            due_at=PROBED_AT + timedelta(days=400),
        )
    )


def _show(name: str, waits_ms: Sequence[float]) -> None:
    """A histogram."""
    print(f"{name}: p50 {_percentile(waits_ms, 50):.0f} ms, p99 {_percentile(waits_ms, 99):.0f} ms", flush=True)
    below = 0.0
    for bound in (*BUCKETS_MS, float("inf")):
        found = sum(below <= wait < bound for wait in waits_ms)
        print(f"  {below:4.0f} to {bound:4.0f} ms {found:5} {'#' * round(60 * found / len(waits_ms))}")
        below = bound


def _rows(name: str, waits_ms: Sequence[float]) -> Iterator[Comparison]:
    for percent, bound in ((50, P50_MS_MAX), (99, P99_MS_MAX)):
        yield Comparison.of(
            name=f"from the gateway's 2xx to the stream, {name}, p{percent}",
            ours=[_percentile(waits_ms, percent)],
            peer=[bound],
            unit="ms",
            target=1.0,
            peer_name="the budget",
            less_is_better=True,
        )


def _percentile(waits_ms: Sequence[float], percent: int) -> float:
    return sorted(waits_ms)[len(waits_ms) * percent // 100]
