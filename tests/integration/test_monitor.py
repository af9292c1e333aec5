"""The monitor on a real broker: what a transaction commits is on the stream, and nothing else is."""

import asyncio
import json
import os
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from schemas.settings import Settings, read_settings
from schemas.tallies import of_procedure
from schemas.topics import EVENTS, PROCEDURES, TALLIES
from services.local.broker import HOST, Broker
from services.monitor.app import Monitor
from services.topics import ensure_topics, publish_records, publish_units
from tests.kafka import free_port
from tests.unit.monitor.make import CENTRE, CITY, UNITS, WARD, TallyRecord, heartbeat, procedure, tally

pytestmark = [pytest.mark.broker, pytest.mark.asyncio]

WAIT_S_MAX = 30.0
Message = dict[str, Any]


def settings_of(bootstrap: str, **changes: str) -> Settings:
    return read_settings(environment_of(bootstrap, **changes))


def environment_of(bootstrap: str, **changes: str) -> dict[str, str]:
    return {
        "HOSO_KAFKA": bootstrap,
        "HOSO_TOPIC_PREFIX": f"t{uuid.uuid4().hex[:8]}-",
        "HOSO_MONITOR_PORT": str(free_port()),
        "HOSO_PARTITIONS": "2",
        **changes,
    }


async def prepare(settings: Settings) -> None:
    await ensure_topics(settings)
    await publish_units(settings, UNITS)


class Processor:
    """Writes what the processor writes, as it writes it: in transactions."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        prefix = f"{settings.topic_prefix}{uuid.uuid4().hex}"
        self._producer = AIOKafkaProducer(bootstrap_servers=settings.bootstrap, transactional_id=prefix)

    async def __aenter__(self) -> "Processor":
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def say(self, *records: TallyRecord, commit: bool = True) -> None:
        await self._producer.begin_transaction()
        stored = []
        for record in records:
            # The unit decides the partition, so that one unit's records stay in order.
            partition = len(record.key.partition("/")[0]) % self._settings.partitions
            topic, key = self._settings.topics[TALLIES], record.key.encode()
            stored.append(await self._producer.send(topic, record.value, key=key, partition=partition))
        await asyncio.gather(*stored)
        await (self._producer.commit_transaction() if commit else self._producer.abort_transaction())


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A monitor in this loop, and a client to it."""
    stop = asyncio.Event()
    task = asyncio.create_task(Monitor(settings).run(stop=stop))
    url = f"http://{HOST}:{settings.monitor_port}"
    try:
        async with httpx.AsyncClient(base_url=url, timeout=WAIT_S_MAX) as client:
            await until(client, "/livez", lambda answer: answer.status_code == 200, task=task)
            yield client
    finally:
        stop.set()
        await task


async def until(
    client: httpx.AsyncClient,
    path: str,
    wanted: Callable[[httpx.Response], bool],
    *,
    task: asyncio.Task[None] | None = None,
) -> httpx.Response:
    """Ask until the answer is the wanted one."""
    async with asyncio.timeout(WAIT_S_MAX):
        while True:
            if task is not None and task.done():
                await task
            try:
                if wanted(answer := await client.get(path)):
                    return answer
            except httpx.ConnectError:
                pass
            await asyncio.sleep(0.02)


async def messages(client: httpx.AsyncClient, last_event_id: str | None = None) -> AsyncIterator[tuple[str, Message]]:
    """The stream's messages: event and content, with the id under `id`."""
    headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
    async with client.stream("GET", "/v1/stream", headers=headers) as response:
        fields: dict[str, str] = {}
        async for line in response.aiter_lines():
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "data" in fields:
                yield fields["event"], {**json.loads(fields["data"]), "id": fields["id"]}
                fields = {}


async def first(stream: AsyncIterator[tuple[str, Message]], wanted: Callable[[str, Message], bool]) -> Message:
    async with asyncio.timeout(WAIT_S_MAX):
        async for event, message in stream:
            if wanted(event, message):
                return message
    raise AssertionError("the stream ended")


def stock_of(message: Message, unit_id: str) -> dict[str, int] | None:
    for unit in message["units"]:
        if unit["id"] == unit_id:
            found: dict[str, int] | None = unit["stock"]
            return found
    return None


async def test_a_committed_transaction_is_on_the_stream_and_an_aborted_one_never(broker: Broker) -> None:
    settings = settings_of(broker.bootstrap)
    await prepare(settings)
    async with Processor(settings) as processor, running(settings) as client:
        await until(client, "/readyz", lambda answer: answer.status_code == 200)
        stream = messages(client)
        snapshot = await first(stream, lambda event, _: event == "snapshot")
        assert [unit["id"] for unit in snapshot["units"]] == [CITY.id, CENTRE.id, WARD.id]
        assert [unit["stock"] for unit in snapshot["units"]] == [None] * 3
        assert snapshot["freshness"]["state"] == "no_data"
        await processor.say(tally(CENTRE.id, partition=0, open_overdue=99), commit=False)
        await processor.say(
            tally(WARD.id, partition=0, open_overdue=1),
            tally(WARD.id, partition=1, open_overdue=2),
            tally(CENTRE.id, partition=1, open_within_due=4),
            heartbeat(partition=0, offset=0, at_s=time.time()),
        )
        seen: dict[str, Any] = {}
        last = ""
        while len(seen) < 3:
            changed = await first(stream, lambda event, _: event == "units")
            seen |= {unit["id"]: unit["stock"] for unit in changed["units"]}
            last = changed["id"]
        await stream.aclose()  # type: ignore[attr-defined]
        assert (seen[WARD.id]["open_overdue"], seen[CENTRE.id]["open_overdue"]) == (3, 0)
        assert (seen[CITY.id]["open_overdue"], seen[CITY.id]["open_within_due"]) == (3, 4)
        await processor.say(tally(WARD.id, partition=0, open_overdue=10))
        missed = await first(messages(client, last), lambda event, _: event == "units")
        assert [unit["id"] for unit in missed["units"]] == [CITY.id, WARD.id]
        assert (stock_of(missed, WARD.id) or {})["open_overdue"] == 12


async def test_fields_follow_the_catalogue_of_procedures(broker: Broker) -> None:
    settings = settings_of(broker.bootstrap)
    await prepare(settings)
    land, civil = (procedure("9.1", "LAND"), procedure("9.1", "CIVIL"))
    part = tally(WARD.id, subset=of_procedure("9.1"), open_overdue=1)

    def shows(field: str) -> Callable[[httpx.Response], bool]:
        return lambda answer: [each["field_id"] for each in answer.json().get("fields") or ()] == [field]

    async with Processor(settings) as processor, running(settings) as client:
        await processor.say(tally(WARD.id, open_overdue=1), part)
        path = f"/v1/units/{CITY.id}/fields"
        await until(client, path, shows(""))  # not known yet
        for record in (land, civil):
            await publish_records(settings, PROCEDURES, [record])
            answer = await until(client, path, shows(record.field_id))
            [field] = answer.json()["fields"]
            assert (field["name_vi"], field["stock"]["open_overdue"]) == (record.field_vi, 1)


async def test_a_restarted_monitor_reads_everything_before_it_shows_anything(broker: Broker) -> None:
    settings = settings_of(broker.bootstrap)
    await prepare(settings)
    async with Processor(settings) as processor:
        for start in range(0, 20_000, 1000):  # many turns of reading
            await processor.say(*(tally(WARD.id, open_overdue=start + count) for count in range(1000)))
    for _ in range(2):
        async with running(settings) as client:
            snapshot = await first(messages(client), lambda _, message: bool(message["units"]))
            assert (stock_of(snapshot, WARD.id) or {})["open_overdue"] == 19_999


async def test_behind_stale_and_live_follow_the_log_and_the_heartbeats(broker: Broker) -> None:
    settings = settings_of(broker.bootstrap, HOSO_STALE_AFTER_S="3")
    await prepare(settings)
    beating = asyncio.Event()
    counted = 0

    async def beat(processor: Processor) -> None:
        while True:
            await beating.wait()
            await processor.say(*(heartbeat(partition=p, offset=counted * (p == 0), at_s=time.time()) for p in (0, 1)))
            await asyncio.sleep(0.2)

    async with (
        Processor(settings) as processor,
        AIOKafkaProducer(bootstrap_servers=settings.bootstrap) as upstream,
        running(settings) as client,
    ):
        heart = asyncio.create_task(beat(processor))
        stream = messages(client)
        beating.set()
        await first(stream, lambda _, message: message["freshness"]["state"] == "live")
        for number in range(7):
            await upstream.send_and_wait(settings.topics[EVENTS], b"{}", key=b"%d" % number, partition=0)
        found = await first(stream, lambda _, message: message["freshness"]["state"] == "behind")
        assert found["freshness"]["lag_events"] == 7
        assert found["freshness"]["lag_s"] > 2
        metrics = (await client.get("/metrics")).text
        assert 'hoso_lag_events{partition="0"} 7.0' in metrics
        assert 'hoso_monitor_state{state="behind"} 1.0' in metrics
        counted = 7
        await first(stream, lambda _, message: message["freshness"]["state"] == "live")
        beating.clear()
        found = await first(stream, lambda _, message: message["freshness"]["state"] == "stale")
        assert found["freshness"]["stale_since"] == found["freshness"]["heartbeat_at"]
        assert (await client.get("/readyz")).status_code == 200  # the broker is there, and so are the counters
        beating.set()
        await first(stream, lambda _, message: message["freshness"]["state"] == "live")
        heart.cancel()


async def test_metrics_tell_zero_from_no_data(broker: Broker) -> None:
    settings = settings_of(broker.bootstrap)
    await prepare(settings)
    async with Processor(settings) as processor, running(settings) as client:
        await processor.say(
            tally(WARD.id, open_within_due=2),
            tally(WARD.id, day="2021-03-01", received_online=5, resolved_early=3),
            heartbeat(at_s=time.time(), offset=0, parked=2),
        )
        await until(client, "/readyz", lambda answer: answer.status_code == 200)
        answer = await until(client, "/metrics", lambda answer: f'unit="{WARD.id}"' in answer.text)
        series = answer.text.splitlines()
        for line in (
            'hoso_dossiers{state="within_due",unit="06808"} 2.0',
            'hoso_dossiers{state="overdue",unit="06808"} 0.0',
            'hoso_received_dossiers{channel="online",unit="06808"} 5.0',
            'hoso_resolved_dossiers{timeliness="early",unit="06808"} 3.0',
            'hoso_processor_parked{partition="0"} 2.0',
            "hoso_broker_reachable 1.0",
            "hoso_sse_clients 0.0",
            "hoso_monitor_skipped_records_total 0.0",
        ):
            assert line in series
        assert f'unit="{CENTRE.id}"' not in answer.text
        assert f'unit="{CITY.id}"' not in answer.text  # its numbers are those of the units below it


async def test_a_record_that_is_no_tally_is_skipped_and_counted(broker: Broker) -> None:
    settings = settings_of(broker.bootstrap)
    await prepare(settings)
    async with Processor(settings) as processor, running(settings) as client:
        bad = TallyRecord(f"{WARD.id}/0", b"\xff{")
        await processor.say(bad, tally(WARD.id, partition=1, open_overdue=1))
        answer = await until(client, f"/v1/units/{WARD.id}", lambda answer: answer.status_code == 200)
        answer = await until(client, f"/v1/units/{WARD.id}", lambda answer: answer.json()["unit"]["stock"] is not None)
        assert answer.json()["unit"]["stock"]["open_overdue"] == 1
        assert "hoso_monitor_skipped_records_total 1.0" in (await client.get("/metrics")).text


async def test_a_topic_made_anew_is_read_anew(broker: Broker) -> None:
    settings = settings_of(broker.bootstrap)
    await prepare(settings)
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap)
    await admin.start()
    async with Processor(settings) as processor, running(settings) as client:
        await processor.say(*(tally(WARD.id, partition=partition, open_overdue=1) for partition in range(10)))
        await until(client, f"/v1/units/{WARD.id}", lambda answer: answer.status_code == 200)
        await until(client, f"/v1/units/{WARD.id}", lambda answer: overdue(answer) == 10)
        await admin.delete_topics([settings.topics[TALLIES]])
        async with asyncio.timeout(WAIT_S_MAX):
            while settings.topics[TALLIES] in await admin.list_topics():  # noqa: ASYNC110 - the broker has no event
                await asyncio.sleep(0.05)
        await ensure_topics(settings)
        async with Processor(settings) as another:
            await another.say(tally(WARD.id, open_overdue=3))
            await until(client, f"/v1/units/{WARD.id}", lambda answer: overdue(answer) == 3)
    await admin.close()


def overdue(answer: httpx.Response) -> int | None:
    stock = answer.json()["unit"]["stock"]
    return None if stock is None else stock["open_overdue"]


async def test_without_a_broker_it_serves_and_says_so() -> None:
    settings = settings_of(f"{HOST}:{free_port()}")
    async with running(settings) as client:
        answer = await client.get("/readyz")
        assert answer.status_code == 503
        assert settings.bootstrap in answer.json()["broker"]
        assert (await client.get("/v1/units")).json()["freshness"]["state"] == "no_data"
        assert (await client.get("/")).status_code == 200


async def test_a_taken_port_names_the_setting() -> None:
    environment = environment_of(f"{HOST}:{free_port()}")
    async with running(read_settings(environment)):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.monitor",
            env={**os.environ, **environment},
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(WAIT_S_MAX):
            _, said = await process.communicate()
        assert process.returncode == 2
        assert said.decode().strip().endswith("is taken; set HOSO_MONITOR_PORT")


async def test_the_process_ends_quickly_with_streams_open(broker: Broker) -> None:
    environment = environment_of(broker.bootstrap)
    settings = read_settings(environment)
    await prepare(settings)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.monitor", env={**os.environ, **environment}
    )
    try:
        url = f"http://{HOST}:{settings.monitor_port}"
        async with httpx.AsyncClient(base_url=url, timeout=WAIT_S_MAX) as client:
            await until(client, "/readyz", lambda answer: answer.status_code == 200)
            streams = [messages(client) for _ in range(3)]
            for stream in streams:
                await first(stream, lambda *_: True)
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(5):
                assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
