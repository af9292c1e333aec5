"""What the marts declare is what a question gets."""

import re
from pathlib import Path

import pytest

from schemas.tables import MART_DOSSIERS_AS_OF, MART_REPORT_06A, MART_REPORT_06A_DOSSIERS, MART_UNIT_REPORT
from services.sink.clickhouse import open_embedded
from services.sink.migrations import migrate, read_migrations


def test_every_column_of_a_view_has_the_type_and_zone_that_it_declares(tmp_path: Path) -> None:
    """A view gives what its query gives, and a zone in its column list alone changes nothing."""
    warehouse = open_embedded(tmp_path)
    migrate(warehouse, read_migrations())
    declared = warehouse.query(
        "SELECT table, groupArray((name, type)) FROM (SELECT * FROM system.columns WHERE database = 'mart' "
        "ORDER BY table, position) GROUP BY table"
    )
    given = {
        view: [(name, type_) for name, type_, *_ in warehouse.query(f"DESCRIBE (SELECT * FROM mart.{view})")]
        for view, _ in declared
    }
    warehouse.close()
    assert len(given) >= 3
    assert given == {view: list(map(tuple, columns)) for view, columns in declared}


@pytest.mark.parametrize("view", [MART_DOSSIERS_AS_OF, MART_REPORT_06A_DOSSIERS, MART_REPORT_06A, MART_UNIT_REPORT])
def test_a_view_with_parameters_gives_what_it_declares_and_says_what_it_is(tmp_path: Path, view: str) -> None:
    """The engine neither casts to the declared columns nor lists them, so only its text can be asked."""
    warehouse = open_embedded(tmp_path)
    migrate(warehouse, read_migrations())
    sql = "SELECT create_table_query FROM system.tables WHERE concat(database, '.', name) = {view:String}"
    [(text,)] = warehouse.query(sql, {"view": view})
    asked = {name: "2021-03-01" if type_ == "Date" else "U" for name, type_ in re.findall(r"\{(\w+):(\w+)\}", text)}
    given = warehouse.query(
        f"DESCRIBE (SELECT * FROM {view}({', '.join(f'{name} = {value!r}' for name, value in asked.items())}))"
    )
    warehouse.close()
    declared = re.findall(r"`(\w+)` (.+?) COMMENT '((?:[^'\\]|\\.|'')*)'", text)
    assert [(name, type_) for name, type_, _ in declared] == [(name, type_) for name, type_, *_ in given]
    assert [name for name, _, comment in declared if not re.match(r"[^/]+ / [^ ].+", comment)] == []
