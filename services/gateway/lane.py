"""One partition's way to the log: batches go one after the other, and what comes meanwhile shares the next one.

Promises: records are stored in the order in which they were added; a batch is acknowledged or given up at the latest
ACK_S_MAX after it was begun or after the batch before it was acknowledged, whichever is later, so nothing piles up
behind a silent broker.

aiokafka's own queue is not used for this: it makes two futures for each record, and lets a stream of single records
keep a batch waiting for ever.
"""

import asyncio
from collections import deque
from typing import Any, Final

import structlog
from aiokafka.errors import KafkaError

from schemas.codec import STRUCTURED
from services.gateway.producer import Producer

log = structlog.get_logger()

HEADERS: Final = [("content-type", STRUCTURED.encode())]
ACK_S_MAX: Final = 10.0  # a leader election takes a few seconds; HTTP clients give up after 30


class Batch:
    """Records that travel together, perhaps those of several requests."""

    __slots__ = ("_waiters", "begun_at", "builder", "partition")

    def __init__(self, builder: Any, partition: int) -> None:
        self._waiters: list[asyncio.Future[int | None]] = []
        self.begun_at = asyncio.get_running_loop().time()
        self.builder = builder
        self.partition = partition

    def add(self, key: bytes, value: bytes) -> int | None:
        """The record's place in the batch; None: it is full. An empty batch takes any record."""
        added = self.builder.append(timestamp=None, key=key, value=value, headers=HEADERS)
        return None if added is None else int(added.offset)

    def stored(self) -> asyncio.Future[int | None]:
        """The offset of the first record, once it is known; ask when you add, and each caller for itself.

        -1 when a repeated write was recognised too late to know; None when the batch was not acknowledged and may
        still arrive.
        """
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        return waiter

    def settle(self, outcome: int | Exception | None) -> None:
        """Tell all who wait; those who left are left out."""
        self.builder = None  # its bytes, which whoever still counts records would keep
        for waiter in self._waiters:
            if waiter.done():
                continue
            if isinstance(outcome, Exception):
                waiter.set_exception(outcome)
            else:
                waiter.set_result(outcome)


class Lane:
    """Batches of one partition, in order; at most one is on its way."""

    def __init__(self, producer: Producer, *, topic: str, partition: int) -> None:
        self._producer = producer
        self._topic = topic
        self._partition = partition
        self._waiting: deque[Batch] = deque()
        self._progress_at = 0.0
        self._sending: asyncio.Task[None] | None = None

    def add(self, key: bytes, value: bytes) -> tuple[Batch, int]:
        """Take a record, and return its batch and its place in it."""
        if self._waiting:
            batch = self._waiting[-1]
            place = batch.add(key, value)
            if place is not None:
                return batch, place
        batch = Batch(self._producer.create_batch(), self._partition)
        batch.add(key, value)
        self._waiting.append(batch)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())  # begins after this turn: what it adds travels together
        return batch, 0

    def close(self) -> None:
        """Give up what waits."""
        if self._sending is not None:
            self._sending.cancel()

    async def _send(self) -> None:
        while self._waiting:
            batch = self._waiting.popleft()
            batch.builder.close()
            try:
                batch.settle(await self._stored(batch))
            except Exception as fault:  # noqa: BLE001 - raised where its records came from
                batch.settle(fault)
        self._sending = None

    async def _stored(self, batch: Batch) -> int | None:
        loop = asyncio.get_running_loop()
        client: Any = None
        try:
            async with asyncio.timeout_at(max(batch.begun_at, self._progress_at) + ACK_S_MAX):
                client = await self._producer.current()
                acknowledged = await client.send_batch(batch.builder, self._topic, partition=self._partition)
                base: int = (await acknowledged).offset
        except TimeoutError:
            log.warning("broker_silent", partition=self._partition, waited_s=ACK_S_MAX)
            return None
        except KafkaError as error:
            self._producer.note(error, client)
            return None
        self._progress_at = loop.time()
        return base
