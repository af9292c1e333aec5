"""The gateway beside its peers: bodies of events beside a producer of the same bytes, single events beside FastAPI.

- Lines and batches: 8 senders, 1,000 events a body, against an aiokafka batch producer (idempotent, acks=all) that
  writes the same keys, values and headers from memory to the same broker, without HTTP, checks or answers. It asks
  aiokafka's own partitioner for the partition; what it would write if it knew that beforehand is printed.
- Single events: 128 connections, against FastAPI with the events' pydantic models declared as the body
  (`benchmarks.peers.declared_model`).
- Memory: as many bodies at the limit as are taken at once, and one of four times the limit; the gateway's peak above
  what it held before, against the bound that `services.gateway.bodies` states.

Everything shares one machine. The load generator is a process of its own; what it, the broker and the server use is
printed. On two cores the three share two, so the gateway's figures are lower bounds, and those of bodies more so: the
peer producer has no generator and no answers beside it. Each run reads the topic back and compares the events.
"""

import asyncio
import tempfile
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from benchmarks.http_load import Load, Outcome, send
from benchmarks.report import Comparison
from benchmarks.serving import MIB, Peak, broker_on, cpu_s, serving
from schemas.codec import STRUCTURED, Event, decode, encode
from schemas.settings import Settings, read_settings
from schemas.topics import EVENTS
from services.demo.year import PLANS, SOURCE, Plan, events
from services.gateway.bodies import HELD_TIMES_MAX
from services.gateway.producer import BATCH_BYTES_MAX
from services.gateway.sources import create_source
from services.local.broker import Broker
from services.topics import ensure_topics, publish_units
from streams.kafka import Log, partition_of

ROUNDS: Final = 3
MANY: Final = 60_000  # events of a run of bodies
BODY: Final = 1_000  # events of a body: ~330 KB
SENDERS: Final = 8
SINGLES: Final = 10_000
CONNECTIONS: Final = 128
WARM: Final = 4_000  # events before the clock starts, on either side
TIMES_A_BODY: Final = 5  # memory while a body is judged (services.gateway.bodies)

PORT: Final = 23100
LINES: Final = "application/x-ndjson"
MEDIA: Final = {"lines": LINES, "batch": "application/cloudevents-batch+json"}
HEADERS: Final = [("content-type", STRUCTURED.encode())]

Sent = tuple[bytes, bytes]  # key, value


def main() -> list[Comparison]:
    """Measure and return the comparisons."""
    return asyncio.run(_measure())


async def _measure() -> list[Comparison]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        async with broker_on(PORT, root=root) as broker:
            return [*await _rounds(root, broker), await _memory(root)]


async def _rounds(root: Path, broker: Broker) -> list[Comparison]:
    found: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))

    def note(form: str, ours: float, peer: float) -> None:
        found[form][0].append(ours)
        found[form][1].append(peer)
        print(f"round {number + 1}, {form}: ours {ours:,.0f} events/s, peer {peer:,.0f} events/s", flush=True)

    for number in range(ROUNDS):
        many, single = _events(number)
        produced = await _run_producer(root, f"producer{number}", many)
        for form in MEDIA:
            note(form, await _run_bodies(root, f"{form}{number}", broker, form, many), produced)
        ours = await _run_singles(root, f"single{number}", broker, single)
        note("single", ours, await _run_declared(root, f"declared{number}", broker, single))

    def compared(name: str, form: str, target: float, peer_name: str) -> Comparison:
        ours, peer = found[form]
        return Comparison.of(name=name, ours=ours, peer=peer, unit="events/s", target=target, peer_name=peer_name)

    return [
        compared(f"gateway, lines of {BODY:,} events", "lines", 0.5, "aiokafka batch producer, same bytes"),
        compared(f"gateway, batches of {BODY:,} events", "batch", 0.5, "aiokafka batch producer, same bytes"),
        compared("gateway, single events", "single", 2.0, "FastAPI with a declared pydantic model"),
    ]


def _events(number: int) -> tuple[list[Sent], list[Sent]]:
    """The many and the single ones of a round, the warm-up's before each."""
    dossiers = (2 * WARM + MANY + SINGLES) // 2  # each has two events or more
    plan = Plan(units=PLANS[0].units + PLANS[1].units, carried_over=0, early=dossiers, on_time=0, open=0)
    told: Iterator[Sent] = ((event.subject.encode(), encode(event)) for event in events((plan,), seed=number))
    many, single = list(islice(told, WARM + MANY)), list(islice(told, WARM + SINGLES))
    assert (len(many), len(single)) == (WARM + MANY, WARM + SINGLES)
    return many, single


async def _run_producer(root: Path, name: str, sent: Sequence[Sent]) -> float:
    _, settings = await _prepared(root, name)
    topic = settings.topics[EVENTS]
    async with AIOKafkaProducer(
        bootstrap_servers=settings.bootstrap, acks="all", enable_idempotence=True, max_batch_size=BATCH_BYTES_MAX
    ) as producer:
        partitions = [partition_of(key.decode(), settings.partitions) for key, _ in sent]
        await _produce(producer, topic, sent[:WARM], partitions)
        begun = perf_counter()
        partitions = [partition_of(key.decode(), settings.partitions) for key, _ in sent[WARM:]]
        chosen = perf_counter()
        await _produce(producer, topic, sent[WARM:], partitions)
        ended = perf_counter()
    await _check(settings, sent)
    print(f"  the producer alone, partitions known: {MANY / (ended - chosen):,.0f} events/s")
    return MANY / (ended - begun)


async def _produce(producer: Any, topic: str, sent: Sequence[Sent], partitions: Sequence[int]) -> None:
    """As the manual says: fill a batch per partition, submit it when it is full, await what was submitted."""
    filling: dict[int, Any] = {}
    submitted = []
    for (key, value), partition in zip(sent, partitions, strict=False):
        batch = filling.get(partition)
        if batch is None or batch.append(timestamp=None, key=key, value=value, headers=HEADERS) is None:
            if batch is not None:
                submitted.append(await producer.send_batch(batch, topic, partition=partition))
            batch = filling[partition] = producer.create_batch()
            batch.append(timestamp=None, key=key, value=value, headers=HEADERS)
    for partition, batch in filling.items():
        batch.close()
        submitted.append(await producer.send_batch(batch, topic, partition=partition))
    await asyncio.gather(*submitted)


async def _run_bodies(root: Path, name: str, broker: Broker, form: str, sent: Sequence[Sent]) -> float:
    async with _gateway(root, name) as server:
        values = [value for _, value in sent]
        join = b"\n".join if form == "lines" else lambda chosen: b"[" + b",".join(chosen) + b"]"
        bodies = [join(values[start : start + BODY]) for start in range(0, len(values), BODY)]
        await _load(server, MEDIA[form], bodies[: WARM // BODY], connections=1)
        rate = await _measured(server, MEDIA[form], bodies[WARM // BODY :], broker, events=MANY, connections=SENDERS)
        await _check(server.settings, sent)
        return rate


async def _run_singles(root: Path, name: str, broker: Broker, sent: Sequence[Sent]) -> float:
    async with _gateway(root, name) as server:
        return await _singles(server, broker, sent)


async def _run_declared(root: Path, name: str, broker: Broker, sent: Sequence[Sent]) -> float:
    environment, settings = await _prepared(root, name)
    port, key = PORT + 3, "benchmark"
    arguments = (settings.bootstrap, settings.topics[EVENTS], str(port), key)
    ready = f"http://127.0.0.1:{port}/openapi.json"
    log = root / f"{name}.log"
    async with serving(
        "benchmarks.peers.declared_model", *arguments, environment=environment, log=log, ready=ready
    ) as pid:
        return await _singles(_Server(settings, pid, port, key), broker, sent)


async def _singles(server: "_Server", broker: Broker, sent: Sequence[Sent]) -> float:
    values = [value for _, value in sent]
    await _load(server, STRUCTURED, values[:WARM], connections=CONNECTIONS)
    rate = await _measured(server, STRUCTURED, values[WARM:], broker, events=SINGLES, connections=CONNECTIONS)
    await _check(server.settings, sent)
    return rate


async def _memory(root: Path) -> Comparison:
    """Bodies at the limit, as many as are taken at once, and one far above it."""
    async with _gateway(root, "memory") as server:
        limit = server.settings.body_bytes_max
        _, single = _events(0)
        lines = b"\n".join(value for _, value in single) + b"\n"
        bodies = []
        for number in range(HELD_TIMES_MAX):
            copies = [lines.replace(b'"id":"', b'"id":"%d.%d.' % (number, copy)) for copy in range(limit // len(lines))]
            bodies.append(b"".join(copies)[:limit].rpartition(b"\n")[0])
        await _load(server, STRUCTURED, [value for _, value in single[:WARM]], connections=CONNECTIONS)
        peak = Peak(server.pid)
        await _load(server, LINES, bodies, connections=HELD_TIMES_MAX)
        await _load(server, LINES, [lines * (4 * limit // len(lines))], connections=1, status=413)
        grown, bound = peak.mib(), TIMES_A_BODY * HELD_TIMES_MAX * limit / MIB
        print(f"memory: {grown:,.0f} MiB above the start, {bound:,.0f} MiB are the bound", flush=True)
    return Comparison.within(
        bound,
        name=f"gateway, memory for {HELD_TIMES_MAX} bodies of {limit / MIB:.0f} MiB at once and one of four times that",
        ours=[grown],
        unit="MiB",
    )


@dataclass(frozen=True, slots=True)
class _Server:
    settings: Settings
    pid: int
    port: int
    key: str


@asynccontextmanager
async def _gateway(root: Path, name: str) -> AsyncIterator[_Server]:
    environment, settings = await _prepared(root, name)
    key = create_source(settings.sources_path, SOURCE, ["*"])
    ready = f"http://127.0.0.1:{settings.gateway_port}/readyz"
    async with serving("services.gateway", environment=environment, log=root / f"{name}.log", ready=ready) as pid:
        yield _Server(settings, pid, settings.gateway_port, key)


async def _prepared(root: Path, name: str) -> tuple[dict[str, str], Settings]:
    environment = {
        "HOSO_VAR": str(root / name),
        "HOSO_KAFKA_PORT": str(PORT),
        "HOSO_GATEWAY_PORT": str(PORT + 2),
        "HOSO_TOPIC_PREFIX": f"{name}-",
    }
    settings = read_settings(environment)
    await ensure_topics(settings)
    await publish_units(settings)
    return environment, settings


async def _measured(
    server: _Server, media: str, bodies: list[bytes], broker: Broker, *, events: int, connections: int
) -> float:
    """Load it; events a second. Prints who used the cores meanwhile."""
    assert broker.pid is not None
    processes = {"server": server.pid, "broker": broker.pid}
    before = {name: cpu_s(pid) for name, pid in processes.items()}
    outcome = await _load(server, media, bodies, connections=connections)
    used = {name: cpu_s(pid) - before[name] for name, pid in processes.items()} | {"load": outcome.cpu_s}
    shares = ", ".join(f"{name} {seconds / outcome.seconds:.0%}" for name, seconds in used.items())
    latencies = sorted(outcome.latencies_ms)
    middle, late = latencies[len(latencies) // 2], latencies[len(latencies) * 99 // 100]
    print(
        f"  the server's CPU {used['server'] / events * 1e6:.1f} us an event; of one core {shares}; "
        f"answers p50 {middle:.0f} ms, p99 {late:.0f} ms"
    )
    return events / outcome.seconds


async def _load(server: _Server, media: str, bodies: list[bytes], *, connections: int, status: int = 202) -> Outcome:
    headers = {"authorization": f"Bearer {server.key}", "content-type": media}
    load = Load(port=server.port, path="/v1/events", headers=headers, connections=connections, bodies=bodies)
    outcome = await send(load)
    if outcome.statuses != {status: len(bodies)}:
        raise RuntimeError(f"answers by status: {outcome.statuses}")
    return outcome


async def _check(settings: Settings, sent: Sequence[Sent]) -> None:
    """The topic holds the events that were sent, once, each dossier's on one partition.

    Compared decoded, because the declared model spells them anew.
    """
    log = Log(settings.bootstrap)
    stored: Counter[tuple[bytes | None, Event]] = Counter()
    partitions: dict[bytes | None, int] = {}
    for partition in range(settings.partitions):
        async for records in log.read_to_end(settings.topics[EVENTS], partition):
            for record in records:
                stored[record.key, decode(record.value or b"")] += 1
                if partitions.setdefault(record.key, partition) != partition:
                    raise RuntimeError("a dossier on two partitions")
    if stored != Counter((key, decode(value)) for key, value in sent):
        raise RuntimeError(f"{stored.total()} events lie in the topic, {len(sent)} were sent, or they differ")
