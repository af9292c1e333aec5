"""The job the way Faust's manual shows it, one event at a time with tables and changelogs.

`python -m benchmarks.peers.naive_faust EVENTS OUT`: folds until EVENTS are through, then writes its result to OUT. Not
exactly once, not fenced, and no open dossier becomes overdue by the clock: it is only here to be compared with.
"""

import sys
from pathlib import Path
from typing import Any

import faust

from benchmarks.peers.fold import Fold, is_received
from benchmarks.peers.result import Clock
from schemas.settings import read_settings
from schemas.topics import EVENTS


def create_app(count: int, out: Path) -> faust.App:
    """A worker with one table of states and one of counters."""
    settings = read_settings()
    fold = Fold(settings)
    clock = Clock()
    (settings.var / "naive").mkdir(parents=True)  # Faust does not make it
    app = faust.App(
        f"{settings.topic_prefix}naive",
        broker=f"kafka://{settings.bootstrap}",
        store="memory://",
        datadir=str(settings.var / "naive"),
        cython_optimizations=True,
        consumer_auto_offset_reset="earliest",
        topic_partitions=settings.partitions,
        topic_replication_factor=1,
        table_standby_replicas=0,
        web_enabled=False,
        autodiscover=False,
    )
    events = app.topic(settings.topics[EVENTS], key_serializer="raw", value_serializer="raw")
    states = app.Table("states", schema=faust.Schema(key_type=str, value_type=bytes, value_serializer="raw"))
    counters = app.Table("counters", key_type=str, value_type=int, default=int)

    @app.agent(events)
    async def take(stream: Any) -> None:
        async for event in stream.events():
            clock.tick()
            dossier_id = event.key.decode()
            states[dossier_id], moves = fold.step(states.get(dossier_id), event.value)
            for counter, step in moves:
                counters[counter] += step
            if clock.seen == count:
                clock.write(out, received=sum(number for key, number in counters.items() if is_received(key)))

    return app


if __name__ == "__main__":
    faust.Worker(create_app(int(sys.argv[1]), Path(sys.argv[2])), loglevel="WARNING").execute_from_commandline()
