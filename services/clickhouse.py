"""Where ClickHouse answers and as whom: the server of the settings, or the local stack's SQL door; and a client."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypedDict

from schemas.errors import SettingsError, Unavailable
from schemas.settings import Settings
from services.local.ports import reachable

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

CONNECT_S_MAX: Final = 5
ANSWER_S_MAX: Final = 300
HTTP_PORT: Final = 8123
HTTPS_PORT: Final = 8443


class Access(TypedDict):
    """Where, and as whom."""

    host: str
    port: int
    user: str
    password: str
    secure: bool


@contextmanager
def open_reader(settings: Settings) -> "Iterator[Client]":
    """A client of the server, or of the local stack's SQL door; `Unavailable` when nothing answers."""
    from clickhouse_connect import get_client  # takes 0.1 s, which `hoso --help` should not
    from clickhouse_connect.driver.exceptions import ClickHouseError

    access = access_of(settings)
    try:
        client = get_client(
            host=access["host"],
            port=access["port"],
            username=access["user"],
            password=access["password"],
            interface="https" if access["secure"] else "http",
            connect_timeout=CONNECT_S_MAX,
            send_receive_timeout=ANSWER_S_MAX,
            autogenerate_session_id=False,
            tz_mode="aware",
        )
    except ClickHouseError as error:
        raise Unavailable(unanswered(settings)) from error
    try:
        yield client
    finally:
        client.close()


def access_of(settings: Settings) -> Access:
    """As `open_server` takes it; the local SQL door knows no users. `SettingsError` for an address that is none."""
    host, port = address_of(settings)
    if not settings.clickhouse:
        return Access(host=host, port=port, user="default", password="", secure=False)
    return Access(
        host=host,
        port=port,
        user=settings.clickhouse_user,
        password=settings.clickhouse_password.get_secret_value(),
        secure=settings.clickhouse_secure,
    )


def where_of(settings: Settings) -> str:
    """The address as errors name it."""
    return "{}:{}".format(*address_of(settings))


def unanswered(settings: Settings) -> str:
    """That nothing answers there, and what to do about it."""
    todo = "check HOSO_CLICKHOUSE" if settings.clickhouse else "start the local stack with `hoso up`"
    return f"ClickHouse at {where_of(settings)} does not answer: {todo}"


def address_of(settings: Settings) -> tuple[str, int]:
    """Where ClickHouse answers over HTTP."""
    if not settings.clickhouse:
        return reachable(settings.host), settings.sql_port
    host, _, port = settings.clickhouse.partition(":")
    if port and not port.isdecimal():
        raise SettingsError("HOSO_CLICKHOUSE: expected host or host:port")
    return host, int(port or (HTTPS_PORT if settings.clickhouse_secure else HTTP_PORT))
