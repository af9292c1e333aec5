"""What the command line asks Kafka: which topics there are, how far readers are. Changes nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from schemas.errors import Unavailable
from schemas.settings import Settings
from schemas.topics import EVENTS, TOPICS, UNITS, Topic
from services.topics import read_published

ANSWER_S_MAX: Final = 10.0
READ_S_MAX: Final = 3.0  # for the last counted records, which may be behind a commit marker and never come
FETCH_BYTES: Final = 64 * 1024


class TopicState(msgspec.Struct, frozen=True, kw_only=True):
    """A topic as it is beside as it should be."""

    topic: Topic
    name: str
    partitions: int  # 0: there is no such topic
    partitions_wanted: int
    differing: dict[str, str]  # settings of the topic whose value is another one, with that value


class PartitionLag(msgspec.Struct, frozen=True, kw_only=True):
    """How far the processor is behind the log of one partition."""

    partition: int
    log_end: int
    committed: int | None  # None: nothing was ever counted
    lag: int
    counted_at_ms: int | None  # when the last counted event was written to the log


@asynccontextmanager
async def answering(settings: Settings) -> AsyncIterator[None]:
    """Tell what to do when Kafka does not answer."""
    try:
        async with asyncio.timeout(ANSWER_S_MAX):
            yield
    except (KafkaError, OSError, TimeoutError) as error:
        todo = "check HOSO_KAFKA" if settings.kafka else "start one with `hoso up`, or set HOSO_KAFKA"
        raise Unavailable(f"no Kafka broker answers at {settings.bootstrap}: {todo}") from error


async def topic_states(settings: Settings) -> list[TopicState]:
    """Every topic of `schemas.topics`, in that order."""
    names = {settings.topics[topic]: topic for topic in TOPICS}
    async with answering(settings), _admin(settings) as admin:
        partitions = {found["topic"]: len(found["partitions"]) for found in await admin.describe_topics()}
        configs = await _configs(admin, {name: topic for name, topic in names.items() if name in partitions})
    return [
        TopicState(
            topic=topic,
            name=name,
            partitions=partitions.get(name, 0),
            partitions_wanted=settings.partitions if topic.partitions == "setting" else topic.partitions,
            differing={
                key: configs[name][key]
                for key, wanted in topic.config.items()
                if name in configs and _number_or_text(configs[name][key]) != _number_or_text(wanted)
            },
        )
        for name, topic in names.items()
    ]


async def group_state(settings: Settings) -> tuple[str, int]:
    """The state of the processor's group, as Kafka calls it, and how many workers are in it."""
    async with answering(settings), _admin(settings) as admin:
        [response] = await admin.describe_consumer_groups([settings.group])
    _, _, state, _, _, members, *_ = response.groups[0]
    return state, len(members)


async def lags(settings: Settings) -> list[PartitionLag]:
    """Per partition of the events; `Unavailable` also when the topic is missing."""
    async with answering(settings):
        topic = settings.topics[EVENTS]
        async with _admin(settings) as admin:
            partitions = [
                TopicPartition(topic, partition)
                for found in await admin.describe_topics()
                if found["topic"] == topic
                for partition in range(len(found["partitions"]))
            ]
        if not partitions:
            raise Unavailable(f"there is no topic {topic} at {settings.bootstrap}: make it with `hoso migrate`")
        async with _consumer(settings, group=settings.group) as consumer:  # by hand: asking does not join the group
            begins = await consumer.beginning_offsets(partitions)
            ends = await consumer.end_offsets(partitions)
            consumer.assign(partitions)
            committed = {tp: await consumer.committed(tp) for tp in partitions}
            counted_at_ms = await _written_at_ms(
                consumer, {tp: offset - 1 for tp, offset in committed.items() if offset and offset > begins[tp]}
            )
    return [
        PartitionLag(
            partition=tp.partition,
            log_end=ends[tp],
            committed=committed[tp],
            lag=max(ends[tp] - (begins[tp] if committed[tp] is None else committed[tp]), 0),
            counted_at_ms=counted_at_ms.get(tp),
        )
        for tp in partitions
    ]


async def published_units(settings: Settings) -> dict[str, bytes]:
    """The newest value of each unit in the `units` topic."""
    async with answering(settings):
        return await read_published(settings, UNITS)


def _number_or_text(text: str) -> float | str:
    """A broker may answer 0.30 for 0.3."""
    try:
        return float(text)
    except ValueError:
        return text


@asynccontextmanager
async def _admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


@asynccontextmanager
async def _consumer(settings: Settings, *, group: str | None = None) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap,
        group_id=group,
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


async def _configs(admin: AIOKafkaAdminClient, topics: dict[str, Topic]) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, topic.config) for name, topic in topics.items()]
    if not resources:
        return {}
    [response] = await admin.describe_configs(resources)
    return {name: {key: value for key, value, *_ in entries} for _, _, _, name, entries in response.resources}


async def _written_at_ms(consumer: AIOKafkaConsumer, offsets: dict[TopicPartition, int]) -> dict[TopicPartition, int]:
    """Timestamps of single records; an offset that holds none, such as a commit marker, is left out."""
    for tp, offset in offsets.items():
        consumer.seek(tp, offset)
    found: dict[TopicPartition, int] = {}
    pending = set(offsets)
    loop = asyncio.get_running_loop()
    until = loop.time() + READ_S_MAX
    while pending and loop.time() < until:
        for tp, records in (await consumer.getmany(*pending, timeout_ms=200)).items():
            pending.discard(tp)
            if records[0].offset == offsets[tp]:
                found[tp] = records[0].timestamp
    return found
