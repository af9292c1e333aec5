"""Fills the window of a gateway that has just started, from the end of the log."""

import asyncio
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from schemas.codec import decode_record
from schemas.errors import ContractError, Unavailable
from services.gateway.kafka import started, stop
from services.gateway.repeats import Window, fingerprint

log = structlog.get_logger()

# What is sent again after a restart is what was in flight before it; ~2 s of work, in turns with requests.
EVENTS_MAX: Final = 100_000
RECORDS_PER_TURN: Final = 500
POLL_MS: Final = 500


async def warm(window: Window[int], *, bootstrap: str, topic: str, events_max: int) -> None:
    """Remember the last events of every partition, `events_max` and EVENTS_MAX in all.

    Best effort: when the log cannot be read, repeats of earlier events are accepted again, which the fold absorbs.
    """
    try:
        consumer = await started(
            lambda: AIOKafkaConsumer(  # without a group it is given every partition
                topic, bootstrap_servers=bootstrap, isolation_level="read_committed", enable_auto_commit=False
            ),
            bootstrap=bootstrap,
        )
        try:
            count = await _read_tail(consumer, window, events_max=min(events_max, EVENTS_MAX))
        finally:
            await stop(consumer)
    except (KafkaError, Unavailable) as error:
        log.warning("window_not_warmed", error=type(error).__name__)
    else:
        log.info("window_warmed", events=count)


async def _read_tail(consumer: Any, window: Window[int], *, events_max: int) -> int:
    tails = sorted(consumer.assignment())
    begins, ends = await consumer.beginning_offsets(tails), await consumer.end_offsets(tails)
    for tail in tails:
        consumer.seek(tail, max(begins[tail], ends[tail] - events_max // len(tails)))
    count = 0
    while any([await consumer.position(tail) < ends[tail] for tail in tails]):
        batches = await consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS_PER_TURN)
        seen: dict[int, int] = {}
        for record in (record for batch in batches.values() for record in batch):
            try:
                event = decode_record(key=record.key, value=record.value, headers=record.headers)
            except ContractError:
                continue  # the processor parks it
            identity, content = fingerprint(event)
            if window.get(identity) is None:
                seen.setdefault(identity, content)
        window.remember(seen)
        count += len(seen)
        await asyncio.sleep(0)
    return count
