"""The event log as the gateway sees it, and the one in Kafka.

Promises: a record has an address only when all in-sync replicas have it (acks=all); records of one key are stored in
the order given, on the partition that every Kafka client chooses for that key; no call waits for a silent broker
longer than ACK_S_MAX after its last progress.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from services.gateway.lane import ACK_S_MAX, Batch, Lane
from services.gateway.partitioner import partition_hash
from services.gateway.producer import Producer

Record = tuple[bytes, bytes]  # key, value
Address = tuple[int, int]  # partition, offset; the offset is -1 when a repeated write was recognised too late to know

ANSWER_S_MAX: Final = 2.0  # for the readiness check
RECORDS_PER_TURN: Final = 2000  # ~3 ms of filling batches before other requests have a turn


class EventLog(Protocol):
    """Where accepted events go."""

    async def append(self, records: Sequence[Record]) -> list[Address | None]:
        """Store records; None stands for one that was not acknowledged, which may still arrive."""


class KafkaLog:
    """The event topic. Records of requests that come at once share batches, one lane of them per partition."""

    def __init__(self, *, bootstrap: str, topic: str) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._producer = Producer(bootstrap=bootstrap, topic=topic, request_s_max=ACK_S_MAX)
        self._lanes: list[Lane] = []

    async def start(self) -> None:
        """Connect; `Unavailable` when that cannot be done."""
        await self._producer.start()

    async def stop(self) -> None:
        """Send what waits, and leave."""
        await self._producer.stop()
        for lane in self._lanes:
            lane.close()

    async def check(self) -> str:
        """Empty when the broker answers."""
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                answers = await (await self._producer.current()).client.force_metadata_update()
        except TimeoutError:
            answers = False
        return "" if answers else f"no broker answers at {self._bootstrap}; start it or set HOSO_KAFKA"

    async def append(self, records: Sequence[Record]) -> list[Address | None]:
        """Store records, sharing batches with other calls."""
        lanes = self._lanes_now()
        placed: list[tuple[Batch, int]] = []
        stored: dict[Batch, asyncio.Future[int | None]] = {}
        for number, (key, value) in enumerate(records, 1):
            batch, place = lanes[partition_hash(key) % len(lanes)].add(key, value)
            placed.append((batch, place))
            if batch not in stored:
                stored[batch] = batch.stored()
            if number % RECORDS_PER_TURN == 0:
                await asyncio.sleep(0)
        bases = {batch: await future for batch, future in stored.items()}
        return [_address(batch.partition, bases[batch], place) for batch, place in placed]

    def _lanes_now(self) -> list[Lane]:
        for partition in range(len(self._lanes), self._producer.partitions()):
            self._lanes.append(Lane(self._producer, topic=self._topic, partition=partition))
        return self._lanes


def _address(partition: int, base: int | None, place: int) -> Address | None:
    if base is None:
        return None
    return partition, base + place if base >= 0 else -1
