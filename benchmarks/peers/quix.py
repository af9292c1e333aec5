"""The job with Quix Streams: a state per dossier in its store (RocksDB) with its changelog, at least once.

`python -m benchmarks.peers.quix EVENTS OUT`. Its states belong to a message's key, so a tally per unit would need a
second topic grouped by unit: tallies are only kept in memory here, which does less than the job and is faster.
"""

import sys
from collections import Counter
from pathlib import Path
from typing import Any

from quixstreams import Application, State
from quixstreams.models import TopicConfig

from benchmarks.peers.fold import Fold, is_received
from benchmarks.peers.result import Clock
from schemas.settings import read_settings
from schemas.topics import EVENTS


def main(count: int, out: Path) -> None:
    """Fold so many events; its last checkpoint is part of the time."""
    settings = read_settings()
    fold = Fold(settings)
    clock = Clock()
    counters: Counter[str] = Counter()
    app = Application(
        broker_address=settings.bootstrap,
        consumer_group=f"{settings.topic_prefix}quix",
        auto_offset_reset="earliest",
        state_dir=settings.var / "quix",
        loglevel="WARNING",
    )
    events = app.topic(
        settings.topics[EVENTS],
        key_deserializer="str",
        value_deserializer="bytes",
        config=TopicConfig(num_partitions=settings.partitions, replication_factor=1),
    )

    def take(value: bytes, state: State) -> Any:
        clock.tick()
        new, moves = fold.step(state.get_bytes("dossier"), value)
        state.set_bytes("dossier", new)
        for counter, step in moves:
            counters[counter] += step

    app.dataframe(events).update(take, stateful=True)
    app.run(count=count)
    clock.write(out, received=sum(number for key, number in counters.items() if is_received(key)))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
