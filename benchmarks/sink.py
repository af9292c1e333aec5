"""The sink, end to end from Kafka, beside inserting the same columns from memory; and how soon an event is visible.

- Catching up: a topic of the synthetic year's events into embedded ClickHouse, from the first row that is stored to the
  last, with every check and token of the exactly-once path. The peer (`benchmarks.peers.columns_from_memory`) has the
  same columns in the same batches in memory and calls the same insert, in a process of its own.
- Low load: one event at a time, from its acknowledgement until a query through the SQL door sees it.

Each run compares what lies in the table with what was sent: every offset once, each event's bytes, and the chain of
offsets unbroken. Broker, sink and peer share one machine; the peer has no broker to share with.
"""

import asyncio
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Final

import httpx
from aiokafka import AIOKafkaProducer

from benchmarks.report import Comparison
from benchmarks.serving import broker_on, check_alive, cpu_s, start
from schemas.codec import STRUCTURED, encode
from schemas.settings import Settings, read_settings
from schemas.topics import EVENTS
from services.demo.year import PLANS, Plan, events
from services.topics import ensure_topics
from streams.kafka import Message, partition_of, send_all, transactional_producer

ROUNDS: Final = 3
COUNT: Final = 400_000  # events of a round
ROWS: Final = 50_000  # of an insert: the sink's default
SINGLES: Final = 30
VISIBLE_MS_MAX: Final = 1000.0

PORT: Final = 23110
HEADERS: Final = [("content-type", STRUCTURED.encode())]
POLL_S: Final = 0.02


def main() -> list[Comparison]:
    """Measure and return the comparisons."""
    return asyncio.run(_measure())


async def _measure() -> list[Comparison]:
    sent = _events()
    ours, peer, visible_ms = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        async with broker_on(PORT, root=root):
            for number in range(ROUNDS):
                rate, late_ms = await _run_ours(root, f"sink{number}", sent)
                ours.append(rate)
                visible_ms.append(late_ms)
                peer.append(await _run_peer(root, f"sink{number}"))
                print(
                    f"round {number + 1}: ours {ours[-1]:,.0f} rows/s, from memory {peer[-1]:,.0f} rows/s; "
                    f"a single event is visible within {visible_ms[-1]:.0f} ms",
                    flush=True,
                )
    return [
        Comparison.of(
            name=f"sink, events from Kafka in inserts of {ROWS:,} rows",
            ours=ours,
            peer=peer,
            unit="rows/s",
            target=0.5,
            peer_name="the same columns from memory",
        ),
        Comparison.within(
            VISIBLE_MS_MAX, name="sink, a single event until a query sees it, p95", ours=visible_ms, unit="ms"
        ),
    ]


def _events() -> list[tuple[str, bytes]]:
    plan = Plan(units=PLANS[0].units + PLANS[1].units, carried_over=0, early=COUNT // 2, on_time=0, open=0)
    return [(event.subject, encode(event)) for event in events((plan,))[:COUNT]]


async def _run_ours(root: Path, name: str, sent: Sequence[tuple[str, bytes]]) -> tuple[float, float]:
    """Rows a second, and the 95th percentile of milliseconds until a single event is visible."""
    environment = _environment(root, name)
    settings = read_settings(environment)
    await _fill(settings, sent)
    log = root / f"{name}.log"
    process = start("services.sink", environment=environment, log=log)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{settings.sql_port}", timeout=60) as client:
            first, since, used = 0, 0.0, 0.0
            while (stored := await _stored(client)) < len(sent):
                check_alive(process, log)
                if stored and not first:
                    first, since, used = stored, perf_counter(), cpu_s(process.pid)
                await asyncio.sleep(POLL_S)
            seconds = perf_counter() - since
            used = cpu_s(process.pid) - used
            inserts = await _check(client, settings, sent)
            print(
                f"  {len(sent) / inserts:,.0f} rows an insert; the sink's CPU "
                f"{used / (len(sent) - first) * 1e6:.1f} us a row, {used / seconds:.0%} of one core"
            )
            visible_ms = await _single(client, settings, sent)
    finally:
        process.terminate()
        process.wait()
    return (len(sent) - first) / seconds, visible_ms


async def _single(client: httpx.AsyncClient, settings: Settings, sent: Sequence[tuple[str, bytes]]) -> float:
    waits_ms = []
    async with AIOKafkaProducer(bootstrap_servers=settings.bootstrap, acks="all") as producer:
        for number in range(SINGLES):
            key, value = sent[number]
            partition = partition_of(key, settings.partitions)
            topic = settings.topics[EVENTS]
            at = await producer.send_and_wait(topic, value, key=key.encode(), partition=partition, headers=HEADERS)
            begun = perf_counter()
            seen = f"SELECT count() FROM raw.events WHERE kpart = {partition} AND koffset = {at.offset}"
            while not int(await _asked(client, seen)):  # noqa: ASYNC110 - another process sets no event
                await asyncio.sleep(POLL_S)
            waits_ms.append((perf_counter() - begun) * 1000)
    return sorted(waits_ms)[len(waits_ms) * 95 // 100]


async def _run_peer(root: Path, name: str) -> float:
    settings = read_settings(_environment(root, name))
    out = root / f"{name}.rate"
    given = (settings.bootstrap, settings.topics[EVENTS], settings.partitions, ROWS, root / f"{name}-memory", out)
    arguments = [sys.executable, "-m", "benchmarks.peers.columns_from_memory", *map(str, given)]
    await asyncio.to_thread(subprocess.run, arguments, check=True)
    return float(out.read_text())


def _environment(root: Path, name: str) -> dict[str, str]:
    return {
        "HOSO_VAR": str(root / name),
        "HOSO_KAFKA_PORT": str(PORT),
        "HOSO_SQL_PORT": str(PORT + 2),
        "HOSO_SINK_ROWS_MAX": str(ROWS),
        "HOSO_TOPIC_PREFIX": f"{name}-",
    }


async def _fill(settings: Settings, sent: Sequence[tuple[str, bytes]]) -> None:
    """In one transaction for all, so that no number of the log but the last of each partition is without a record."""
    await ensure_topics(settings)
    outbox: dict[int, list[Message]] = defaultdict(list)
    for key, value in sent:
        outbox[partition_of(key, settings.partitions)].append((key.encode(), value, HEADERS))
    producer = transactional_producer(settings.bootstrap, f"{settings.topic_prefix}fill")
    await producer.start()
    async with producer.transaction():
        for partition, messages in outbox.items():
            await send_all(producer, settings.topics[EVENTS], partition, messages)
    await producer.stop()


async def _stored(client: httpx.AsyncClient) -> int:
    """Rows of events stored so far, as the sink counts them."""
    try:
        text = (await client.get("/metrics")).text
    except httpx.TransportError:
        return 0  # it is starting
    prefix = f'hoso_sink_rows_total{{status="ok",topic="{EVENTS.name}"}} '
    return int(sum(float(line.removeprefix(prefix)) for line in text.splitlines() if line.startswith(prefix)))


async def _check(client: httpx.AsyncClient, settings: Settings, sent: Sequence[tuple[str, bytes]]) -> int:
    """Raise unless the table holds every event once and whole; returns how many inserts brought them."""
    sql = """SELECT count(), uniqExact(kpart, koffset), countIf(prev_offset + 1 != koffset), sum(length(value)),
        uniqExact(dossier_id, event_id), uniqExact(kpart, batch_first) FROM raw.events FORMAT TSV"""
    *found, inserts = map(int, (await _asked(client, sql)).split())
    count = len(sent)
    distinct = len({value for _, value in sent})
    if found != [count, count, 0, sum(len(value) for _, value in sent), distinct]:
        raise RuntimeError(f"the table holds {found} of {count} events ({settings.topic_prefix})")
    return inserts


async def _asked(client: httpx.AsyncClient, sql: str) -> str:
    answer = await client.post("/", content=sql)
    answer.raise_for_status()
    return answer.text
