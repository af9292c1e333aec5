"""Which ports the local stack needs, and whether they are free: an occupied one is told with its setting."""

import errno
import socket
from collections import defaultdict
from typing import Final

from schemas.errors import SettingsError
from schemas.settings import PREFIX, Settings

BROKER_HOST: Final = "127.0.0.1"  # the local broker asks for no password, so it never listens on a network
EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - recognised here, not listened on


def reachable(host: str) -> str:
    """Where a program on this machine finds what listens on `host`."""
    return EVERYWHERE.get(host, host)


def url(settings: Settings, port: int) -> str:
    """The address of a service on this machine, without a slash at the end."""
    host = reachable(settings.host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def setting_name(field: str) -> str:
    """The environment variable of a setting."""
    return f"{PREFIX}{field.upper()}"


def ports_of(settings: Settings) -> dict[str, tuple[str, int]]:
    """Setting to (host, port) for everything that `hoso up` would listen on."""
    fields = {} if settings.kafka else dict.fromkeys(("kafka_port", "kafka_controller_port"), BROKER_HOST)
    fields |= dict.fromkeys(("worker_port", "gateway_port", "monitor_port", "reports_port", "sql_port"), settings.host)
    return {setting_name(field): (host, getattr(settings, field)) for field, host in fields.items()}


def check_ports(settings: Settings) -> None:
    """`SettingsError` with one line for each port that cannot be used."""
    troubles = []
    by_port = defaultdict(list)
    for setting, (host, port) in ports_of(settings).items():
        by_port[port].append(setting)
        if (error := port_error(host, port)) == errno.EADDRINUSE:
            troubles.append(f"port {port} on {host} is taken; set {setting}")
        elif error:
            troubles.append(f"port {port} on {host} cannot be used; set {setting} or HOSO_HOST")
    troubles += [
        f"{' and '.join(settings_)} are both {port}; set one of them"
        for port, settings_ in by_port.items()
        if len(settings_) > 1
    ]
    if troubles:
        raise SettingsError("\n".join(troubles))


def port_error(host: str, port: int) -> int:
    """0 when a service could listen there now, else the error number that it would get."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Java and asyncio do: a port just left is free
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.errno or errno.EADDRNOTAVAIL
    return 0
