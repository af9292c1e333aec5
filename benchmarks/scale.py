"""How the processor grows: workers, partitions, dossiers in memory, facts of one dossier.

The peer is the processor itself in the smaller case. Workers and partitions are measured end to end on one broker;
what an event costs among many dossiers, and late in a long history, is measured without Kafka, from bytes to bytes.
"""

import asyncio
import gc
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

from benchmarks.costs import NOW, fold_all, new_ledger, records_of
from benchmarks.processor import run_ours
from benchmarks.report import Comparison
from benchmarks.stand import broker
from schemas.codec import STRUCTURED, decode, encode, new_event
from schemas.events import Channel, Kind, Outcome
from schemas.records import FetchedRecord
from streams.__main__ import GC_THRESHOLD
from streams.domain.dossier import micros
from streams.kafka import Message
from streams.ledger import Ledger

ROUNDS: Final = 2
EVENTS: Final = 200_000
SHAPES: Final = {  # workers, partitions
    "2 workers": (2, 4),
    "8 partitions": (1, 8),
    "16 partitions": (1, 16),
}
SHAPE_TARGET: Final = 0.8  # on two cores the broker and a worker are busy already

SIZES: Final = (10_000, 100_000, 1_000_000)  # dossiers
LOADED: Final = 5_000  # at a stretch
TOUCHED: Final = 10_000  # of them, each by one event a round
DOSSIERS_TARGET: Final = 0.5  # each one touched is read back from disk; ten thousand are in memory

SHORT, LONG = 10, 1_000  # facts
LONG_HISTORIES: Final = 20  # dossiers that have so many
HISTORY_TARGET: Final = 1.0  # a state is written whole, so its bytes grow with its history

UNIT: Final = "196.TTHCC"
BEGUN: Final = datetime(2021, 3, 1, 2, tzinfo=UTC)


def main() -> list[Comparison]:
    """Measure and return the comparisons."""
    threshold = gc.get_threshold()
    gc.set_threshold(GC_THRESHOLD)  # as the worker does
    try:
        return [*asyncio.run(_shapes()), _many_dossiers(), _long_history()]
    finally:
        gc.set_threshold(*threshold)


async def _shapes() -> list[Comparison]:
    base, rates = [], defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        async with broker(root):
            for number in range(1, ROUNDS + 1):
                base.append((await run_ours(root, f"base{number}", EVENTS)).rate)
                for name, (workers, partitions) in SHAPES.items():
                    run = f"w{workers}p{partitions}n{number}"
                    found = await run_ours(root, run, EVENTS, workers=workers, partitions=partitions)
                    rates[name].append(found.rate)
                told = ", ".join(f"{name} {each[-1]:,.0f}" for name, each in rates.items())
                print(f"round {number}, events/s: 1 worker on 4 partitions {base[-1]:,.0f}, {told}", flush=True)
    return [
        Comparison.of(
            name=f"processor, {name}",
            ours=rates[name],
            peer=base,
            unit="events/s",
            target=SHAPE_TARGET,
            peer_name="1 worker, 4 partitions",
        )
        for name in SHAPES
    ]


def _many_dossiers() -> Comparison:
    few, *_, many = SIZES
    costs: dict[int, list[float]] = defaultdict(list)
    with ExitStack() as stack:
        ledgers = {dossiers: stack.enter_context(new_ledger()) for dossiers in SIZES}
        for dossiers, ledger in ledgers.items():
            _load(ledger, dossiers)
        for kind in (Kind.PROCESSING_STARTED, Kind.FINISHED, Kind.DELIVERED):
            for dossiers, ledger in ledgers.items():
                touched = Random(kind).sample(range(dossiers), TOUCHED)
                costs[dossiers].append(_cost(ledger, [_told(kind, _dossier_id(number), 1) for number in touched]))
            told = ", ".join(f"{found[-1]:.1f} us among {dossiers:,}" for dossiers, found in costs.items())
            print(f"{kind}: {told}", flush=True)
    return Comparison.of(
        name=f"an event among {many:,} dossiers",
        ours=costs[many],
        peer=costs[few],
        unit="us",
        target=DOSSIERS_TARGET,
        peer_name=f"among {few:,}",
        less_is_better=True,
    )


def _long_history() -> Comparison:
    costs = []
    dossiers = [_dossier_id(number) for number in range(LONG_HISTORIES)]
    with new_ledger() as ledger:
        fold_all(ledger, records_of(_told(Kind.ACCEPTED, dossier, 0) for dossier in dossiers))
        for facts in range(1, LONG + 10):
            kind = Kind.SUPPLEMENT_REQUESTED if facts % 2 else Kind.SUPPLEMENT_RECEIVED
            costs.append(_cost(ledger, [_told(kind, dossier, facts) for dossier in dossiers]))
    short, long = costs[SHORT - 5 : SHORT + 5], costs[LONG - 5 : LONG + 5]
    print(", ".join(f"{costs[facts]:.1f} us at {facts} facts" for facts in (10, 100, 300, 1000)))
    return Comparison.of(
        name=f"an event of a dossier with {LONG:,} facts",
        ours=long,
        peer=[cost * LONG / SHORT for cost in short],
        unit="us",
        target=HISTORY_TARGET,
        peer_name=f"{LONG // SHORT} times one with {SHORT} facts",
        less_is_better=True,
    )


def _cost(ledger: Ledger, messages: list[Message]) -> float:
    """Microseconds per event; each must have changed its dossier."""
    costs = fold_all(ledger, records_of(messages))
    for key, value, _ in messages:
        dossier, sent = key.decode(), decode(value or b"")
        known = ledger.states.recall(dossier)
        if known is None or known.last_at != micros(sent.time) or known.anomalies:
            raise RuntimeError(f"an event of {dossier} was not folded")
    return costs.total / len(messages) * 1e6


def _load(ledger: Ledger, dossiers: int) -> None:
    """So many dossiers, accepted: one is folded, the others are it under another code."""
    print(f"loading {dossiers:,} dossiers", flush=True)
    with new_ledger() as one:
        fold_all(one, records_of([_told(Kind.ACCEPTED, _dossier_id(0), 0)]))
        known = _dossier_id(0).encode()
        value = one.cache.state(known) or b""
    ledger.advance(NOW)
    for first in range(0, dossiers, LOADED):
        codes = [(number, _dossier_id(number).encode()) for number in range(first, min(first + LOADED, dossiers))]
        ledger.load([FetchedRecord("states", 0, at, 0, 0, code, value.replace(known, code), []) for at, code in codes])


def _dossier_id(number: int) -> str:
    return f"000.00.20.H49-210301-{number:07d}"


def _told(kind: Kind, dossier: str, minute: int) -> Message:
    """An event of a dossier, so many minutes after its acceptance; by kind, with what the kind needs."""
    data: dict[str, object] = {}
    if kind is Kind.ACCEPTED:
        data = {"procedure_id": "9.000001", "channel": Channel.DIRECT, "due_at": BEGUN + timedelta(days=400)}
    elif kind is Kind.FINISHED:
        data = {"outcome": Outcome.GRANTED}
    minutes = minute + {Kind.FINISHED: 1, Kind.DELIVERED: 2}.get(kind, 0)
    event = new_event(
        kind,
        id=f"{dossier}.{minutes}",
        source="https://motcua.uongbi.example/scale",
        subject=dossier,
        time=BEGUN + timedelta(minutes=minutes),
        unit_id=UNIT,
        **data,
    )
    return dossier.encode(), encode(event), [("content-type", STRUCTURED.encode())]
