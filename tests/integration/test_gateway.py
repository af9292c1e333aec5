"""The gateway as a process beside a real broker: what it promises is in the log, also when the broker is killed."""

import asyncio
import json
import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from prometheus_client.parser import text_string_to_metric_families

from schemas.codec import STRUCTURED, decode_record
from schemas.reference import Unit, read_policies
from schemas.topics import POLICIES, UNITS
from services.gateway.sources import create_source
from services.local.broker import Broker, start_broker
from services.topics import publish_records, publish_units
from tests.integration.gateway_run import (
    EVENTS_URL,
    Running,
    Upstream,
    environment,
    prepared,
    spawn,
    until,
)
from tests.kafka import free_port
from tests.unit.gateway.make import LINES, accepted, line

pytestmark = [pytest.mark.broker, pytest.mark.asyncio]

GUIDE = Path(__file__).parents[2] / "docs" / "integrators.md"


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
            assert list(record.headers) == [("content-type", STRUCTURED.encode())]
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


async def test_a_policy_is_known_the_moment_it_is_written(broker: Broker, tmp_path: Path) -> None:
    async with prepared(tmp_path, broker.bootstrap) as start:
        gateway = await start()
        event = accepted(data={"policy_id": "new-1"})
        refused = await gateway.post(event)
        assert (refused.status_code, refused.json()["reason"]) == (422, "unknown_policy")
        assert (await gateway.post(accepted(id="e-0", data={"policy_id": "vn-instant-1"}))).status_code == 202
        record = read_policies()["vn-day-1"].model_copy(update={"id": "new-1"})
        await publish_records(gateway.settings, POLICIES, [record])
        assert (await gateway.post(event)).status_code == 202


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


async def output_of(*command: str, env: dict[str, str]) -> str:
    process = await asyncio.create_subprocess_exec(*command, env=env, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    assert process.returncode == 0
    return said.decode()


def without_addresses(text: str) -> str:
    """Partitions and offsets depend on what was sent before."""
    return re.sub(r'"(partition|offset)":\d+', r'"\1":0', text)


async def at_least(things: Sequence[Any] | dict[Any, Any], count: int) -> bool:
    return len(things) >= count


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
        except ConnectionResetError:  # it closed while we waited in its queue
            continue
        writer.close()
        await asyncio.sleep(0.02)
