"""The country that the history benchmark asks about: its counters are what its dossiers count, every one of them."""

from pathlib import Path

from benchmarks.history_fill import DAYS, FIRST, UNITS, day_of, fill
from schemas.tallies import FLOW
from services.sink.clickhouse import open_embedded
from services.sink.migrations import migrate, read_migrations

DOSSIERS = 20_000


def test_counters_and_dossiers_of_the_made_country_agree(tmp_path: Path) -> None:
    warehouse = open_embedded(tmp_path)
    migrate(warehouse, read_migrations())
    told: list[float] = []
    fill(warehouse, DOSSIERS, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1
    assert warehouse.query("SELECT count(), uniqExact(dossier_id), uniq(kpart) FROM core.dossiers") == [
        (DOSSIERS, DOSSIERS, 8)
    ]
    counters = ", ".join(f"('{counter}', toUInt64({counter}))" for counter in FLOW)
    for subset, linked in (("", "1"), ("linked", "is_linked")):
        by_counters = warehouse.query(
            f"SELECT unit_id, day, partition, each.1, each.2 FROM (SELECT * FROM core.tallies FINAL) "
            f"ARRAY JOIN [{counters}] AS each WHERE scope = 'flow' AND subset = '{subset}' AND each.2 > 0"
        )
        by_dossiers = warehouse.query(
            f"SELECT unit_id, day, kpart, counter, count() FROM mart.flow_dossiers WHERE {linked} GROUP BY ALL"
        )
        assert sorted(by_counters) == sorted(by_dossiers)
        assert len(by_dossiers) > 500
    by_procedure = warehouse.query(
        "SELECT sum(received), sum(resolved), sum(linked_received) FROM mart.procedure_yearly"
    )
    assert by_procedure == warehouse.query(
        "SELECT countIf(startsWith(counter, 'received_')), countIf(startsWith(counter, 'resolved_')), "
        "countIf(startsWith(counter, 'received_') AND is_linked) FROM mart.flow_dossiers"
    )
    stock = "SELECT sum(open_within_due), sum(open_overdue), sum(open_paused) FROM mart.unit_stock"
    as_of = "SELECT countIf(timeliness = 'within_due'), countIf(timeliness = 'overdue'), countIf(timeliness = 'paused')"
    assert warehouse.query(stock) == warehouse.query(
        f"{as_of} FROM mart.dossiers_as_of(day = '{day_of(DAYS - 1)}') WHERE is_open"
    )
    assert warehouse.query("SELECT count(), countIf(level = 'commune') FROM mart.units") == [(UNITS + 1051, UNITS)]
    warehouse.close()


def test_days_are_working_days() -> None:
    assert (day_of(0), day_of(4).isoformat(), day_of(5).isoformat()) == (FIRST, "2020-01-10", "2020-01-13")
    assert day_of(DAYS - 1).isoformat() == "2021-12-31"
