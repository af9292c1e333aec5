"""The worker: the one place where a Faust app is made.

Faust gives membership, assignment, back-pressure, timers and the web page; the event topic is read in slices, each one
transaction (ADR 0002), and Faust commits no offset for it.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import faust
import structlog
from faust.types import TP

from schemas import topics
from schemas.settings import Settings
from streams.domain.dossier import micros
from streams.ending import ending_on_failure
from streams.kafka import FETCH_BYTES, Log, ReadCommittedTransport
from streams.reference import Reference
from streams.shards import Shards
from streams.slices import Slice, SliceScheduler, SliceSchema
from streams.totals import TotalsPublisher

log = structlog.get_logger()

RECORDS_MAX: Final = 40_000  # of one fetch over all partitions
SLICES_WAITING_MAX: Final = 16  # counts slices, not events: more would only be memory


def create_app(settings: Settings, *, now: Callable[[], datetime]) -> faust.App:
    """A worker that has not started: `faust.Worker` runs it."""
    names = settings.topics
    app = faust.App(
        settings.group,
        broker=f"kafka://{settings.bootstrap.replace(',', ';')}",
        store="memory://",
        datadir=str(_datadir(settings)),
        cython_optimizations=True,
        ConsumerScheduler=SliceScheduler.of(settings.slice_events_max),
        stream_buffer_maxsize=SLICES_WAITING_MAX,
        stream_wait_empty=False,  # a slice in hand waits for the assignment; waiting for it here would lock both
        broker_max_poll_records=RECORDS_MAX,
        consumer_max_fetch_size=FETCH_BYTES,
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=settings.session_timeout_s,
        broker_request_timeout=settings.session_timeout_s + 2,  # Faust demands more than the session
        broker_heartbeat_interval=settings.session_timeout_s / 4,
        table_standby_replicas=0,  # no tables
        topic_disable_leader=True,
        topic_allow_declare=False,  # `hoso migrate` makes topics, with their settings
        producer_acks=-1,
        web_enabled=True,
        web_bind=settings.host,
        web_port=settings.worker_port,
        web_host=settings.host,
        autodiscover=False,
    )
    app.transport = ReadCommittedTransport(app.conf.broker_consumer, app)

    async def seek(tp: TP, offset: int) -> None:
        await app.consumer.seek_wait({tp: offset})  # in the consumer's own thread, unlike `seek`

    reference = Reference(settings, Log(settings.bootstrap))
    shards = Shards(settings=settings, reference=reference, now=lambda: micros(now()), seek=seek)
    totals = TotalsPublisher(settings)
    events = app.topic(names[topics.EVENTS], schema=SliceSchema(), acks=False)

    @app.agent(events, name="dossiers")
    async def fold_events(stream: Any) -> None:
        async for event in stream.events():
            message = event.message
            with ending_on_failure():
                await shards.take(Slice(message.topic, message.partition, message.value))

    @app.timer(interval=settings.tick_s)
    async def tick() -> None:
        if not app.rebalancing:
            with ending_on_failure():
                await shards.tick()
                await totals.publish()

    @app.on_partitions_revoked.connect
    async def on_revoked(*_: Any, **__: Any) -> None:
        with ending_on_failure():
            await shards.revoke()
            await totals.revoke()

    @app.on_partitions_assigned.connect
    async def on_assigned(_: Any, assigned: set[TP], **__: Any) -> None:
        ours = [tp.partition for tp in assigned if tp.topic == names[topics.EVENTS]]
        shards.assign(ours)
        totals.assign(ours)

    @app.page("/readyz")
    async def ready(web: Any, _: Any) -> Any:
        open_ = {str(shard.partition): shard.next for shard in shards}
        return web.json({"ready": bool(open_), "partitions": open_}, status=200 if open_ else 503)

    return app


def _datadir(settings: Settings) -> Path:
    """Faust wants a folder of its own for each worker, made beforehand, though nothing of ours is kept there."""
    folder = settings.var / "worker" / str(settings.worker_port)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
