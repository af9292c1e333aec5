"""The processor beside its peers: the project's own events, a state per dossier with its changelog, tallies per unit.

In each round every system takes its turn on one broker, and its count of dossiers is checked. docs/performance.md says
what each peer does and does not.
"""

import asyncio
import sys
import tempfile
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final, NamedTuple

import httpx
import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from benchmarks.costs import Costs, fold_all, new_ledger, records_of
from benchmarks.peers.kafka_streams import KafkaStreams, kafka_streams, prepare
from benchmarks.peers.run import python_of_peers, run_peer, running
from benchmarks.report import Comparison
from benchmarks.serving import cpu_s
from benchmarks.stand import VAR, Load, broker, environment, fill, load, make_topics, write
from schemas import topics
from schemas.settings import Settings, read_settings
from schemas.tallies import RECEIVED, Tally
from services.cli.output import print_rows
from streams.domain.totals import Totals
from streams.kafka import Log
from streams.slices import Record

ROUNDS: Final = 3
FAST: Final = 400_000  # events of ours, Kafka Streams and the ceiling: some seconds of work
MEDIUM: Final = 60_000  # of Quix Streams and Bytewax
SLOW: Final = 10_000  # of naive Faust
RUN_S_MAX: Final = 120.0


@dataclass(frozen=True, slots=True)
class Peer:
    """How a peer is called, and how many times its rate ours must reach."""

    name: str
    about: str
    target: float


PEERS: Final = {
    "naive_faust": Peer("naive Faust", "an agent with tables, memory, at least once", 40.0),
    "quix": Peer("Quix Streams", "3.28.1, RocksDB, at least once", 3.0),
    "bytewax": Peer("Bytewax", "0.21.1, memory, snapshots in SQLite", 1.0),
    "rocksdb": Peer("Kafka Streams, its default store", "4.3.1, RocksDB, exactly once, a smaller fold", 1.5),
    "memory": Peer("Kafka Streams, in memory", "4.3.1, exactly once, a smaller fold", 1.0),
    "ceiling": Peer("the ceiling in Python", "aiokafka and decode, no state, no output", 0.35),
}


def main() -> list[Comparison]:
    """Measure and return the comparisons, one for each peer."""
    return asyncio.run(_measure())


async def _measure() -> list[Comparison]:
    class_path = prepare(VAR / "peers" / "kafka-streams")
    python = python_of_peers()
    rates: dict[str, list[float]] = defaultdict(list)
    cpu_us: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        async with broker(root):
            variables = environment(root, "shared")
            settings, year = await fill(variables, FAST)
            with kafka_streams(bootstrap=settings.bootstrap, class_path=class_path, folder=root) as streams:
                await _run_streams(streams, settings, year, "rocksdb", "warm-up")
                for number in range(1, ROUNDS + 1):
                    ours = await run_ours(root, f"ours{number}", FAST)
                    cpu_us.append(ours.cpu_us)
                    found = {"ours": ours.rate}
                    for store in ("rocksdb", "memory"):
                        found[store] = await _run_streams(streams, settings, year, store, f"{store}{number}")
                    found["ceiling"] = await run_peer("ceiling", year, variables, root=root)
                    found |= await _run_slow(root, number, python)
                    for name, rate in found.items():
                        rates[name].append(rate)
                    told = ", ".join(f"{name} {rate:,.0f}" for name, rate in found.items())
                    print(f"round {number}, events/s: {told}", flush=True)
    _print_profile(
        event_us=1e6 / median(rates["ours"]),
        cpu_us=median(cpu_us),
        ceiling_us=1e6 / median(rates["ceiling"]),
        year=year,
    )
    return [
        Comparison.of(
            name=f"processor beside {peer.name}",
            ours=rates["ours"],
            peer=rates[key],
            unit="events/s",
            target=peer.target,
            peer_name=peer.about,
        )
        for key, peer in PEERS.items()
        if key in rates
    ]


class Run(NamedTuple):
    """Events per second, and the processor time of the workers for an event."""

    rate: float
    cpu_us: float


async def run_ours(root: Path, name: str, events: int, *, workers: int = 1, partitions: int = 4) -> Run:
    """From when all events appear to waiting workers until all are committed; every dossier must have been counted."""
    shared = environment(root, name, partitions=partitions)
    settings = read_settings(shared)
    await make_topics(settings)
    year = load(events, partitions=partitions)
    tps = [TopicPartition(settings.topics[topics.EVENTS], partition) for partition in range(partitions)]
    observer = AIOKafkaConsumer(group_id=settings.group, bootstrap_servers=settings.bootstrap, enable_auto_commit=False)
    await observer.start()
    observer.assign(tps)  # by hand: asking about a group does not join it
    ports = [settings.worker_port + number for number in range(workers)]
    try:
        with ExitStack() as stack:
            started = [
                stack.enter_context(
                    running(
                        [sys.executable, "-m", "streams"],
                        shared | {"HOSO_WORKER_PORT": str(port)},
                        log=root / f"ours-{port}.log",
                    )
                )
                for port in ports
            ]
            await _until_ready(ports, partitions)
            await write(settings, year)
            begun, spent = perf_counter(), sum(cpu_s(worker.pid) for worker in started)
            while sum([await observer.committed(tp) or 0 for tp in tps]) < year.events:
                if perf_counter() - begun > RUN_S_MAX:
                    raise RuntimeError("\n".join((root / f"ours-{port}.log").read_text()[-2000:] for port in ports))
                await asyncio.sleep(0.05)
            seconds, spent = perf_counter() - begun, sum(cpu_s(worker.pid) for worker in started) - spent
    finally:
        await observer.stop()
    counted = await received(settings)
    if counted != year.accepted:
        raise RuntimeError(f"ours counted {counted} dossiers, {year.accepted} were accepted")
    return Run(year.events / seconds, spent / year.events * 1e6)


async def _until_ready(ports: Sequence[int], partitions: int) -> None:
    """Until these workers have the partitions among them, each at least one."""
    deadline = perf_counter() + RUN_S_MAX
    async with httpx.AsyncClient() as client:
        while perf_counter() < deadline:
            open_ = [await _open_partitions(client, port) for port in ports]
            if all(open_) and sum(open_) == partitions:
                return
            await asyncio.sleep(0.1)
    raise RuntimeError("the workers did not become ready")


async def _open_partitions(client: httpx.AsyncClient, port: int) -> int:
    try:
        return len((await client.get(f"http://127.0.0.1:{port}/readyz")).json()["partitions"])
    except httpx.HTTPError:
        return 0


async def _run_streams(streams: KafkaStreams, settings: Settings, year: Load, store: str, application: str) -> float:
    seconds, received = await asyncio.to_thread(
        streams.run,
        topic=settings.topics[topics.EVENTS],
        application=application,
        store=store,
        events=year.events,
    )
    if received != year.accepted:
        raise RuntimeError(f"Kafka Streams counted {received} dossiers, {year.accepted} were accepted")
    return year.events / seconds


async def _run_slow(root: Path, number: int, python: Path) -> Mapping[str, float]:
    found = {}
    for name, events, interpreter in (
        ("quix", MEDIUM, python),
        ("bytewax", MEDIUM, python),
        ("naive_faust", SLOW, Path(sys.executable)),
    ):
        if name == "bytewax" and sys.version_info >= (3, 13):
            continue  # it has no wheel
        variables = environment(root, f"{name}{number}")
        _, year = await fill(variables, events)
        found[name] = await run_peer(name, year, variables, root=root, python=interpreter)
    return found


def _print_profile(*, event_us: float, cpu_us: float, ceiling_us: float, year: Load) -> None:
    """Where the time of one of our events goes, in microseconds.

    Decode, fold, encode and keep are measured here, without Kafka; reading is what the ceiling takes beyond its
    decoding. The rest of the worker's processor time is the transaction, Faust, and the reading of tallies for the
    totals.
    """
    records = records_of(year.messages[0])
    costs = min((_cost_of(records) for _ in range(3)), key=lambda costs: costs.total)
    parts = {name: seconds / len(records) * 1e6 for name, seconds in costs.by_name().items()}
    reading = max(0.0, ceiling_us - parts["decode"])
    rows = {
        "read": reading,
        **parts,
        "transaction, Faust, totals": cpu_us - reading - sum(parts.values()),
        "waiting": event_us - cpu_us,
        "an event": event_us,
    }
    print_rows([{"part": name, "us": f"{us:.1f}", "share": f"{us / event_us:.0%}"} for name, us in rows.items()])


def _cost_of(records: Sequence[Record]) -> Costs:
    with new_ledger() as ledger:
        return fold_all(ledger, records)


async def received(settings: Settings) -> int:
    """Dossiers received, over all units, by the newest tallies."""
    return await counted(settings, RECEIVED.values())


async def counted(settings: Settings, counters: Collection[str]) -> int:
    """The sum of these counters of flow, over all units, by the newest tallies."""
    log, totals = Log(settings.bootstrap), Totals()
    decoder = msgspec.json.Decoder(Tally)
    for partition in range(settings.partitions):
        async for records in log.read_to_end(settings.topics[topics.TALLIES], partition):
            for record in records:
                if record.key and record.value and not record.key.startswith(b"/"):
                    totals.apply(decoder.decode(record.value))
    return sum(totals.counters(unit).total.get(name, 0) for unit in totals.units() for name in counters)
