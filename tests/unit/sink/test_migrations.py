"""Migrations: in order, once, and never against a database that knows other files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import Unavailable
from services.sink.migrations import (
    ChangedMigrationError,
    Migration,
    MigrationError,
    State,
    UnknownMigrationError,
    migrate,
    read_migrations,
    status,
)

FIRST = Migration(
    1, "0001_first.sql", "-- why\nCREATE TABLE a\n(\n    x Int8 COMMENT 'one; two'\n);\n\nCREATE TABLE b;\n"
)
SECOND = Migration(2, "0002_second.sql", "CREATE VIEW c AS SELECT 1;\n")


class FakeWarehouse:
    """Remembers statements and the rows of the table of migrations."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.applied: list[tuple[int, str, str]] = []
        self.breaks_at = ""

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        if "system.tables" in sql:
            return [(int(bool(self.statements)),)]
        return [*self.applied]

    def command(self, sql: str) -> None:
        if sql == self.breaks_at:
            raise Unavailable("broken off")
        self.statements.append(sql)

    def insert(self, table: str, columns: Mapping[str, list[Any]], *, token: str) -> None:
        self.applied.append((columns["version"][0], columns["name"][0], columns["checksum"][0]))


def test_statements_end_with_a_semicolon_at_the_end_of_a_line() -> None:
    assert FIRST.statements == ["CREATE TABLE a\n(\n    x Int8 COMMENT 'one; two'\n)", "CREATE TABLE b"]


def test_pending_files_are_applied_in_order_and_only_once() -> None:
    warehouse: Any = FakeWarehouse()
    assert status(warehouse, [FIRST, SECOND]) == [(FIRST, State.PENDING), (SECOND, State.PENDING)]
    assert migrate(warehouse, [FIRST]) == [FIRST]
    assert status(warehouse, [FIRST, SECOND]) == [(FIRST, State.APPLIED), (SECOND, State.PENDING)]
    assert migrate(warehouse, [FIRST, SECOND]) == [SECOND]
    assert warehouse.statements[-1:] == SECOND.statements
    before = len(warehouse.statements)
    assert migrate(warehouse, [FIRST, SECOND]) == []
    assert len(warehouse.statements) == before


def test_a_file_that_broke_off_is_run_again() -> None:
    warehouse: Any = FakeWarehouse()
    warehouse.breaks_at = FIRST.statements[1]
    with pytest.raises(Unavailable):
        migrate(warehouse, [FIRST])
    assert warehouse.applied == []
    warehouse.breaks_at = ""
    assert migrate(warehouse, [FIRST]) == [FIRST]


def test_a_changed_file_is_refused_before_anything_is_touched() -> None:
    warehouse: Any = FakeWarehouse()
    migrate(warehouse, [FIRST])
    before = len(warehouse.statements)
    changed = Migration(1, FIRST.name, "CREATE TABLE other;\n")
    with pytest.raises(ChangedMigrationError, match=r"0001_first\.sql"):
        migrate(warehouse, [changed, SECOND])
    assert len(warehouse.statements) == before


def test_a_database_of_a_newer_release_is_refused() -> None:
    warehouse: Any = FakeWarehouse()
    migrate(warehouse, [FIRST, SECOND])
    with pytest.raises(UnknownMigrationError, match=r"0002_second\.sql"):
        migrate(warehouse, [FIRST])


def test_our_own_files_are_numbered_without_holes() -> None:
    migrations = read_migrations()
    assert [migration.version for migration in migrations] == [*range(1, len(migrations) + 1)]
    assert all(migration.statements for migration in migrations)


@pytest.mark.parametrize(
    "names",
    [[], ["0002_b.sql"], ["0001_a.sql", "0001_b.sql"], ["0001_a.sql", "0003_c.sql"], ["1_a.sql"], ["0001 a.sql"]],
)
def test_odd_folders_are_refused(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1;\n")
    with pytest.raises(MigrationError):
        read_migrations(tmp_path)
