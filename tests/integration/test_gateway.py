"""The gateway as a process beside a real broker: what it promises is in the log, also when the broker is killed."""

import asyncio
import json
import os
import re
import shutil
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from prometheus_client.parser import text_string_to_metric_families

from schemas.codec import STRUCTURED, decode_record
from schemas.reference import Unit
from schemas.settings import Settings, read_settings
from schemas.topics import EVENTS, UNITS
from services.gateway.log import KafkaLog, Record
from services.gateway.sources import create_source
from services.local.broker import Broker, start_broker
from services.topics import ensure_topics, publish_units
from tests.kafka import TopicFactory, free_port
from tests.unit.gateway.make import LINES, OTHER_UNIT, SOURCE, UNIT, FakeLog, accepted, line

pytestmark = [pytest.mark.broker, pytest.mark.asyncio]

WAIT_S_MAX = 60.0
GUIDE = Path(__file__).parents[2] / "docs" / "integrators.md"
EVENTS_URL = "/v1/events"

Tail = Callable[[], Awaitable[dict[tuple[int, int], Record]]]


# --- the log, real and fake -----------------------------------------------------------------------------------------


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


# --- the process ----------------------------------------------------------------------------------------------------


@dataclass
class Running:
    """A gateway process and a client that knows its key."""

    settings: Settings
    process: asyncio.subprocess.Process
    client: httpx.AsyncClient

    async def stop(self) -> int:
        """SIGTERM; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(WAIT_S_MAX):
            return await self.process.wait()

    async def post(self, body: bytes | dict[str, Any], media: str = STRUCTURED) -> httpx.Response:
        content = json.dumps(body).encode() if isinstance(body, dict) else body
        return await self.client.post(EVENTS_URL, content=content, headers={"content-type": media})

    async def log(self) -> list[ConsumerRecord[bytes, bytes]]:
        return await read_all(self.settings.bootstrap, self.settings.topics[EVENTS])


def environment(folder: Path, bootstrap: str, **settings: str) -> dict[str, str]:
    return {
        "HOSO_KAFKA": bootstrap,
        "HOSO_VAR": str(folder),
        "HOSO_TOPIC_PREFIX": f"{folder.name}-",
        "HOSO_GATEWAY_PORT": str(free_port()),
    } | settings


@asynccontextmanager
async def prepared(folder: Path, bootstrap: str, **settings: str) -> AsyncIterator[Callable[[], Awaitable[Running]]]:
    """Topics, units and a key; yields what starts a gateway on them. What is still running at the end is killed."""
    env = environment(folder, bootstrap, **settings)
    read = read_settings(env)
    await ensure_topics(read)
    await publish_units(read, [Unit(id=unit, name_vi="Thử", name_en="Test") for unit in (UNIT, OTHER_UNIT)])
    key = create_source(read.sources_path, SOURCE, ["*"])
    running: list[Running] = []

    async def start() -> Running:
        process = await spawn(env, log=folder / "gateway.log")
        client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{read.gateway_port}",
            headers={"authorization": f"Bearer {key}"},
            timeout=WAIT_S_MAX,
        )
        running.append(Running(read, process, client))
        await until(lambda: is_ready(client))
        return running[-1]

    try:
        yield start
    finally:
        for each in running:
            await each.client.aclose()
            if each.process.returncode is None:
                each.process.kill()
                await each.process.wait()


async def spawn(env: dict[str, str], *, log: Path) -> asyncio.subprocess.Process:
    with log.open("ab") as said:
        return await asyncio.create_subprocess_exec(sys.executable, "-m", "services.gateway", env=env, stderr=said)


async def test_every_byte_that_was_accepted_lies_where_it_was_said(broker: Broker, tmp_path: Path) -> None:
    lines = [line(id=f"e-{n}", subject=f"H49-{n % 3000}") for n in range(20_000)]
    async with prepared(tmp_path, broker.bootstrap) as start:
        gateway = await start()
        answer = await gateway.post(b"\n".join([*lines, b"{", lines[0]]), LINES)
        items = answer.json()["items"]
        assert answer.status_code == 207
        assert Counter(item["status"] for item in items) == {"accepted": 20_000, "refused": 1, "duplicate": 1}
        single = await gateway.post(accepted(id="single", subject="H49-7"))
        assert single.status_code == 202
        records = {(record.partition, record.offset): record for record in await gateway.log()}
        assert len(records) == 20_001
        for value, item in zip(lines, items, strict=False):
            record = records[item["partition"], item["offset"]]
            assert record.value == value
            assert record.key == json.loads(value)["subject"].encode()
            assert record.headers == (("content-type", STRUCTURED.encode()),)
        code = await gateway.stop()
        assert code == 0


async def test_repeats_are_recognised_also_by_the_next_gateway(broker: Broker, tmp_path: Path) -> None:
    body = b"\n".join(line(id=f"e-{n}", subject=f"H49-{n}") for n in range(500))
    async with prepared(tmp_path, broker.bootstrap) as start:
        first = await start()
        assert (await first.post(body, LINES)).json()["accepted"] == 500
        assert (await first.post(body, LINES)).json()["duplicate"] == 500
        await first.stop()
        second = await start()
        await until(lambda: has_warmed(second.client, 500))
        assert (await second.post(body, LINES)).json()["duplicate"] == 500
        reused = await second.post(accepted(id="e-3", subject="H49-3", data={"channel": "postal"}))
        assert (reused.status_code, len(await second.log())) == (409, 500)


async def test_a_unit_is_known_the_moment_it_is_written(broker: Broker, tmp_path: Path) -> None:
    async with prepared(tmp_path, broker.bootstrap) as start:
        gateway = await start()
        event = accepted(data={"unit_id": "06999"})
        refused = await gateway.post(event)
        assert (refused.status_code, refused.json()["reason"]) == (422, "unknown_unit")
        await publish_units(gateway.settings, [Unit(id="06999", name_vi="Mới", name_en="New")])
        assert (await gateway.post(event)).status_code == 202
        async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap) as producer:
            await producer.send_and_wait(gateway.settings.topics[UNITS], key=b"06999", value=None)
        await until(lambda: is_refused(gateway, accepted(id="e-2", data={"unit_id": "06999"})))


async def test_a_request_in_flight_is_finished_before_it_leaves(broker: Broker, tmp_path: Path) -> None:
    async with prepared(tmp_path, broker.bootstrap) as start:
        gateway = await start()
        arrived = asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            yield line() + b"\n"
            arrived.set()
            await refuses_connections(gateway.settings.gateway_port)
            yield line(id="e-2")

        sending = asyncio.create_task(
            gateway.client.post(EVENTS_URL, content=slowly(), headers={"content-type": LINES})
        )
        await arrived.wait()
        code = await gateway.stop()
        answer = await sending
        assert (code, answer.status_code, answer.json()["accepted"], len(await gateway.log())) == (0, 202, 2, 2)


async def test_a_taken_port_names_the_setting(broker: Broker, tmp_path: Path) -> None:
    async with prepared(tmp_path, broker.bootstrap) as start:
        gateway = await start()
        port = str(gateway.settings.gateway_port)
        log = tmp_path / "second.log"
        second = await spawn(environment(tmp_path, broker.bootstrap, HOSO_GATEWAY_PORT=port), log=log)
        assert await second.wait() == 2
        assert f"port {port} on 127.0.0.1 is taken; set HOSO_GATEWAY_PORT" in log.read_text()


@pytest.mark.skipif(shutil.which("curl") is None, reason="the guide's examples need curl")
async def test_the_guide_tells_the_truth(broker: Broker, tmp_path: Path) -> None:
    """Every example of docs/integrators.md, run one after the other as an integrator would."""
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", GUIDE.read_text(), flags=re.DOTALL | re.MULTILINE)
    examples = [
        (text, blocks[at + 1][1]) for at, (kind, text) in enumerate(blocks[:-1]) if blocks[at + 1][0] == "answer"
    ]
    assert len(examples) == 6
    async with prepared(tmp_path, broker.bootstrap) as start:
        gateway = await start()
        await publish_units(gateway.settings)
        key = create_source(gateway.settings.sources_path, "https://motcua.uongbi.example", ["*"])
        names = {"GATEWAY": str(gateway.client.base_url), "KEY": key, "PATH": os.environ["PATH"]}
        for command, answer in examples:
            assert without_addresses(await output_of("bash", "-c", command, env=names)) == without_addresses(answer)
        (program,) = [text for kind, text in blocks if kind == "python"]
        env = environment(tmp_path, broker.bootstrap) | {"PATH": os.environ["PATH"]}
        assert "stored on partition" in await output_of(sys.executable, "-c", program, env=env)
        records = await gateway.log()
        assert len(records) == 6
        for record in records:
            decode_record(key=record.key, value=record.value, headers=record.headers)


class Upstream:
    """Several senders that send bodies and single events, each again until it is taken; and what they were promised."""

    def __init__(self, gateway: Running, *, senders: int, body_events: int) -> None:
        self.promised: dict[str, tuple[int, int] | None] = {}
        self.refusals = 0
        self._gateway = gateway
        self._body_events = body_events
        self._stopped = False
        self._tasks = [asyncio.create_task(self._send(sender)) for sender in range(senders)]

    async def stop(self) -> None:
        self._stopped = True
        await asyncio.gather(*self._tasks)

    async def _send(self, sender: int) -> None:
        number = 0
        while not self._stopped:
            number += 1
            count = self._body_events if number % 4 else 1
            events = [accepted(id=f"{sender}-{number}-{n}", subject=f"H49-{sender}-{n % 40}") for n in range(count)]
            while not (items := await self._sent(events)) and not self._stopped:
                self.refusals += 1
            for event, item in zip(events, items, strict=False):
                self.promised[event["id"]] = (item["partition"], item["offset"]) if "offset" in item else None

    async def _sent(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The items of a 2xx; none after a 503, or when the gateway is gone."""
        body = b"\n".join(json.dumps(event).encode() for event in events)
        try:
            answer = await self._gateway.post(body, STRUCTURED if len(events) == 1 else LINES)
        except httpx.TransportError:
            assert self._stopped
            return []
        assert answer.status_code in (200, 202, 503)
        if not answer.is_success:
            return []
        document = answer.json()
        return [document] if len(events) == 1 else list(document["items"])


async def test_kill_9_loses_nothing_that_was_promised(broker_jars: list[Path], tmp_path: Path) -> None:
    """The broker is killed and comes back; it is killed again, and then the gateway, before it could try again."""
    ports = {"port": free_port(), "controller_port": free_port()}

    async def start_again() -> Broker:
        return await start_broker(data_dir=tmp_path / "kafka", jars=broker_jars, log=tmp_path / "broker.log", **ports)

    broker = await start_again()
    try:
        async with prepared(tmp_path, broker.bootstrap) as start:
            gateway = await start()
            upstream = Upstream(gateway, senders=4, body_events=200)
            await until(lambda: at_least(upstream.promised, 3000))
            await broker.kill()
            before = len(upstream.promised)
            broker = await start_again()
            await until(lambda: at_least(upstream.promised, before + 3000))
            await broker.kill()
            seen = upstream.refusals
            await until(lambda: at_least(range(upstream.refusals), seen + 4))
            assert (await gateway.client.get("/readyz")).status_code == 503
            assert (await gateway.client.get("/livez")).status_code == 200
            stopping = asyncio.create_task(upstream.stop())
            gateway.process.kill()
            await stopping
            broker = await start_again()
            records = await gateway.log()
            by_address = {(r.partition, r.offset): json.loads(r.value or b"")["id"] for r in records}
            assert set(upstream.promised) <= set(by_address.values())
            assert {at: name for name, at in upstream.promised.items() if at is not None}.items() <= by_address.items()
            repeats = len(records) - len(set(by_address.values()))
            assert repeats <= upstream.refusals * 200  # only what was refused and arrived all the same
            last = await start()
            await broker.kill()
            assert await last.stop() == 0  # it leaves in good order also without a broker
    finally:
        await broker.kill()


# --- helpers --------------------------------------------------------------------------------------------------------


async def read_all(bootstrap: str, topic: str) -> list[ConsumerRecord[bytes, bytes]]:
    """Every record of a topic."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        partitions = list(consumer.assignment())
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning()
        records: list[ConsumerRecord[bytes, bytes]] = []
        while any([await consumer.position(each) < ends[each] for each in partitions]):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                records.extend(batch)
        return records
    finally:
        await consumer.stop()


async def output_of(*command: str, env: dict[str, str]) -> str:
    process = await asyncio.create_subprocess_exec(*command, env=env, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    assert process.returncode == 0
    return said.decode()


def without_addresses(text: str) -> str:
    """Partitions and offsets depend on what was sent before."""
    return re.sub(r'"(partition|offset)":\d+', r'"\1":0', text)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(WAIT_S_MAX):
        while not await holds():  # noqa: ASYNC110 - other processes set no event
            await asyncio.sleep(0.05)


async def at_least(things: Sequence[Any] | dict[Any, Any], count: int) -> bool:
    return len(things) >= count


async def is_ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/readyz")).status_code == 200
    except httpx.TransportError:
        return False


async def is_refused(gateway: Running, event: dict[str, Any]) -> bool:
    return (await gateway.post(event)).status_code == 422


async def has_warmed(client: httpx.AsyncClient, count: int) -> bool:
    text = (await client.get("/metrics")).text
    samples = {s.name: s.value for family in text_string_to_metric_families(text) for s in family.samples}
    return samples["hoso_gateway_window_events"] >= count


async def refuses_connections(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            return
        writer.close()
        await asyncio.sleep(0.02)
