"""What the marts declare is what a question gets."""

from pathlib import Path

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
