"""The processor beside naive Faust: the same events, the same fold, a state per dossier with its changelog, tallies.

Ours folds exactly once; the peer does not. Pairs run one after the other on one real broker; the median of the rounds
counts. Each round checks that ours counted every dossier.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from time import perf_counter
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from benchmarks.report import Comparison
from schemas import topics
from schemas.codec import STRUCTURED, encode
from schemas.settings import Settings, read_settings
from schemas.tallies import RECEIVED, Tally
from services.demo.year import PLANS, Plan, events
from services.local.broker import start_broker
from services.local.jars import fetch_jars
from services.topics import ensure_topics, publish_units
from streams.domain.totals import Totals
from streams.kafka import Log, Message, partition_of, send_all, transactional_producer

ROUNDS: Final = 3
OURS: Final = 400_000  # events; ours needs some seconds to be measured
NAIVE: Final = 12_000  # the peer as many seconds as it needs for these
TARGET: Final = 40.0
PORT: Final = 23000
JARS: Final = Path(__file__).parents[1] / "var" / "kafka" / "jars"


def main() -> list[Comparison]:
    """Measure and return the comparison."""
    return asyncio.run(_measure())


async def _measure() -> list[Comparison]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        broker = await start_broker(
            data_dir=root / "kafka",
            jars=await fetch_jars(JARS, progress=lambda _done, _total: None),
            port=PORT,
            controller_port=PORT + 1,
            log=root / "broker.log",
        )
        try:
            ours, naive = [], []
            for number in range(ROUNDS):
                ours.append(await _run_ours(root, number))
                naive.append(await _run_naive(root, number))
                print(
                    f"round {number + 1}: ours {ours[-1]:,.0f} events/s, naive Faust {naive[-1]:,.0f} events/s",
                    flush=True,
                )
        finally:
            await broker.stop()
    return [
        Comparison.of(
            name="processor beside naive Faust",
            ours=ours,
            peer=naive,
            unit="events/s",
            target=TARGET,
            peer_name="an agent with tables, not exactly once",
        )
    ]


def _settings(root: Path, name: str) -> tuple[dict[str, str], Settings]:
    environment = {
        "HOSO_VAR": str(root / name),
        "HOSO_KAFKA_PORT": str(PORT),
        "HOSO_WORKER_PORT": str(PORT + 2),
        "HOSO_TOPIC_PREFIX": f"{name}-",
        "HOSO_CLOCK": "2022-01-01T00:00:00+07:00",
    }
    return environment, read_settings(environment)


async def _fill(settings: Settings, count: int) -> int:
    """Write the first `count` events of a synthetic year; returns how many dossiers were accepted."""
    await ensure_topics(settings)
    await publish_units(settings)
    year = events((Plan(units=PLANS[0].units + PLANS[1].units, carried_over=0, early=count // 3, on_time=0, open=0),))
    year = year[:count]
    outbox: dict[int, list[Message]] = defaultdict(list)
    for event in year:
        headers = [("content-type", STRUCTURED.encode())]
        key = event.subject.encode()
        outbox[partition_of(event.subject, settings.partitions)].append((key, encode(event), headers))
    producer = transactional_producer(settings.bootstrap, f"{settings.topic_prefix}fill")
    await producer.start()
    async with producer.transaction():
        for partition, messages in outbox.items():
            await send_all(producer, settings.topics[topics.EVENTS], partition, messages)
    await producer.stop()
    return sum(type(event).__name__ == "DossierAccepted" for event in year)


async def _run_ours(root: Path, number: int) -> float:
    environment, settings = _settings(root, f"ours{number}")
    accepted = await _fill(settings, OURS)
    tps = [TopicPartition(settings.topics[topics.EVENTS], partition) for partition in range(settings.partitions)]
    observer = AIOKafkaConsumer(group_id=settings.group, bootstrap_servers=settings.bootstrap, enable_auto_commit=False)
    await observer.start()
    observer.assign(tps)  # by hand: asking about a group does not join it
    worker = _start(["-m", "streams"], environment, root / "ours.log")
    try:
        first, since = 0, 0.0
        while True:
            done = sum([await observer.committed(tp) or 0 for tp in tps])
            if done and not first:
                first, since = done, perf_counter()
            if done >= OURS:
                seconds = perf_counter() - since
                break
            if worker.poll() is not None:
                raise RuntimeError((root / "ours.log").read_text())
            await asyncio.sleep(0.05)
    finally:
        worker.terminate()
        worker.wait()
        await observer.stop()
    counted = await _received(Log(settings.bootstrap), settings)
    if counted != accepted:
        raise RuntimeError(f"counted {counted} dossiers, {accepted} were accepted")
    return (OURS - first) / seconds


async def _received(log: Log, settings: Settings) -> int:
    totals = Totals()
    decoder = msgspec.json.Decoder(Tally)
    for partition in range(settings.partitions):
        async for records in log.read_to_end(settings.topics[topics.TALLIES], partition):
            for record in records:
                if record.key and record.value and not record.key.startswith(b"/"):
                    totals.apply(decoder.decode(record.value))
    return sum(totals.counters(unit).total.get(name, 0) for unit in totals.units() for name in RECEIVED.values())


async def _run_naive(root: Path, number: int) -> float:
    environment, settings = _settings(root, f"naive{number}")
    await _fill(settings, NAIVE)
    (settings.var / "naive").mkdir(parents=True)
    out = root / f"naive{number}.seconds"
    worker = _start(["-m", "benchmarks.naive_faust", str(NAIVE), str(out)], environment, root / "naive.log")
    try:
        while not out.exists() or not out.read_text():
            if worker.poll() is not None:
                raise RuntimeError((root / "naive.log").read_text()[-2000:])
            await asyncio.sleep(0.2)
    finally:
        worker.kill()
        worker.wait()
    return NAIVE / float(out.read_text())


def _start(arguments: list[str], environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, *arguments], env={**os.environ, **environment}, stdout=file, stderr=subprocess.STDOUT
        )
