"""Numbered, forward-only migrations of ClickHouse: `deploy/clickhouse/NNNN_what.sql`, each recorded with its checksum.

Promises: running them again changes nothing; a file that was changed after it was applied, and a database that knows
files we do not have, are refused before anything is touched. ClickHouse has no transaction over DDL: a file that broke
off half way is run again from its start, so every statement must bear repetition.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from schemas.tables import RAW_MIGRATIONS
from services.sink.clickhouse import Columns, Warehouse

FOLDER: Final = Path(__file__).parents[2] / "deploy" / "clickhouse"

_FILE_NAME: Final = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_BOOTSTRAP: Final = (
    "CREATE DATABASE IF NOT EXISTS raw",
    f"""
    CREATE TABLE IF NOT EXISTS {RAW_MIGRATIONS}
    (
        version UInt32 COMMENT 'Số thứ tự / Number of the file',
        name String COMMENT 'Tên tệp / Name of the file',
        checksum String COMMENT 'SHA-256 của tệp / SHA-256 of the file',
        applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'Thời điểm áp dụng / When it was applied'
    )
    ENGINE = ReplacingMergeTree
    ORDER BY (version, checksum)
    COMMENT 'Các bước đã áp dụng cho lược đồ / Migrations that were applied'
    """,
)


class MigrationError(Exception):
    """The database and the files of this release do not fit together; the text says what to do."""


class ChangedMigrationError(MigrationError):
    """A file differs from what was applied under its number."""

    def __init__(self, migration: "Migration") -> None:
        super().__init__(
            f"{migration.name} is not the file that was applied to this database: restore it, and put the change into "
            "a new file with the next number"
        )
        self.migration = migration


class UnknownMigrationError(MigrationError):
    """The database is ahead: a newer release has migrated it."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(f"a newer release has migrated this database ({', '.join(names)}): run that one or a newer")
        self.names = tuple(names)


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def statements(self) -> list[str]:
        """The statements: each ends with a semicolon at the end of a line."""
        texts = re.split(r";[ \t]*(?:\n|$)", re.sub(r"^--.*\n?", "", self.sql, flags=re.MULTILINE))
        return [text.strip() for text in texts if text.strip()]


class State(StrEnum):
    """Where a migration stands."""

    APPLIED = "applied"
    PENDING = "pending"


def read_migrations(folder: Path = FOLDER) -> list[Migration]:
    """The files of this release, in order. `MigrationError` when a number is missing, doubled or a name is odd."""
    found: list[Migration] = []
    for path in sorted(folder.glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"{path.name}: expected a name such as 0001_databases.sql")
        found.append(Migration(int(match[1]), path.name, path.read_text("utf-8")))
    numbers = [migration.version for migration in found]
    if not found or numbers != list(range(1, len(found) + 1)):
        raise MigrationError(f"{folder}: expected files numbered 0001, 0002 and so on, each once")
    return found


def status(warehouse: Warehouse, migrations: Sequence[Migration]) -> list[tuple[Migration, State]]:
    """What was applied and what is pending; changes nothing. `MigrationError` when files and database do not fit."""
    applied = _applied(warehouse)
    known = {migration.version for migration in migrations}
    foreign = [name for version, (name, _) in sorted(applied.items()) if version not in known]
    if foreign:
        raise UnknownMigrationError(foreign)
    states: list[tuple[Migration, State]] = []
    for migration in migrations:
        if migration.version not in applied:
            states.append((migration, State.PENDING))
        elif applied[migration.version][1] == migration.checksum:
            states.append((migration, State.APPLIED))
        else:
            raise ChangedMigrationError(migration)
    return states


def migrate(warehouse: Warehouse, migrations: Sequence[Migration]) -> list[Migration]:
    """Apply what is pending, in order, and return it. Raises as `status` does, before touching anything."""
    pending = [migration for migration, state in status(warehouse, migrations) if state is State.PENDING]
    if pending:
        for statement in _BOOTSTRAP:
            warehouse.command(statement)
    for migration in pending:
        for statement in migration.statements:
            warehouse.command(statement)
        row: Columns = {
            "version": [migration.version],
            "name": [migration.name],
            "checksum": [migration.checksum],
        }
        warehouse.insert(RAW_MIGRATIONS, row, token=migration.name)
    return pending


def _applied(warehouse: Warehouse) -> dict[int, tuple[str, str]]:
    """Name and checksum by version; nothing before the first migration."""
    database, table = RAW_MIGRATIONS.split(".")
    exists = "SELECT count() FROM system.tables WHERE database = {database:String} AND name = {table:String}"
    if warehouse.query(exists, {"database": database, "table": table}) == [(0,)]:
        return {}
    rows = warehouse.query(f"SELECT version, name, checksum FROM {RAW_MIGRATIONS} FINAL")  # noqa: S608 - our own name
    return {int(version): (str(name), str(checksum)) for version, name, checksum in rows}
