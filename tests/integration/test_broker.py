"""The local broker is a real one: transactions, kill -9, occupied ports, and nothing left behind."""

import asyncio
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from services.local.broker import HOST, Broker, BrokerError, PortTakenError, start_broker
from tests.kafka import create_topic, free_port

pytestmark = pytest.mark.broker

WAIT_S_MAX = 30.0


async def produce_in_transaction(bootstrap: str, topic: str, value: bytes, *, commit: bool) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=f"{topic}-0")
    await producer.start()
    try:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, value, key=b"H49-1")
        await (producer.commit_transaction() if commit else producer.abort_transaction())
    finally:
        await producer.stop()


async def committed_values(bootstrap: str, topic: str, count: int) -> list[bytes | None]:
    """The first `count` committed records; waits for them, as a commit is answered before readers see it."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        async with asyncio.timeout(WAIT_S_MAX):
            return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()


@pytest.mark.asyncio
async def test_a_committed_record_survives_kill_9_and_an_aborted_one_is_never_seen(
    broker_jars: list[Path], tmp_path: Path
) -> None:
    port, controller_port = free_port(), free_port()

    async def start() -> Broker:
        return await start_broker(
            data_dir=tmp_path / "hồ sơ",  # a home folder may well be called so
            jars=broker_jars,
            port=port,
            controller_port=controller_port,
            log=tmp_path / "broker.log",
        )

    broker = await start()
    try:
        topic = await create_topic(broker.bootstrap, "events")
        await produce_in_transaction(broker.bootstrap, topic, b"kept", commit=True)
        await produce_in_transaction(broker.bootstrap, topic, b"aborted", commit=False)
        assert await committed_values(broker.bootstrap, topic, 1) == [b"kept"]
    finally:
        await broker.kill()

    broker = await start()
    try:
        assert await committed_values(broker.bootstrap, topic, 1) == [b"kept"]
        await produce_in_transaction(broker.bootstrap, topic, b"after", commit=True)
        assert await committed_values(broker.bootstrap, topic, 2) == [b"kept", b"after"]
    finally:
        await broker.stop()
    assert broker.process.returncode == 128 + signal.SIGTERM, "ended in good order, by itself"


@pytest.mark.asyncio
@pytest.mark.parametrize("which", ["port", "controller_port"])
async def test_an_occupied_port_is_named(which: str, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        taken: int = other.getsockname()[1]
        ports = {"port": free_port(), "controller_port": free_port(), which: taken}
        with pytest.raises(PortTakenError, match=f"port {taken} on {HOST} is taken"):
            await start_broker(data_dir=tmp_path / "data", jars=[], log=tmp_path / "broker.log", **ports)


@pytest.mark.asyncio
async def test_a_broker_that_cannot_start_says_what_its_log_says(broker_jars: list[Path], tmp_path: Path) -> None:
    (tmp_path / "data" / "logs").mkdir(parents=True)
    (tmp_path / "data" / "logs" / "meta.properties").write_text("version=1\ncluster.id=another\nnode.id=7\n")
    with pytest.raises(BrokerError, match="Stored node id 7"):
        await start_broker(
            data_dir=tmp_path / "data",
            jars=broker_jars,
            port=free_port(),
            controller_port=free_port(),
            log=tmp_path / "broker.log",
        )


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_a_leashed_child_dies_with_its_parent() -> None:
    script = "\n".join(
        [
            "import subprocess, sys",
            "from services.local.leash import leashed",
            "child = subprocess.Popen(leashed(['/bin/sh', '-c', 'echo $$; exec sleep 600']))",
            "child.wait()",
        ]
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        child = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
        parent.wait()
    ended, _, _ = select.select([child], [], [], WAIT_S_MAX)
    os.close(child)
    assert ended
