"""Ports: which are needed, which setting names an occupied one, and where a program on this machine finds a service."""

import re
import socket
from collections.abc import Iterator

import pytest

from schemas.errors import SettingsError
from schemas.settings import Settings
from services.local.ports import check_ports, ports_of, url

ALL = {
    "HOSO_KAFKA_PORT": ("127.0.0.1", 19092),
    "HOSO_KAFKA_CONTROLLER_PORT": ("127.0.0.1", 19093),
    "HOSO_WORKER_PORT": ("0.0.0.0", 19094),
    "HOSO_GATEWAY_PORT": ("0.0.0.0", 18080),
    "HOSO_MONITOR_PORT": ("0.0.0.0", 18081),
    "HOSO_REPORTS_PORT": ("0.0.0.0", 18082),
    "HOSO_SQL_PORT": ("0.0.0.0", 18123),
}


def free_ports() -> dict[str, int]:
    """A free port for each."""
    probes = [socket.socket() for _ in ALL]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        numbers = [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
    return {setting.removeprefix("HOSO_").lower(): number for setting, number in zip(ALL, numbers, strict=True)}


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def test_the_local_broker_listens_on_this_machine_only_and_services_on_the_host() -> None:
    assert ports_of(Settings(host="0.0.0.0")) == ALL


def test_with_a_broker_of_ones_own_the_brokers_ports_are_not_needed() -> None:
    assert ports_of(Settings(host="0.0.0.0", kafka="kafka:9092")).keys() == ALL.keys() - {
        "HOSO_KAFKA_PORT",
        "HOSO_KAFKA_CONTROLLER_PORT",
    }


@pytest.mark.parametrize("setting", ALL)
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_an_occupied_port_names_its_setting(setting: str, host: str, taken: int) -> None:
    ports = free_ports() | {setting.removeprefix("HOSO_").lower(): taken}
    with pytest.raises(SettingsError, match=rf"^port {taken} on \S+ is taken; set {setting}$"):
        check_ports(Settings(host=host, **ports))


def test_two_settings_with_one_port_are_told() -> None:
    ports = free_ports()
    ports["monitor_port"] = ports["gateway_port"]
    both = f"HOSO_GATEWAY_PORT and HOSO_MONITOR_PORT are both {ports['gateway_port']}; set one of them"
    with pytest.raises(SettingsError, match=f"^{re.escape(both)}$"):
        check_ports(Settings(**ports))


def test_a_host_that_is_not_this_machines_is_told() -> None:
    with pytest.raises(SettingsError, match="cannot be used; set HOSO_WORKER_PORT or HOSO_HOST"):
        check_ports(Settings(host="192.0.2.1", **free_ports()))


def test_free_ports_pass() -> None:
    check_ports(Settings(**free_ports()))


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "http://127.0.0.1:18080"),
        ("0.0.0.0", "http://127.0.0.1:18080"),
        ("::", "http://[::1]:18080"),
        ("hoso.example", "http://hoso.example:18080"),
    ],
)
def test_what_listens_everywhere_is_found_on_loopback(host: str, expected: str) -> None:
    assert url(Settings(host=host), 18080) == expected
