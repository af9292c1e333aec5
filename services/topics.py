"""Makes the topics and fills the reference data: the Kafka half of `hoso migrate`. Doing it twice changes nothing."""

from collections.abc import Iterable
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code
from aiokafka.structs import TopicPartition

from schemas.errors import SettingsError
from schemas.reference import Unit, read_units
from schemas.settings import Settings
from schemas.topics import TOPICS, UNITS

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


async def publish_units(settings: Settings, units: Iterable[Unit] | None = None) -> int:
    """Write units that are new or changed to the `units` topic; returns how many. None: the file of the settings."""
    wanted = {unit.id: unit.model_dump_json().encode() for unit in units or read_units(settings.units_file)}
    present = await _read_units(settings)
    changed = {id_: value for id_, value in wanted.items() if present.get(id_) != value}
    async with AIOKafkaProducer(bootstrap_servers=settings.bootstrap, acks="all", enable_idempotence=True) as producer:
        for id_, value in changed.items():
            await producer.send_and_wait(settings.topics[UNITS], key=id_.encode(), value=value, partition=0)
    return len(changed)


async def _read_units(settings: Settings) -> dict[str, bytes]:
    tp = TopicPartition(settings.topics[UNITS], 0)
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
                found[(record.key or b"").decode()] = record.value or b""
    return found
