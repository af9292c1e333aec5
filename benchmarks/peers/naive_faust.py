"""The peer: the same job the way Faust's manual shows it, one event at a time with tables and changelogs.

`python -m benchmarks.naive_faust EVENTS OUT`: folds until EVENTS are through, then writes the seconds since its first
event to OUT. Not exactly once, not fenced, and no open dossier becomes overdue by the clock: it is only here to be
compared with.
"""

import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import faust
import msgspec

from schemas.codec import decode
from schemas.reference import read_calendars, read_policies
from schemas.settings import read_settings
from schemas.state import Dossier
from schemas.topics import EVENTS
from streams.domain.deadline import Rulebook
from streams.domain.dossier import append, entry_of, micros
from streams.domain.tally import standing


def create_app(count: int, out: Path) -> faust.App:
    """A worker with one table of states and one of counters."""
    settings = read_settings()
    rules = Rulebook.of(read_policies(), read_calendars(), default=settings.policy)
    as_of = micros(settings.now())
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
    decoder = msgspec.json.Decoder(Dossier)
    encoder = msgspec.json.Encoder()
    seen, started = 0, 0.0

    @app.agent(events)
    async def fold(stream: Any) -> None:
        nonlocal seen, started
        async for value in stream:
            started = started or perf_counter()
            event = decode(value)
            known = states.get(event.subject)
            dossier = decoder.decode(known) if known else Dossier(id=event.subject, policy_id=rules.default.id)
            flows, place = len(dossier.flows), (dossier.unit_id, standing(dossier, as_of).bucket)
            dossier = append(dossier, entry_of(event), rules)
            states[event.subject] = encoder.encode(dossier)
            for flow in dossier.flows[flows:]:
                counters[f"{flow.unit_id}/{flow.day}/{flow.counter}"] += 1
            now_at = dossier.unit_id, standing(dossier, as_of).bucket
            if now_at != place:
                for (unit, bucket), step in ((place, -1), (now_at, +1)):
                    if bucket is not None:
                        counters[f"{unit}/{bucket}"] += step
            seen += 1
            if seen == count:
                out.write_text(str(perf_counter() - started))  # noqa: ASYNC240 - once, at the end

    return app


if __name__ == "__main__":
    faust.Worker(create_app(int(sys.argv[1]), Path(sys.argv[2])), loglevel="WARNING").execute_from_commandline()
