"""A real Kafka broker for the tests: one per run, started when the first test asks for it, topics fresh per test.

A pytest plugin (`pytest_plugins = ["tests.kafka"]` in tests/conftest.py). Without network and without a filled
`var/kafka/jars` the tests that need the broker are skipped and say so.
"""

import asyncio
import os
import socket
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Final

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from services.local.broker import HOST, Broker, BrokerError, start_broker
from services.local.jars import fetch_jars

JARS: Final = Path(__file__).parents[1] / "var" / "kafka" / "jars"  # where `hoso up` keeps them too

TopicFactory = Callable[..., Awaitable[str]]


# Below those that a system gives by itself: no outgoing connection takes one before it is used.
_untried = count(20_000 + os.getpid() % 10_000)


def free_port() -> int:
    """A port that nobody listens on, and that no earlier call gave."""
    while True:
        port = next(_untried)
        with socket.socket() as probe, suppress(OSError):
            probe.bind((HOST, port))
            return port


async def create_topic(bootstrap: str, name: str, *, partitions: int = 1, configs: dict[str, str] | None = None) -> str:
    """Create `name` and return it."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        topic = NewTopic(name, num_partitions=partitions, replication_factor=1, topic_configs=configs or {})
        response = await admin.create_topics([topic])
        errors = [error for error in response.topic_errors if error[1] != 0]
        assert not errors, errors
    finally:
        await admin.close()
    return name


@pytest.fixture(scope="session")
def broker_jars() -> list[Path]:
    """The broker's class path; for tests that start, kill and restart a broker of their own."""
    try:
        return asyncio.run(fetch_jars(JARS, progress=lambda _done, _total: None))
    except BrokerError as error:
        pytest.skip(f"no Kafka broker: {error}")


@pytest.fixture(scope="session")
def broker(broker_jars: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The broker that all tests share. Nobody stops it but this fixture."""
    folder = tmp_path_factory.mktemp("kafka")
    running = asyncio.run(
        start_broker(
            data_dir=folder / "data",
            jars=broker_jars,
            port=free_port(),
            controller_port=free_port(),
            log=folder / "broker.log",
        )
    )
    yield running
    asyncio.run(running.kill())  # its folder goes too: nothing to end in good order


@pytest.fixture
def new_topic(broker: Broker) -> TopicFactory:
    """`await new_topic("dossier-events", partitions=4)`: a topic of that name, made unique, on the shared broker."""

    async def new(name: str = "topic", *, partitions: int = 1, configs: dict[str, str] | None = None) -> str:
        unique = f"{name}-{uuid.uuid4().hex[:8]}"
        return await create_topic(broker.bootstrap, unique, partitions=partitions, configs=configs)

    return new
