"""The log of the gateway, the real one and its stand-in: one suite for both."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from services.gateway.log import KafkaLog, Record
from services.local.broker import Broker
from tests.integration.gateway_run import read_all
from tests.kafka import TopicFactory
from tests.unit.gateway.make import FakeLog

pytestmark = [pytest.mark.broker, pytest.mark.asyncio]

Tail = Callable[[], Awaitable[dict[tuple[int, int], Record]]]


@asynccontextmanager
async def a_log(kind: str, broker: Broker, new_topic: TopicFactory) -> AsyncIterator[tuple[Any, Tail]]:
    """A log of four partitions, and what lies in it by address."""
    if kind == "fake":
        fake = FakeLog(partitions=4)

        async def lies() -> dict[tuple[int, int], Record]:
            return {(p, offset): r for p, rows in enumerate(fake.partitions) for offset, r in enumerate(rows)}

        yield fake, lies
        return
    topic = await new_topic("dossier-events", partitions=4)
    real = KafkaLog(bootstrap=broker.bootstrap, topic=topic)
    await real.start()

    async def lies_there() -> dict[tuple[int, int], Record]:
        records = await read_all(broker.bootstrap, topic)
        return {(r.partition, r.offset): (r.key or b"", r.value or b"") for r in records}

    try:
        yield real, lies_there
    finally:
        await real.stop()


@pytest.mark.parametrize("kind", ["fake", "kafka"])
@pytest.mark.parametrize("count", [0, 1, 16, 17, 9000])
async def test_records_lie_verbatim_at_their_addresses_and_in_order(
    kind: str, count: int, broker: Broker, new_topic: TopicFactory
) -> None:
    records = [(b"H49-%d" % (n % 700), b'{"n":%d}' % n + b" " * (n % 900)) for n in range(count)]
    async with a_log(kind, broker, new_topic) as (log, lies):
        addresses = await log.append(records)
        assert dict(zip(addresses, records, strict=True)) == await lies()
        last: dict[bytes, tuple[int, int]] = {}
        for (key, _), address in zip(records, addresses, strict=True):
            assert last.get(key, (address[0], -1)) < address  # one partition, rising offsets
            last[key] = address


@pytest.mark.parametrize("kind", ["fake", "kafka"])
async def test_calls_at_once_all_arrive(kind: str, broker: Broker, new_topic: TopicFactory) -> None:
    calls = [[(b"k%d" % n, b"%d/%d" % (call, n)) for n in range(1 if call % 4 else 40)] for call in range(1200)]
    async with a_log(kind, broker, new_topic) as (log, lies):
        answers = await asyncio.gather(*(log.append(records) for records in calls))
        told = {
            address: record
            for call, answer in zip(calls, answers, strict=True)
            for record, address in zip(call, answer, strict=True)
        }
        assert told == await lies()
        assert len(told) == sum(map(len, calls))


async def test_the_partition_is_the_one_that_every_client_chooses(broker: Broker, new_topic: TopicFactory) -> None:
    topic = await new_topic("dossier-events", partitions=7)
    log = KafkaLog(bootstrap=broker.bootstrap, topic=topic)
    await log.start()
    keys = [b"H49.16-%d" % n for n in range(40)]
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap) as producer:
        chosen = [(await producer.send_and_wait(topic, b"{}", key=key)).partition for key in keys]
    assert [address[0] for address in await log.append([(key, b"{}") for key in keys]) if address] == chosen
    await log.stop()


async def test_a_batch_that_the_broker_refuses_fails_alone_and_the_next_is_taken(
    broker: Broker, new_topic: TopicFactory
) -> None:
    """An idempotent producer is spent after such an error: its sequence has a gap."""
    topic = await new_topic("dossier-events", configs={"max.message.bytes": "2000"})
    log = KafkaLog(bootstrap=broker.bootstrap, topic=topic)
    await log.start()
    assert await log.append([(b"k", b"x" * 30)]) == [(0, 0)]
    assert await log.append([(b"k", b"x" * 3000)]) == [None]
    assert await log.append([(b"k", b"x" * 30)]) == [(0, 1)]
    assert await log.append([(b"k", b"x" * 30)] * 20) == [(0, offset) for offset in range(2, 22)]
    assert await log.append([(b"k", b"x" * 300)] * 20) == [None] * 20
    assert await log.append([(b"k", b"x" * 30)] * 20) == [(0, offset) for offset in range(22, 42)]
    await log.stop()
