"""ClickHouse in its three forms: embedded in this process, through the SQL door on it, and a server in a container."""

import os
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import uvicorn
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import HttpWaitStrategy

from services.sink.clickhouse import Warehouse, open_embedded, open_server
from services.sink.sql_door import create_sql_door
from tests.kafka import free_port

SERVER_IMAGE: Final = "clickhouse/clickhouse-server:26.9"
HTTP: Final = 8123
ENGINE_SOCKET: Final = Path("/var/run/docker.sock")


def skip_without_engine() -> None:
    """For tests that need containers."""
    if "DOCKER_HOST" not in os.environ and not ENGINE_SOCKET.exists():
        pytest.skip(f"no container engine: neither DOCKER_HOST nor {ENGINE_SOCKET}")


@pytest.fixture(scope="module")
def engine_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the embedded engine of the module keeps its data."""
    return tmp_path_factory.mktemp("clickhouse")


@pytest.fixture(scope="module")
def embedded(engine_path: Path) -> Iterator[Warehouse]:
    """The engine in this process; closed with the module, since a process can hold one directory."""
    warehouse = open_embedded(engine_path)
    warehouse.command("CREATE DATABASE contract")
    yield warehouse
    warehouse.close()


@pytest.fixture(scope="module")
def door_port(embedded: Warehouse, engine_path: Path) -> Iterator[int]:
    """The port on which the SQL door of the embedded engine is served, as the sink serves it."""
    port = free_port()
    config = uvicorn.Config(create_sql_door(engine_path), host="127.0.0.1", port=port, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the SQL door did not start"
    yield port
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def door(door_port: int) -> Iterator[Warehouse]:
    """The embedded engine as a client of the door sees it."""
    warehouse = open_server(host="127.0.0.1", port=door_port, user="default", password="", secure=False)
    yield warehouse
    warehouse.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Warehouse]:
    """A ClickHouse server, where containers can run."""
    skip_without_engine()
    container = (
        DockerContainer(SERVER_IMAGE)
        .with_env("CLICKHOUSE_SKIP_USER_SETUP", "1")
        .with_exposed_ports(HTTP)
        .waiting_for(HttpWaitStrategy(HTTP, "/ping"))
    )
    with container:
        warehouse = open_server(
            host=container.get_container_host_ip(),
            port=int(container.get_exposed_port(HTTP)),
            user="default",
            password="",
            secure=False,
        )
        warehouse.command("CREATE DATABASE contract")
        yield warehouse
        warehouse.close()


@pytest.fixture
def table() -> str:
    """A table's name that no other test uses."""
    return f"contract.t_{uuid.uuid4().hex[:8]}"
