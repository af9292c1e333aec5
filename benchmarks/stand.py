"""What a benchmark of the processor stands on: a real broker of its own, and topics filled with the synthetic year."""

from collections import defaultdict
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from benchmarks.serving import broker_on
from schemas import topics
from schemas.codec import STRUCTURED, encode
from schemas.events import Kind
from schemas.settings import Settings, read_settings
from services.demo.year import PLANS, Plan, events
from services.local.broker import Broker
from services.topics import ensure_topics, publish_units
from streams.kafka import Message, partition_of, send_all, transactional_producer

VAR: Final = Path(__file__).parents[1] / "var"
PORT: Final = 23000


def broker(root: Path) -> AbstractAsyncContextManager[Broker]:
    """Apache Kafka on `PORT` with its data under `root`."""
    return broker_on(PORT, root=root)


def environment(root: Path, name: str, **settings: object) -> dict[str, str]:
    """The settings of a run with topics of its own, as environment variables."""
    return {
        "HOSO_VAR": str(root / name),
        "HOSO_KAFKA_PORT": str(PORT),
        "HOSO_WORKER_PORT": str(PORT + 2),
        "HOSO_TOPIC_PREFIX": f"{name}-",
        "HOSO_CLOCK": "2022-01-01T00:00:00+07:00",
        **{f"HOSO_{key.upper()}": str(value) for key, value in settings.items()},
    }


@dataclass(frozen=True, slots=True)
class Load:
    """The first events of a year of `events // 3` dossiers, encoded, and how many of these were accepted."""

    messages: Mapping[int, list[Message]]  # by partition
    events: int
    accepted: int


@lru_cache(maxsize=4)
def load(count: int, *, partitions: int) -> Load:
    """So many events: about three of each dossier."""
    year = events((Plan(units=PLANS[0].units + PLANS[1].units, carried_over=0, early=count // 3, on_time=0, open=0),))
    year = year[:count]
    messages: dict[int, list[Message]] = defaultdict(list)
    headers = [("content-type", STRUCTURED.encode())]
    for event in year:
        messages[partition_of(event.subject, partitions)].append((event.subject.encode(), encode(event), headers))
    return Load(messages, len(year), sum(event.data.kind is Kind.ACCEPTED for event in year))


async def fill(variables: Mapping[str, str], count: int) -> tuple[Settings, Load]:
    """Make the topics of these settings and write `count` events in one transaction: they appear all at once."""
    settings = read_settings(variables)
    await make_topics(settings)
    year = load(count, partitions=settings.partitions)
    await write(settings, year)
    return settings, year


async def make_topics(settings: Settings) -> None:
    """The topics, empty but for the units."""
    await ensure_topics(settings)
    await publish_units(settings)


async def write(settings: Settings, year: Load) -> None:
    """All events, in one transaction."""
    producer = transactional_producer(settings.bootstrap, f"{settings.topic_prefix}fill")
    await producer.start()
    async with producer.transaction():
        for partition, messages in year.messages.items():
            await send_all(producer, settings.topics[topics.EVENTS], partition, messages)
    await producer.stop()
