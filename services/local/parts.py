"""The parts of the local stack: what each is called, how it is started and where it says that it is ready."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
from pydantic import SecretStr

from schemas.settings import PREFIX, Settings
from services.local.keeper import Part
from services.local.ports import setting_name, url
from services.local.processes import end_of, spawn, stop

STOP_S_MAX: Final = 15.0  # requests in flight have 10 s (services.http), a worker's last slice less
ANSWER_S_MAX: Final = 5.0
JSON_LOGS: Final = setting_name("log_json")
SERVICES: Final = {  # in the order in which they are told to stop: first what takes work in
    "gateway": ("services.gateway", "gateway_port"),
    "monitor": ("services.monitor", "monitor_port"),
    "reports": ("services.reports", "reports_port"),
    "sink": ("services.sink", "sql_port"),
    "worker": ("streams", "worker_port"),
}


@dataclass(frozen=True, slots=True)
class Service:
    """One of our own processes, running."""

    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def pid(self) -> int | None:
        """Its process id while it lives."""
        return self.process.pid if self.process.poll() is None else None

    async def wait(self) -> int:
        """Return its exit code once it has ended."""
        return await end_of(self.process)

    async def stop(self) -> bool:
        """SIGTERM, and SIGKILL when that takes too long; whether it went by itself."""
        return await stop(self.process, wait_s_max=STOP_S_MAX)

    async def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        await end_of(self.process)


def service(name: str, settings: Settings, client: httpx.AsyncClient, *, arguments: Sequence[str] = ()) -> Part:
    """One of `SERVICES`, asked with `client`."""
    module, port_field = SERVICES[name]
    where = url(settings, getattr(settings, port_field))
    log = log_of(settings, name)
    environment = {JSON_LOGS: "false"} | environment_of(settings, os.environ)  # people read these files

    async def start() -> Service:
        # -P: a folder called `schemas` or `services` where somebody stands is not ours
        command = [sys.executable, "-P", "-m", module, *arguments]
        return Service(spawn(command, cwd=Path.cwd(), env=environment, log=log))

    async def missing() -> str:
        return await what_is_missing(client, f"{where}/readyz")

    return Part(name=name, where=where, log=log, start=start, missing=missing)


async def what_is_missing(client: httpx.AsyncClient, address: str) -> str:
    """The empty text when a health route says that all is well, else what it says."""
    try:
        answer = await client.get(address, timeout=ANSWER_S_MAX)
        document = msgspec.json.decode(answer.content, type=dict[str, Any])
    except httpx.HTTPError:
        return f"{address} does not answer"
    except msgspec.DecodeError:
        return f"{address} answers something else"
    if answer.is_success and document.get("ready", True):
        return ""
    return ", ".join(f"{key}: {value}" for key, value in document.items() if value not in ("ok", "not ready"))


def log_of(settings: Settings, name: str) -> Path:
    """The log file of a part."""
    return settings.var.absolute() / "log" / f"{name}.log"


def environment_of(settings: Settings, base: Mapping[str, str]) -> dict[str, str]:
    """`base` with exactly these settings, so that every process of a stack has the same ones."""
    values = {name: getattr(settings, name) for name in type(settings).model_fields}
    texts = {setting_name(name): _text(value) for name, value in values.items() if value is not None}
    return {name: text for name, text in base.items() if not name.startswith(PREFIX)} | texts


def _text(value: object) -> str:
    match value:
        case SecretStr():
            return value.get_secret_value()
        case Path():
            return str(value.absolute())
        case datetime():
            return value.isoformat()
        case _:
            return str(value)
