"""Makes the topics and fills the reference data: the Kafka half of `hoso migrate`. Doing it twice changes nothing."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code
from aiokafka.structs import TopicPartition

from schemas.errors import SettingsError
from schemas.reference import ReferenceRecord, Unit, read_units
from schemas.settings import Settings
from schemas.topics import REFERENCE, TOPICS, UNITS, Topic
from services.reference import Records, read_sound_files

_OK: Final = 0


async def ensure_topics(settings: Settings) -> list[str]:
    """Create what is missing and return its names; `SettingsError` when a topic exists with other partitions."""
    wanted = {
        settings.topics[topic]: (settings.partitions if topic.partitions == "setting" else topic.partitions, topic)
        for topic in TOPICS
    }
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap)
    await admin.start()
    try:
        present = {found["topic"]: len(found["partitions"]) for found in await admin.describe_topics() if found}
        for name, (partitions, topic) in wanted.items():
            if name in present and present[name] != partitions:
                setting = "HOSO_PARTITIONS" if topic.partitions == "setting" else "HOSO_TOPIC_PREFIX"
                raise SettingsError(
                    f"topic {name} has {present[name]} partitions, not {partitions}; set {setting} accordingly"
                )
        missing = [name for name in wanted if name not in present]
        response = await admin.create_topics(
            [
                NewTopic(
                    name,
                    num_partitions=wanted[name][0],
                    replication_factor=settings.kafka_replication,
                    topic_configs=wanted[name][1].config,
                )
                for name in missing
            ]
        )
        for name, code, *_ in response.topic_errors if missing else ():
            if code not in (_OK, TopicAlreadyExistsError.errno):
                raise for_code(code)(name)
        return missing
    finally:
        await admin.close()


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How records stand against their topic, by id."""

    new: list[str]
    changed: list[str]
    foreign: list[str]  # only the topic has them: an import or another file brought them, and they stay

    @property
    def due(self) -> int:
        """How many there are to write."""
        return len(self.new) + len(self.changed)


async def publish_reference(settings: Settings) -> dict[str, int]:
    """Write what is new or changed in the files of reference data to their topics; returns how many by kind.

    `SettingsError` when a file is wrong: then nothing is written.
    """
    files = read_sound_files(settings)
    return {topic.name: await publish_records(settings, topic, files[topic.name]) for topic in REFERENCE}


async def publish_units(settings: Settings, units: Iterable[Unit] | None = None) -> int:
    """Write units that are new or changed to the `units` topic; returns how many. None: the file of the settings."""
    return await publish_records(settings, UNITS, units or read_units(settings.units_file))


async def compare_reference(settings: Settings, files: Records) -> dict[str, Standing]:
    """How the records of files stand against their topics, by kind; changes nothing."""
    return {
        topic.name: _standing(_encoded(files[topic.name]), await read_published(settings, topic)) for topic in REFERENCE
    }


async def read_published(settings: Settings, topic: Topic) -> dict[str, bytes]:
    """The newest value of each record in a topic of reference data."""
    tp = TopicPartition(settings.topics[topic], 0)
    found: dict[str, bytes] = {}
    async with AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap,
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",  # the default would race with the seek below and may read nothing
    ) as consumer:
        consumer.assign([tp])
        end = (await consumer.end_offsets([tp]))[tp]
        await consumer.seek_to_beginning(tp)
        while await consumer.position(tp) < end:
            for record in (await consumer.getmany(tp, timeout_ms=200)).get(tp, []):
                id_ = (record.key or b"").decode(errors="replace")
                if record.value is None:
                    found.pop(id_, None)
                else:
                    found[id_] = record.value
    return found


async def publish_records(settings: Settings, topic: Topic, records: Iterable[ReferenceRecord]) -> int:
    """Write records of one kind that are new or changed to its topic; returns how many."""
    wanted = _encoded(records)
    standing = _standing(wanted, await read_published(settings, topic))
    async with AIOKafkaProducer(bootstrap_servers=settings.bootstrap, acks="all", enable_idempotence=True) as producer:
        sent = [
            await producer.send(settings.topics[topic], key=id_.encode(), value=wanted[id_], partition=0)
            for id_ in (*standing.new, *standing.changed)
        ]
        await asyncio.gather(*sent)
    return standing.due


def _encoded(records: Iterable[Any]) -> dict[str, bytes]:
    return {record.id: record.model_dump_json().encode() for record in records}


def _standing(wanted: Mapping[str, bytes], present: Mapping[str, bytes]) -> Standing:
    return Standing(
        new=[id_ for id_ in wanted if id_ not in present],
        changed=[id_ for id_, value in wanted.items() if present.get(id_, value) != value],
        foreign=[id_ for id_ in present if id_ not in wanted],
    )
