"""The job with Bytewax: a state per dossier in memory, with its recovery store (SQLite) as the changelog.

`python -m benchmarks.peers.bytewax EVENTS OUT`. Reads the topic to its end, which is where EVENTS must be. Tallies are
only kept in memory, which does less than the job and is faster.
"""

import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSink, run_main

from benchmarks.peers.fold import Fold, is_received
from benchmarks.peers.result import Clock
from schemas.settings import read_settings
from schemas.topics import EVENTS

EPOCH: timedelta = timedelta(seconds=10)  # between snapshots, Bytewax's default


def main(count: int, out: Path) -> None:
    """Fold the topic."""
    settings = read_settings()
    fold = Fold(settings)
    clock = Clock()
    counters: Counter[str] = Counter()
    last: list[bytes] = []

    def take(known: bytes | None, value: bytes) -> tuple[bytes, bytes]:
        clock.tick()
        new, moves = fold.step(known, value)
        for counter, step in moves:
            counters[counter] += step
        return new, new

    flow = Dataflow("job")
    records = op.input(
        "events",
        flow,
        KafkaSource([settings.bootstrap], [settings.topics[EVENTS]], tail=False, batch_size=5000),
    )
    keyed = op.map("key", records, lambda record: (record.key.decode(), record.value))
    states = op.stateful_map("fold", keyed, take)
    op.output("states", op.filter("none", states, lambda _: False), TestingSink(last))
    folder = settings.var / "bytewax"
    folder.mkdir(parents=True)
    init_db_dir(folder, 1)
    run_main(flow, epoch_interval=EPOCH, recovery_config=RecoveryConfig(str(folder)))
    if clock.seen != count:
        raise SystemExit(f"{clock.seen} events of {count}")
    clock.write(out, received=sum(number for key, number in counters.items() if is_received(key)))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
