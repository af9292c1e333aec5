"""A year's log replayed: worker and sink begin with nothing and read it into counters and tables, side by side.

The log is the synthetic year of several agencies, alike but for their codes. The worker alone, on the first of them,
is the peer of the rate; the budget is the peer of the memory. Checked: every dossier counted and every event stored
once, and the table of dossiers holds each.

`python -m benchmarks.catch_up --events 10000000` replays ten million events, `make bench` a fifth of that.
"""

import argparse
import asyncio
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from time import perf_counter
from typing import Final

import httpx

from benchmarks.processor import received, run_ours
from benchmarks.report import Comparison
from benchmarks.serving import MIB, anonymous_bytes, serving
from benchmarks.stand import PORT, Load, broker, environment, load, make_topics
from schemas import topics
from schemas.settings import Settings, read_settings
from services.cli.output import print_rows
from streams.kafka import Log, Message, partition_of, send_all, transactional_producer

EVENTS: Final = 2_000_000
AGENCY: Final = 200_000  # events of one agency
AGENCIES_MAX: Final = 99  # two digits of a code
RATE_TARGET: Final = 0.4  # worker, sink and broker share two cores, which the worker alone shares with the broker
GIB_OF_A_MILLION: Final = 1.0
SAY_EVERY_S: Final = 10.0
POLL_S: Final = 0.2
RUN_S_MAX: Final = 1800.0


def main(events: int = EVENTS) -> list[Comparison]:
    """Measure and return the comparisons."""
    return asyncio.run(_measure(max(1, min(events // AGENCY, AGENCIES_MAX))))


async def _measure(agencies: int) -> list[Comparison]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        async with broker(root):
            alone = (await run_ours(root, "alone", AGENCY)).rate
            variables = environment(root, "year", sql_port=PORT + 3)
            settings = read_settings(variables)
            await make_topics(settings)
            year = load(AGENCY, partitions=settings.partitions)
            for agency in range(1, agencies + 1):
                await _write(settings, year, agency)
                print(f"\rwritten {agency * AGENCY:,} events", end="", flush=True)
            print()
            answers = {
                "streams": f"http://127.0.0.1:{settings.worker_port}/readyz",
                "services.sink": f"http://127.0.0.1:{settings.sql_port}/livez",
            }
            async with AsyncExitStack() as stack:
                begun, pids = perf_counter(), {}
                for module, ready in answers.items():
                    running = serving(module, environment=variables, log=root / f"{module}.log", ready=ready)
                    pids[module] = await stack.enter_async_context(running)
                before = anonymous_bytes(pids["streams"])
                async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{settings.sql_port}", timeout=120) as door:
                    counted_s, stored_s, held = await _replayed(
                        settings, door, agencies * AGENCY, begun, worker=pids["streams"]
                    )
                    await _check(settings, door, year, agencies)
    events, dossiers = agencies * AGENCY, agencies * year.accepted
    print_rows(
        [
            {"until": "counted", "s": f"{counted_s:.0f}", "events/s": f"{events / counted_s:,.0f}"},
            {"until": "stored", "s": f"{stored_s:.0f}", "events/s": f"{events / stored_s:,.0f}"},
        ]
    )
    print(f"worker: {(held - before) / MIB:,.0f} MiB above its start")
    return [
        Comparison.of(
            name=f"replay of {events:,} events into counters and tables",
            ours=[events / stored_s],
            peer=[alone],
            unit="events/s",
            target=RATE_TARGET,
            peer_name="the worker alone, counters only",
        ),
        Comparison.within(
            GIB_OF_A_MILLION,
            name="worker, memory of a million dossiers",
            ours=[(held - before) / 2**30 / dossiers * 1e6],
            unit="GiB",
        ),
    ]


async def _write(settings: Settings, year: Load, agency: int) -> None:
    """One agency's events, in one transaction."""
    producer = transactional_producer(settings.bootstrap, f"{settings.topic_prefix}fill")
    messages: dict[int, list[Message]] = {partition: [] for partition in range(settings.partitions)}
    for run in year.messages.values():
        for key, value, headers in run:
            code = key.replace(b".20.H49-", b".%02d.H49-" % agency)
            told = (value or b"").replace(key, code)
            messages[partition_of(code.decode(), settings.partitions)].append((code, told, headers))
    async with producer, producer.transaction():
        for partition, sent in messages.items():
            await send_all(producer, settings.topics[topics.EVENTS], partition, sent)


async def _replayed(
    settings: Settings, door: httpx.AsyncClient, events: int, begun: float, *, worker: int
) -> tuple[float, float, int]:
    """Seconds until every event was in a committed transaction, and until the sink had stored all that came of it.

    And the most memory of its own that the worker was seen to hold.
    """
    log, counted_s, said_s, held = Log(settings.bootstrap), 0.0, 0.0, 0
    name = settings.topics[topics.EVENTS]
    ends = await log.end_offsets([(name, partition) for partition in range(settings.partitions)])
    while (seconds := perf_counter() - begun) < RUN_S_MAX:
        reached = [
            (await log.committed(settings.group, name, partition)).offset for partition in range(settings.partitions)
        ]
        stored, behind = await _sink(door)
        held = max(held, anonymous_bytes(worker))
        if not counted_s and all(at >= end - 1 for at, end in zip(reached, ends, strict=True)):
            counted_s = seconds  # the last number of each partition is a commit marker
        if counted_s and stored == events and not behind:
            return counted_s, seconds, held
        if seconds - said_s > SAY_EVERY_S:
            said_s = seconds
            print(f"{seconds:4.0f} s: counted {sum(reached):,}, stored {stored:,}", flush=True)
        await asyncio.sleep(POLL_S)
    raise RuntimeError(f"not replayed within {RUN_S_MAX:.0f} s")


async def _sink(door: httpx.AsyncClient) -> tuple[int, float]:
    """Events stored, and how far the tables of events and states are behind, as the sink says."""
    lines = (await door.get("/metrics")).text.splitlines()

    def total(name: str, *labels: str) -> float:
        return sum(
            float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith(name + "{") and all(label in line for label in labels)
        )

    stored = total("hoso_sink_rows_total", f'topic="{topics.EVENTS.name}"', 'status="ok"')
    behind = [total("hoso_sink_lag_records", f'topic="{topic.name}"') for topic in (topics.EVENTS, topics.STATES)]
    return int(stored), sum(behind)


async def _check(settings: Settings, door: httpx.AsyncClient, year: Load, agencies: int) -> None:
    """Raise unless every dossier is counted and every event is stored once."""
    counted = await received(settings)
    sql = """SELECT (SELECT count() FROM raw.events), (SELECT uniqExact(kpart, koffset) FROM raw.events),
        (SELECT count() FROM core.dossiers FINAL) FORMAT TSV"""
    answer = await door.post("/", content=sql)
    answer.raise_for_status()
    found = [counted, *map(int, answer.text.split())]
    known = len({key for run in year.messages.values() for key, _, _ in run})
    sent = [each * agencies for each in (year.accepted, year.events, year.events, known)]
    if found != sent:
        raise RuntimeError(f"dossiers accepted, rows, addresses, dossiers in the table: {found}, not {sent}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.catch_up", description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS, help=f"in steps of {AGENCY:,} (default: %(default)s)")
    print_rows([row.cells() for row in main(parser.parse_args().events)])
