"""Reads Kafka for the monitor: tallies and reference data from their beginning into a board, and the event log's end.

Promises: a board is shown only once it has been read to the end that stood at the start, so nobody sees numbers grow
from nothing; a broker that is away is waited for; a log that was made anew is read anew; a record that is no tally is
skipped and counted, never the end of the reading.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord, TopicPartition
from pydantic import ValidationError

from schemas.errors import Unavailable
from schemas.settings import Settings
from schemas.topics import EVENTS, PROCEDURES, TALLIES, UNITS, Topic
from services.monitor.board import Board
from services.monitor.freshness import LogEnds
from services.monitor.published import Published

RECORDS_MAX: Final = 1000  # of one turn: 10 ms on one core, so that streams and pages are not kept waiting
FETCH_WAIT_MS: Final = 200
REQUEST_MS_MAX: Final = 5000  # a broker that is silent for longer is away
RETRY_S: Final = 1.0
SAY_EVERY_S: Final = 60.0  # a broker that stays away is one line a minute
ENDS_EVERY_S: Final = 1.0

log = structlog.get_logger()


class Feed:
    """Run `follow` and `watch_log` side by side; both go on until cancelled."""

    def __init__(self, settings: Settings, *, published: Published, clock: Callable[[], float]) -> None:
        self.log_ends = LogEnds()
        self.moved = asyncio.Event()  # a record was applied
        self.complete = False  # the counters were read to their end at least once
        self.skipped = 0  # records that were no tally, no unit and no procedure
        self._settings = settings
        self._published = published
        self._clock = clock

    async def follow(self) -> None:
        """Keep a board up to date and show it."""
        await self._again_and_again("counters", self._follow)

    async def watch_log(self) -> None:
        """Keep asking where the event log ends."""
        await self._again_and_again("event log", self._watch_log)

    async def _again_and_again(self, what: str, read: Callable[[], Awaitable[None]]) -> None:
        said_at_s = float("-inf")
        while True:
            try:
                await read()
            except (KafkaError, OSError, Unavailable) as error:
                if self._clock() - said_at_s > SAY_EVERY_S:
                    log.warning("cannot read, trying again", what=what, error=str(error))
                    said_at_s = self._clock()
            await asyncio.sleep(RETRY_S)

    async def _follow(self) -> None:
        partitions = await self._partitions_of(TALLIES, UNITS, PROCEDURES)
        names = {self._settings.topics[topic]: topic for topic in (TALLIES, UNITS, PROCEDURES)}
        board = Board()
        # No reset: an offset out of range means another log under the same name, which needs another board.
        async with self._consumer(auto_offset_reset="none") as consumer:
            consumer.assign(partitions)
            for partition, offset in (await consumer.beginning_offsets(partitions)).items():
                consumer.seek(partition, offset)
            unread = await consumer.end_offsets(partitions)
            while True:
                fetched = await consumer.getmany(timeout_ms=FETCH_WAIT_MS, max_records=RECORDS_MAX)
                for partition, records in fetched.items():
                    self._apply(board, records, topic=names[partition.topic])
                    self.moved.set()
                if unread:
                    unread = {tp: end for tp, end in unread.items() if await consumer.position(tp) < end}
                    if not unread:
                        self._published.show(board)
                        self.complete = True
                await asyncio.sleep(0)

    def _apply(self, board: Board, records: Iterable[ConsumerRecord], *, topic: Topic) -> None:
        for record in records:
            try:
                key = (record.key or b"").decode()
                if topic is UNITS:
                    board.apply_unit(key, record.value)
                elif topic is PROCEDURES:
                    board.apply_procedure(key, record.value)
                else:
                    board.apply_tally(key, record.value, at_ms=record.timestamp)
            except (msgspec.MsgspecError, ValidationError, UnicodeDecodeError):
                self.skipped += 1
                log.error("skipped a record", topic=record.topic, partition=record.partition, offset=record.offset)

    async def _watch_log(self) -> None:
        partitions = await self._partitions_of(EVENTS)
        async with self._consumer() as consumer:
            while True:
                ends = await consumer.end_offsets(partitions)
                self.log_ends.observe({tp.partition: end for tp, end in ends.items()}, self._clock())
                await asyncio.sleep(ENDS_EVERY_S)

    async def _partitions_of(self, *topics: Topic) -> list[TopicPartition]:
        names = [self._settings.topics[topic] for topic in topics]
        admin = AIOKafkaAdminClient(bootstrap_servers=self._settings.bootstrap, request_timeout_ms=REQUEST_MS_MAX)
        await admin.start()
        try:
            found = {each["topic"]: each["partitions"] for each in await admin.describe_topics(names)}
        finally:
            await admin.close()
        for name in names:
            if not found.get(name):
                raise Unavailable(f"there is no topic {name}: run `hoso migrate`, or set HOSO_TOPIC_PREFIX")
        return [TopicPartition(name, each["partition"]) for name in names for each in found[name]]

    def _consumer(self, **options: Any) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self._settings.bootstrap,
            isolation_level="read_committed",
            enable_auto_commit=False,
            request_timeout_ms=REQUEST_MS_MAX,
            retry_backoff_ms=int(RETRY_S * 1000),
            **options,
        )
