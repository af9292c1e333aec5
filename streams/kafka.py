"""Talking to Kafka beside Faust: reading a partition from its beginning, probing it, and transactional producers.

Every reader is `read_committed`: what a transaction took back was never said.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError
from aiokafka.partitioner import murmur2
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP

from schemas.records import fetch_lean
from streams.slices import Record

FETCH_BYTES: Final = 4 * 1024 * 1024
BATCH_BYTES: Final = 512 * 1024  # well below the broker's 1 MiB limit for one batch
REQUEST_BYTES_MAX: Final = 8 * 1024 * 1024

Message = tuple[bytes, bytes | None, list[tuple[str, bytes]]]  # key, value, headers


fetch_lean()


class _ReadCommittedThread(AIOKafkaConsumerThread):
    """Faust sets the isolation level only in its own `exactly_once` mode, which we do not use (ADR 0002)."""

    def _create_worker_consumer(self, transport: Transport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"
        return consumer


class _ReadCommittedConsumer(Consumer):
    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        return _ReadCommittedThread(self, loop=self.loop, beacon=self.beacon)

    def on_buffer_full(self, tp: TP) -> None:
        """Nothing: a full queue already makes the fetcher wait for room.

        Faust would leave the partition out of the next fetch, and sleep a second when it has left out all of them: a
        burst of small slices, folded within milliseconds, then stood for a second.
        """


class ReadCommittedTransport(Transport):
    """Faust's transport, reading committed records only, and all partitions in each fetch."""

    Consumer = _ReadCommittedConsumer


def partition_of(key: str, partitions: int) -> int:
    """The partition that Kafka's default partitioner chooses for a key."""
    return (murmur2(key.encode()) & 0x7FFFFFFF) % partitions


class Log:
    """Reads partitions by hand, outside any group's assignment."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    async def read_to_end(self, topic: str, partition: int, start: int = 0) -> AsyncGenerator[list[Record], None]:
        """All committed records from `start` up to the end that stood when the reading began."""
        tp = TopicPartition(topic, partition)
        async with self.consumer() as consumer:
            consumer.assign([tp])
            consumer.seek(tp, start)
            async for records in read_on(consumer):
                yield records

    async def end_offset(self, topic: str, partition: int) -> int:
        """The next offset of a partition."""
        return (await self.end_offsets([(topic, partition)]))[0]

    async def end_offsets(self, partitions: Sequence[tuple[str, int]]) -> list[int]:
        """The next offset of each (topic, partition)."""
        wanted = [TopicPartition(*each) for each in partitions]
        async with self.consumer() as consumer:
            ends = await consumer.end_offsets(wanted)
        return [int(ends[tp]) for tp in wanted]

    async def first_offset_from(self, topic: str, partition: int, offset: int) -> int | None:
        """The offset of the first record at or after `offset`; None when only markers are left."""
        tp = TopicPartition(topic, partition)
        async with self.consumer() as consumer:
            consumer.assign([tp])
            start = (await consumer.beginning_offsets([tp]))[tp]
            end = (await consumer.end_offsets([tp]))[tp]
            consumer.seek(tp, max(start, offset))
            while await consumer.position(tp) < end:
                fetched = await consumer.getmany(tp, timeout_ms=200, max_records=1)
                if records := fetched.get(tp):
                    return int(records[0].offset)
        return None

    async def committed(self, group: str, topic: str, partition: int) -> OffsetAndMetadata:
        """Where the group goes on, and what was said there; the log's beginning when it never did, or it expired."""
        tp = TopicPartition(topic, partition)
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap)
        try:
            await admin.start()
            found = (await admin.list_consumer_group_offsets(group, partitions=[tp])).get(tp)
        finally:
            await admin.close()
        if found is None:  # a coordinator that has no answer yet; "never" is -1
            raise GroupCoordinatorNotAvailableError
        if found.offset >= 0:
            return found
        async with self.consumer() as consumer:
            return OffsetAndMetadata((await consumer.beginning_offsets([tp]))[tp], "")

    def consumer(self) -> AIOKafkaConsumer:
        """One that has not started, for partitions assigned by hand."""
        return AIOKafkaConsumer(
            group_id=None,
            bootstrap_servers=self._bootstrap,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=FETCH_BYTES,
        )


async def read_on(consumer: AIOKafkaConsumer) -> AsyncIterator[list[Record]]:
    """What came in a consumer's only partition, up to the end that stands now.

    Ends by position, not by the last record's offset: the log may end in commit markers.
    """
    (tp,) = consumer.assignment()
    end = (await consumer.end_offsets([tp]))[tp]
    while await consumer.position(tp) < end:
        fetched = await consumer.getmany(tp, timeout_ms=200)
        if records := fetched.get(tp):
            yield records


def transactional_producer(bootstrap: str, transactional_id: str) -> AIOKafkaProducer:
    """A producer whose start fences every earlier one of the same id."""
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        transactional_id=transactional_id,
        acks="all",
        max_batch_size=BATCH_BYTES,
        max_request_size=REQUEST_BYTES_MAX,
    )


async def send_all(producer: AIOKafkaProducer, topic: str, partition: int, messages: Iterable[Message]) -> int | None:
    """Write messages in as few batches as fit and await each acknowledgement.

    The offset of the last; None when there are none, or when the broker had them from an earlier attempt already.
    """
    acknowledgements = []
    batch = producer.create_batch()
    for key, value, headers in messages:
        if batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
            acknowledgements.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            batch.append(key=key, value=value, timestamp=None, headers=headers)
    batch.close()
    if batch.record_count():
        acknowledgements.append(await producer.send_batch(batch, topic, partition=partition))
    written = await asyncio.gather(*acknowledgements)
    return written[-1].offset + batch.record_count() - 1 if written and written[-1].offset >= 0 else None
