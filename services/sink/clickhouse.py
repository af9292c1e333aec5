"""The one adapter to ClickHouse: a server, or the engine embedded in this process. The same object for both.

Promises: one `insert` is one block under one token, so a repeat stores nothing twice and a batch that would become
two parts is refused whole; times go in and come out with their zone; `Unavailable` means try again, anything else
means the statement or the data is wrong.

The embedded engine allows one process per directory, and one directory per process. Threads may share a `Warehouse`:
on the embedded engine their calls take turns, so a second `open_embedded` on the same path is the way to work in
parallel.
"""

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from clickhouse_connect import get_client
from clickhouse_connect.datatypes.base import ClickHouseType
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError, ProgrammingError

from schemas.errors import SettingsError, Unavailable

OFFICE_ZONE: Final = "Asia/Ho_Chi_Minh"
"""What `today()` and text without a zone mean in a query, wherever the engine runs."""

TIMEOUT_S: Final = 30
"""A call to a server ends by then: below any broker session in which its outcome still matters to its owner."""

INSERT_SETTINGS: Final[Mapping[str, Any]] = {
    "async_insert": 0,  # on by default since 26.3; one insert must be one part, and its error must reach us
    "wait_end_of_query": 1,  # over HTTP the status then speaks of the stored part, not of the received body
    "max_partitions_per_insert_block": 1,  # a block split over two parts commits in two steps: refuse it
    "deduplicate_insert": "enable",
    "deduplicate_blocks_in_dependent_materialized_views": 1,  # a retry repairs a view and never doubles it
}

TRANSIENT_CODES: Final = frozenset(
    {
        3,  # UNEXPECTED_END_OF_FILE
        159,  # TIMEOUT_EXCEEDED
        202,  # TOO_MANY_SIMULTANEOUS_QUERIES
        203,  # NO_FREE_CONNECTION
        209,  # SOCKET_TIMEOUT
        210,  # NETWORK_ERROR
        236,  # ABORTED: shutting down
        241,  # MEMORY_LIMIT_EXCEEDED
        242,  # TABLE_IS_READ_ONLY: a replica without its keeper
        243,  # NOT_ENOUGH_SPACE
        252,  # TOO_MANY_PARTS: merges are behind
        285,  # TOO_FEW_LIVE_REPLICAS
        319,  # UNKNOWN_STATUS_OF_INSERT: the token makes asking again safe
        394,  # QUERY_WAS_CANCELLED
        425,  # SYSTEM_ERROR
        999,  # KEEPER_EXCEPTION
    }
)
"""What passes by itself; the list of ClickHouse's own Kafka connector, with a full disk and a cancelled query."""

SPLIT_BLOCK: Final = "partitions for single INSERT block"
"""The other meaning of code 252: our batch spans two partitions. Trying again would never help."""

Columns = Mapping[str, Sequence[Any]]
"""Values by column name, all of one length. A `String` column is all `str` or all `bytes`; bytes stay as they are."""


class Warehouse:
    """An open ClickHouse, wherever it runs."""

    def __init__(self, client: Client, *, where: str) -> None:
        self._client = client
        self._where = where
        self._types: dict[tuple[str, tuple[str, ...]], Sequence[ClickHouseType]] = {}

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """The rows of a SELECT; `parameters` fill `{name:Type}`. Bytes that are no UTF-8 come back as hex."""
        with self._translated():
            result = self._client.query(sql, parameters=dict(parameters or {}))
            return [tuple(row) for row in result.result_rows]

    def command(self, sql: str) -> None:
        """Run one statement that answers nothing, such as DDL."""
        with self._translated():
            self._client.command(sql)

    def insert(self, table: str, columns: Columns, *, token: str) -> None:
        """Store the columns as one block, once: the same token again within the table's window changes nothing.

        The token names a range, not its content: whoever repeats it must send the same rows. `ValueError` for columns
        that differ in length and for a datetime without a zone, which would be stored hours off.
        """
        names = tuple(columns)
        rows = {name: len(values) for name, values in columns.items()}
        if len(set(rows.values())) != 1:
            raise ValueError(f"{table}: columns differ in length: {rows}")
        with self._translated():
            types = self._types_of(table, names)
            for name, kind in zip(names, types, strict=True):
                if kind.python_type is datetime and any(
                    isinstance(v, datetime) and v.tzinfo is None for v in columns[name]
                ):
                    raise ValueError(f"{table}.{name}: a datetime without a zone")
            self._client.insert(
                table,
                list(columns.values()),
                column_names=names,
                column_types=types,
                column_oriented=True,
                settings={**INSERT_SETTINGS, "insert_deduplication_token": token},
            )

    def close(self) -> None:
        """Give the connection up; the last one on an embedded engine stops it and frees the directory."""
        self._client.close()

    def _types_of(self, table: str, names: tuple[str, ...]) -> Sequence[ClickHouseType]:
        """The table's column types, asked for once: they cannot change under a running sink."""
        known = self._types.get((table, names))
        if known is None:
            known = self._client.create_insert_context(table, names).column_types
            self._types[table, names] = known
        return known

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:
            raise Unavailable(f"ClickHouse at {self._where} does not answer: {error}") from error
        except DatabaseError as error:
            if error.code in TRANSIENT_CODES and SPLIT_BLOCK not in str(error):
                raise Unavailable(f"ClickHouse at {self._where} cannot do this now: {error}") from error
            raise


def open_embedded(path: Path) -> Warehouse:
    """Open the engine inside this process on a directory, made if missing.

    `Unavailable`: another process has it open. `SettingsError`: the engine is not installed, or this process or the
    file system cannot use the directory.
    """
    real = path.resolve()  # the engine compares spellings, not directories
    try:
        client = get_client(
            interface="chdb", path=str(real), tz_mode="aware", settings={"session_timezone": OFFICE_ZONE}
        )
    except ImportError as error:
        raise SettingsError(
            "the embedded engine is not installed: pip install 'hoso[local]', or set HOSO_CLICKHOUSE to a server"
        ) from error
    except ProgrammingError as error:
        if _is_locked(real / "status"):
            raise Unavailable(
                f"another process has {path} open: stop it, or set HOSO_VAR to a directory of your own"
            ) from error
        raise SettingsError(f"{path} cannot hold the embedded engine's data: {_first_line(error)}") from error
    return Warehouse(client, where=str(path))


def open_server(*, host: str, port: int, user: str, password: str, secure: bool) -> Warehouse:
    """Connect to a ClickHouse server over HTTP(S). `Unavailable` when nothing answers there."""
    where = f"{host}:{port}"
    try:
        client = get_client(
            host=host,
            port=port,
            username=user,
            password=password,
            interface="https" if secure else "http",
            connect_timeout=TIMEOUT_S,
            send_receive_timeout=TIMEOUT_S,
            autogenerate_session_id=False,  # a session would make threads wait for each other
            tz_mode="aware",
            settings={"session_timezone": OFFICE_ZONE},
        )
    except OperationalError as error:
        raise Unavailable(f"ClickHouse at {where} does not answer; check HOSO_CLICKHOUSE") from error
    return Warehouse(client, where=where)


def _is_locked(status: Path) -> bool:
    """Whether some process holds the engine's lock: its own message says so only on standard error."""
    try:
        file = os.open(status, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
