"""Opening a shard of a million dossiers: from its cache and what the states topic got since, and from the whole topic.

The peer is stock Faust, which reads a table back from its changelog. The states are those of the synthetic year under
other codes, nearly all of them closed. Checked: every dossier is known again, and events that come late for ten
thousand of them are folded and counted.

`python -m benchmarks.opening --dossiers 10000000` does it with ten million.
"""

import argparse
import asyncio
import gc
import os
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Final, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import GroupCoordinatorNotAvailableError

from benchmarks.costs import NOW, records_of
from benchmarks.peers.faust_recovery import changelog_of
from benchmarks.peers.run import run_peer
from benchmarks.processor import counted
from benchmarks.report import Comparison
from benchmarks.serving import MIB, anonymous_bytes
from benchmarks.stand import Load, broker, environment, load, make_topics
from schemas import topics
from schemas.codec import STRUCTURED, encode, new_event
from schemas.events import Kind
from schemas.settings import Settings, read_settings
from schemas.tallies import REOPENED
from services.cli.output import print_rows
from streams.__main__ import GC_THRESHOLD
from streams.kafka import BATCH_BYTES, REQUEST_BYTES_MAX, Log, Message, send_all
from streams.reference import Reference
from streams.shard import Shard
from streams.slices import Slice
from streams.states import read_state

DOSSIERS: Final = 1_000_000
YEAR: Final = 30_000  # events, of which a third as many states come
TAIL: Final = 10_000  # states that another worker wrote since the cache was left
LATE: Final = 10_000  # dossiers that are opened again
FAUST: Final = 10_000  # dossiers of the peer
ROUNDS: Final = 3
RATE_TARGET: Final = 40.0
WHOLE_TARGET: Final = 1.0  # without the cache
SECONDS: Final = 5.0
GIB: Final = 1.0  # for ten million, so for any fewer
PORTION: Final = 50_000  # states


class Opened(NamedTuple):
    """What a worker's process needed, and what it knew then."""

    seconds: float
    dossiers: int
    gib: float  # of its own memory, more than before; what is mapped from the cache the kernel may take back


def main(dossiers: int = DOSSIERS) -> list[Comparison]:
    """Measure and return the comparisons."""
    return asyncio.run(_measure(dossiers))


async def _measure(dossiers: int) -> list[Comparison]:
    faust, cached = [], []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        async with broker(root):
            seed = await _prepared(root, "seed")
            await asyncio.to_thread(_in_a_process, seed, records=YEAR)
            templates = await _states(read_settings(seed))
            for number in range(1, ROUNDS + 1):
                faust.append(await _run_faust(root, f"faust{number}", templates))
                print(f"round {number}, stock Faust {faust[-1]:,.0f} dossiers/s", flush=True)
            variables = await _prepared(root, "many")
            settings = read_settings(variables)
            await _write(settings, settings.topics[topics.STATES], _copies(templates, dossiers))
            print(f"written {dossiers:,} states", flush=True)
            whole = await asyncio.to_thread(_in_a_process, variables)
            print(f"the whole topic: {whole.seconds:.1f} s, {whole.gib:.2f} GiB", flush=True)
            for number in range(1, ROUNDS + 1):
                await _write(settings, settings.topics[topics.STATES], _copies(templates, TAIL))
                cached.append(await asyncio.to_thread(_in_a_process, variables))
                print(f"round {number}, from the cache: {cached[-1].seconds:.1f} s", flush=True)
            late = await asyncio.to_thread(_in_a_process, variables, late=True)
            reopened = await counted(settings, [REOPENED])
    found = [each.dossiers for each in (whole, *cached, late)]
    if set(found) != {dossiers} or reopened != LATE:
        raise RuntimeError(f"found {found} dossiers, {reopened} reopened, not {dossiers} and {LATE}")
    print(f"with {LATE:,} late events: {late.gib:.2f} GiB", flush=True)
    return [
        Comparison.of(
            name=f"opening {dossiers:,} dossiers",
            ours=[dossiers / each.seconds for each in cached],
            peer=faust,
            unit="dossiers/s",
            target=RATE_TARGET,
            peer_name="stock Faust, a table from its changelog",
        ),
        Comparison.within(
            SECONDS * dossiers / 1e6,
            name=f"opening {dossiers:,} dossiers, seconds",
            ours=[each.seconds for each in cached],
            unit="s",
        ),
        Comparison.of(
            name="opening without the cache",
            ours=[dossiers / whole.seconds],
            peer=faust[:1],
            unit="dossiers/s",
            target=WHOLE_TARGET,
            peer_name="stock Faust, a table from its changelog",
        ),
        Comparison.within(GIB, name=f"worker, memory with {dossiers:,} closed dossiers", ours=[late.gib], unit="GiB"),
    ]


async def _prepared(root: Path, name: str) -> dict[str, str]:
    variables = environment(root, name, partitions=1)
    await make_topics(read_settings(variables))
    return variables


async def _run_faust(root: Path, name: str, templates: Mapping[bytes, bytes]) -> float:
    variables = await _prepared(root, name)
    settings = read_settings(variables)
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(changelog_of(settings), num_partitions=1, replication_factor=1)])
    await admin.close()
    await _write(settings, changelog_of(settings), _copies(templates, FAUST))
    return await run_peer("faust_recovery", Load({}, FAUST, FAUST), variables, root=root)


async def _states(settings: Settings) -> dict[bytes, bytes]:
    """The newest state of each dossier in the topic."""
    found: dict[bytes, bytes] = {}
    async for records in Log(settings.bootstrap).read_to_end(settings.topics[topics.STATES], 0):
        found |= {record.key: record.value for record in records if record.key and record.value}
    return found


def _copies(templates: Mapping[bytes, bytes], count: int) -> Iterator[Message]:
    """So many states, the first ones always the same."""
    numbered = ((b"%s.%d" % (key, number), key, value) for number in range(count) for key, value in templates.items())
    return ((code, value.replace(key, code), []) for code, key, value in islice(numbered, count))


async def _write(settings: Settings, topic: str, messages: Iterator[Message]) -> None:
    # Without transactions: Faust waits for ever for a record at the place of their last marker.
    async with AIOKafkaProducer(
        bootstrap_servers=settings.bootstrap, acks="all", max_batch_size=BATCH_BYTES, max_request_size=REQUEST_BYTES_MAX
    ) as producer:
        while portion := list(islice(messages, PORTION)):
            await send_all(producer, topic, 0, portion)


def _in_a_process(variables: Mapping[str, str], *, records: int = 0, late: bool = False) -> Opened:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_run, variables, records, late).result()


def _run(variables: Mapping[str, str], records: int, late: bool) -> Opened:
    gc.set_threshold(GC_THRESHOLD)  # as the worker does
    return asyncio.run(_open(read_settings(variables), records, late))


async def _open(settings: Settings, records: int, late: bool) -> Opened:
    """Open the shard and leave it again; in between, fold the year's first events, or late ones."""
    reference = Reference(settings, Log(settings.bootstrap))
    await reference.refresh()
    shard = Shard(partition=0, settings=settings, reference=reference, now=lambda: NOW)
    before, begun = anonymous_bytes(os.getpid()), perf_counter()
    while not shard.is_open:
        with suppress(GroupCoordinatorNotAvailableError):  # a new broker makes it when it is first asked
            await shard.open()
    await shard.go_by_reference()
    seconds, dossiers = perf_counter() - begun, shard.ledger.dossiers
    events = load(records, partitions=1).messages[0] if records else list(_late(shard)) if late else []
    if events:
        await shard.take(Slice(settings.topics[topics.EVENTS], 0, records_of(events)))
    await shard.tick()
    await shard.settle()
    opened = Opened(seconds, dossiers, (anonymous_bytes(os.getpid()) - before) / MIB / 1024)
    await shard.close(keep=True)
    shard.leave()
    return opened


def _late(shard: Shard) -> Iterator[Message]:
    """Each of `LATE` closed dossiers is opened again, an hour ago."""
    known = (read_state(value) for _, value in shard.ledger.cache.states_after(b"", 2 * LATE))
    time = datetime.fromtimestamp(NOW / 1e6 - 3600, UTC)
    for dossier in islice((dossier for dossier in known if dossier.timeliness), LATE):
        assert dossier.unit_id is not None
        event = new_event(
            Kind.REOPENED, id="late", source="urn:hoso:bench", subject=dossier.id, time=time, unit_id=dossier.unit_id
        )
        yield dossier.id.encode(), encode(event), [("content-type", STRUCTURED.encode())]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.opening", description=__doc__)
    parser.add_argument("--dossiers", type=int, default=DOSSIERS, help="default: %(default)s")
    print_rows([row.cells() for row in main(parser.parse_args().dossiers)])
