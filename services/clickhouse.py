"""Where ClickHouse answers: the server of the settings, or else the local stack's SQL door; and a client to ask it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from schemas.errors import SettingsError, Unavailable
from schemas.settings import Settings
from services.local.ports import reachable

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

CONNECT_S_MAX: Final = 5
ANSWER_S_MAX: Final = 300
HTTP_PORT: Final = 8123
HTTPS_PORT: Final = 8443


@contextmanager
def open_reader(settings: Settings) -> "Iterator[Client]":
    """A client of the server, or of the local stack's SQL door; `Unavailable` when nothing answers."""
    from clickhouse_connect import get_client  # takes 0.1 s, which `hoso --help` should not
    from clickhouse_connect.driver.exceptions import ClickHouseError

    host, port = address_of(settings)
    try:
        client = get_client(
            host=host,
            port=port,
            username=settings.clickhouse_user if settings.clickhouse else "default",
            password=settings.clickhouse_password.get_secret_value() if settings.clickhouse else "",
            interface="https" if settings.clickhouse and settings.clickhouse_secure else "http",
            connect_timeout=CONNECT_S_MAX,
            send_receive_timeout=ANSWER_S_MAX,
            autogenerate_session_id=False,
            tz_mode="aware",
        )
    except ClickHouseError as error:
        todo = "check HOSO_CLICKHOUSE" if settings.clickhouse else "start the local stack with `hoso up`"
        raise Unavailable(f"ClickHouse at {host}:{port} does not answer: {todo}") from error
    try:
        yield client
    finally:
        client.close()


def address_of(settings: Settings) -> tuple[str, int]:
    """Where ClickHouse answers over HTTP."""
    if not settings.clickhouse:
        return reachable(settings.host), settings.sql_port
    host, _, port = settings.clickhouse.partition(":")
    if port and not port.isdecimal():
        raise SettingsError("HOSO_CLICKHOUSE: expected host or host:port")
    return host, int(port or (HTTPS_PORT if settings.clickhouse_secure else HTTP_PORT))
