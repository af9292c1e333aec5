"""The monitor's stream to 1,000 readers with counters for 1,000 units, and to 100 more that stop reading.

Forty provinces of 25 units each; four times a second five units' counters move in Kafka, as the processor writes them,
and with each its province's. Stated: the monitor's CPU, its memory above what it held without readers, and how long
after the first of the readers the last one gets a message. Budgets stand as peers. Checked: every reader ends at the
newest state, none that reads is cut off, and those that do not read are gone in the end.

Readers are a process of their own; monitor, readers and broker share the machine.
"""

import asyncio
import tempfile
from itertools import count as numbers
from pathlib import Path
from time import monotonic
from typing import Any, Final

import httpx
import msgspec
from aiokafka import AIOKafkaProducer

from benchmarks.report import Comparison
from benchmarks.serving import Peak, broker_on, check_alive, cpu_s, serving, start
from benchmarks.stream_readers import Outcome
from schemas.reference import Unit
from schemas.settings import Settings, read_settings
from schemas.tallies import OPEN_WITHIN_DUE, RECEIVED, Progress, Tally, progress_key
from schemas.topics import TALLIES
from services.topics import ensure_topics, publish_units

READERS: Final = 1000
STUCK: Final = 100
PROVINCES: Final = 40
COMMUNES: Final = 24  # of a province
MOVING: Final = 5  # units, each quarter of a second
SECONDS: Final = 20
DROPPED_S_MAX: Final = 60.0

CORES_MAX: Final = 1.0
MEMORY_MIB_MAX: Final = 256.0
LAST_MS_MAX: Final = 500.0

PORT: Final = 23120


def main() -> list[Comparison]:
    """Measure and return the comparisons."""
    return asyncio.run(_measure())


async def _measure() -> list[Comparison]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        environment = {
            "HOSO_VAR": str(root / "monitor"),
            "HOSO_KAFKA_PORT": str(PORT),
            "HOSO_MONITOR_PORT": str(PORT + 2),
        }
        settings = read_settings(environment)
        ready = f"http://127.0.0.1:{settings.monitor_port}/readyz"
        async with broker_on(PORT, root=root):
            await ensure_topics(settings)
            await publish_units(settings, _units())
            async with AIOKafkaProducer(bootstrap_servers=settings.bootstrap, acks="all") as producer:
                writer = _Writer(settings, producer)
                await writer.write_all()
                log = root / "monitor.log"
                async with serving("services.monitor", environment=environment, log=log, ready=ready) as pid:
                    return await _read(settings, writer, pid, root)


def _units() -> list[Unit]:
    found = []
    for province in range(PROVINCES):
        found.append(Unit(id=f"P{province}", name_vi=f"Tỉnh {province}", name_en=f"Province {province}"))
        found += [
            Unit(
                id=f"P{province}.{commune}",
                name_vi=f"Xã {commune} thuộc tỉnh {province}",
                name_en=f"Commune {commune} of province {province}",
                parent_id=f"P{province}",
            )
            for commune in range(COMMUNES)
        ]
    return found


class _Writer:
    """Writes tallies as the processor does; every number grows."""

    def __init__(self, settings: Settings, producer: Any) -> None:
        self._settings = settings
        self._producer = producer
        self._communes = [unit.id for unit in _units() if unit.parent_id]
        self._turn = numbers(1)

    async def write_all(self) -> None:
        """A tally of each commune, of stock and of one day."""
        for unit_id in self._communes:
            await self._tally(unit_id, 1)
        await self._heartbeat(1)

    async def run(self, seconds: float) -> int:
        """Move some units four times a second; returns how often."""
        deadline = monotonic() + seconds
        moves = 0
        while monotonic() < deadline:
            turn = next(self._turn)
            chosen = [self._communes[(turn * MOVING + step) * 29 % len(self._communes)] for step in range(MOVING)]
            for unit_id in chosen:
                await self._tally(unit_id, turn + 1)
            if turn % 4 == 0:
                await self._heartbeat(turn)
            await self._producer.flush()
            moves += 1
            await asyncio.sleep(0.25)
        return moves

    async def _tally(self, unit_id: str, number: int) -> None:
        as_of = int(self._settings.now().timestamp()) * 1_000_000
        stock = Tally(unit_id=unit_id, partition=0, offset=number, as_of=as_of, counts={OPEN_WITHIN_DUE: number})
        received = dict.fromkeys(RECEIVED.values(), number)
        day = f"{self._settings.now():%Y-%m-%d}"
        flow = Tally(unit_id=unit_id, partition=0, offset=number, as_of=as_of, counts=received, day=day)
        for tally in (stock, flow):
            await self._send(tally.key, msgspec.json.encode(tally))

    async def _heartbeat(self, number: int) -> None:
        as_of = int(self._settings.now().timestamp()) * 1_000_000
        for partition in range(self._settings.partitions):
            progress = Progress(partition=partition, offset=number, as_of=as_of, dossiers=number, anomalies=0, parked=0)
            await self._send(progress_key(partition), msgspec.json.encode(progress))

    async def _send(self, key: str, value: bytes) -> None:
        await self._producer.send(self._settings.topics[TALLIES], value, key=key.encode(), partition=0)


async def _read(settings: Settings, writer: _Writer, pid: int, root: Path) -> list[Comparison]:
    out = root / "readers.json"
    log = root / "readers.log"
    peak = Peak(pid)
    given = map(str, (settings.monitor_port, READERS, STUCK, out))
    process = start("benchmarks.stream_readers", *given, environment={}, log=log)
    try:
        begun = monotonic()
        while not out.exists() or not out.read_text():
            check_alive(process, log)
            await asyncio.sleep(0.1)
        print(f"  {READERS:,} readers have their snapshot after {monotonic() - begun:.1f} s", flush=True)
        used, began = cpu_s(pid), monotonic()
        moves = await writer.run(SECONDS)
        cores = (cpu_s(pid) - used) / (monotonic() - began)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{settings.monitor_port}", timeout=30) as client:
            await _until_dropped(client)
            newest = (await client.get("/v1/units")).json()["version"]
        grown = peak.mib()
        process.terminate()
        process.wait()
    finally:
        process.kill()
        process.wait()
    outcome = msgspec.json.decode(out.read_bytes(), type=Outcome)
    if outcome.last_ids != {newest: READERS} or outcome.cut:
        raise RuntimeError(f"readers ended at {outcome.last_ids}, the newest is {newest}; {outcome.cut} were cut off")
    whole = [arrival for arrival in outcome.arrivals.values() if arrival.readers == READERS]
    spreads_ms = sorted((arrival.last_s - arrival.first_s) * 1000 for arrival in whole)
    late_ms = spreads_ms[len(spreads_ms) * 95 // 100]
    print(
        f"  {moves} moves, {len(outcome.arrivals)} states of which {len(whole)} went to every reader, "
        f"{outcome.received / 2**20 / SECONDS:,.0f} MiB/s; monitor {cores:.0%} of one core, readers "
        f"{outcome.cpu_s / outcome.seconds:.0%}, {grown:,.0f} MiB above the start; last reader p95 {late_ms:.0f} ms",
        flush=True,
    )
    readers = f"{READERS:,} readers of {PROVINCES * (COMMUNES + 1):,} units"

    return [
        Comparison.within(budget, name=f"monitor, {name}", ours=[ours], unit=unit)
        for name, ours, budget, unit in (
            (f"CPU for {readers}", cores, CORES_MAX, "cores"),
            (f"memory for {readers} and {STUCK} that stop reading", grown, MEMORY_MIB_MAX, "MiB"),
            (f"from the first to the last of {READERS:,} readers, p95", late_ms, LAST_MS_MAX, "ms"),
        )
    ]


async def _until_dropped(client: httpx.AsyncClient) -> None:
    """Those that do not read are gone, and those that do are there."""
    deadline = monotonic() + DROPPED_S_MAX
    while (found := await _readers(client)) != READERS:
        if monotonic() > deadline:
            raise RuntimeError(f"{found} streams are open, {READERS} readers read")
        await asyncio.sleep(0.5)


async def _readers(client: httpx.AsyncClient) -> int:
    text = (await client.get("/metrics")).text
    (line,) = [line for line in text.splitlines() if line.startswith("hoso_sse_clients ")]
    return int(float(line.split()[1]))
