"""What a benchmark of a service stands on: a real broker, a service as a process of its own, who used the cores."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx

from services.local.broker import Broker, start_broker
from services.local.jars import fetch_jars

JARS: Final = Path(__file__).parents[1] / "var" / "kafka" / "jars"
MIB: Final = 1 << 20


@asynccontextmanager
async def broker_on(port: int, *, root: Path) -> AsyncIterator[Broker]:
    """A broker on `port` and its controller on the next one, its data below `root`."""
    broker = await start_broker(
        data_dir=root / "kafka",
        jars=await fetch_jars(JARS, progress=lambda _done, _total: None),
        port=port,
        controller_port=port + 1,
        log=root / "broker.log",
    )
    try:
        yield broker
    finally:
        await broker.stop()


@asynccontextmanager
async def serving(
    module: str, *arguments: str, environment: Mapping[str, str], log: Path, ready: str
) -> AsyncIterator[int]:
    """The process id of `python -m module`, once it answers at the address `ready`; ended with the context."""
    process = start(module, *arguments, environment=environment, log=log)
    try:
        async with httpx.AsyncClient() as client:
            while not await _answers(client, ready):
                check_alive(process, log)
                await asyncio.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def start(module: str, *arguments: str, environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """`python -m module` beside this process; it writes to `log`."""
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments], env={**os.environ, **environment}, stdout=file, stderr=file
        )


def check_alive(process: subprocess.Popen[bytes], log: Path) -> None:
    """Raise with the end of its log when a process has ended."""
    if process.poll() is not None:
        raise RuntimeError(log.read_text()[-2000:])


def cpu_s(pid: int) -> float:
    """CPU that a process has used, in its own code and in the kernel (Linux, proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def anonymous_bytes(pid: int) -> int:
    """Memory of a process that is its own, without what is mapped from files (Linux, proc(5))."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("RssAnon")]
    return int(line.split()[1]) * 1024


class Peak:
    """The most memory that a process held since this was made, above what it held then."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # forget the peak so far (Linux, proc(5))
        self._before = self._mib("VmRSS")

    def mib(self) -> float:
        """How much more."""
        return self._mib("VmHWM") - self._before

    def _mib(self, name: str) -> float:
        (line,) = [line for line in self._status.read_text().splitlines() if line.startswith(name)]
        return int(line.split()[1]) / 1024


async def _answers(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).is_success
    except httpx.TransportError:
        return False
