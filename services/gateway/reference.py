"""Ids of reference data (units, policies), read from their topic into memory and followed live.

Promises: after `start`, every record written before it is known; after `catch_up`, every one written before that call.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from schemas.errors import Unavailable
from schemas.reference import RECORDS
from schemas.settings import Settings
from schemas.topics import Topic
from services.gateway.kafka import RETRY_MS, started, stop

log = structlog.get_logger()

CATCH_UP_S_MAX: Final = 5.0  # the topic holds thousands of short records at most: reading it takes milliseconds
POLL_MS: Final = 200


class Followed:
    """Ids of a topic of reference data, which has one partition; `given` are known whatever the topic says."""

    def __init__(self, settings: Settings, topic: Topic, *, given: Iterable[str] = ()) -> None:
        self._bootstrap = settings.bootstrap
        self._model = RECORDS[topic.name]
        self._partition = TopicPartition(settings.topics[topic], 0)
        self._given = frozenset(given)
        self._ids: set[str] = set()
        self._position = 0
        self._moved = asyncio.Condition()
        self._consumer: Any = None

    def __contains__(self, id_: object) -> bool:
        return id_ in self._ids or id_ in self._given

    async def start(self) -> None:
        """Connect and read to the end; `Unavailable` when that cannot be done."""
        self._consumer = await started(
            lambda: AIOKafkaConsumer(
                bootstrap_servers=self._bootstrap,
                isolation_level="read_committed",
                auto_offset_reset="earliest",
                enable_auto_commit=False,
                retry_backoff_ms=RETRY_MS,
            ),
            bootstrap=self._bootstrap,
        )
        self._consumer.assign([self._partition])
        following = asyncio.create_task(self.follow())
        try:
            await self.catch_up()
        finally:
            following.cancel()
            await asyncio.wait([following])

    async def stop(self) -> None:
        """Leave."""
        if self._consumer is not None:
            await stop(self._consumer)

    async def follow(self) -> None:
        """Apply what is written, for ever."""
        while True:
            batches = await self._consumer.getmany(timeout_ms=POLL_MS)
            for record in batches.get(self._partition, ()):
                self._apply(record)
            position = await self._consumer.position(self._partition)
            if position != self._position:
                async with self._moved:
                    self._position = position
                    self._moved.notify_all()

    async def catch_up(self) -> None:
        """Return once everything that was written before this call is known; `Unavailable` when it cannot be read.

        Works while `follow` runs.
        """
        try:
            async with asyncio.timeout(CATCH_UP_S_MAX):
                end = (await self._consumer.end_offsets([self._partition]))[self._partition]
                async with self._moved:
                    await self._moved.wait_for(lambda: self._position >= end)
        except (KafkaError, TimeoutError) as error:
            raise Unavailable(f"the topic {self._partition.topic} cannot be read; is the broker up?") from error

    async def check(self) -> str:
        """Empty when at least one id is known."""
        return "" if self._ids or self._given else f"the topic {self._partition.topic} is empty; `hoso up` fills it"

    def _apply(self, record: Any) -> None:
        id_ = (record.key or b"").decode(errors="replace")
        if record.value is None:
            self._ids.discard(id_)
            return
        try:
            self._model.model_validate_json(record.value)
        except ValidationError:
            log.warning("no_reference_record", topic=self._partition.topic, offset=record.offset)
            return
        self._ids.add(id_)
