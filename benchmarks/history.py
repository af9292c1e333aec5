"""History: report form II.06a and a unit's series from counters, within a budget, beside the same from dossier rows.

ClickHouse itself makes two years of a country's dossiers (`history_fill`), a million and ten million by default; with
`python -m benchmarks.history --dossiers 100000000` another number alone: measured, 10 minutes and 10 GB of disk. The
engine is the embedded one. A time is the median of five answers in a row; what is read lies in the page cache. A slow
answer is not asked for again. Rows and bytes read are the engine's own account.

Checked each time: the report's counters, from shares that no dossier row was read for, equal those counted from the
dossier rows, one by one.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage
from statistics import median
from time import perf_counter, sleep
from typing import Any, Final

import chdb
import msgspec
from chdb.state.sqlitelike import Connection

from benchmarks.history_fill import YEAR, fill
from benchmarks.report import Comparison
from services.cli.output import print_rows
from services.sink.clickhouse import OFFICE_ZONE, open_embedded
from services.sink.migrations import migrate, read_migrations

SIZES: Final = (1_000_000, 10_000_000)
BUDGET_MS: Final = 50.0
TIMES: Final = 5
SLOW_S: Final = 2.0  # an answer that takes longer is not asked for again
BYTES_PER_DOSSIER: Final = 200  # on disk, with its share of the counters, and as much again while parts are merged
MERGES_S_MAX: Final = 120
UNIT: Final = "H07.03.02"
CITY: Final = "H07.03"
PROVINCE: Final = "H07"

_PERIOD: Final = f"first = '{YEAR}-01-01', last = '{YEAR}-12-31'"
_FROM_COUNTERS: Final = """
SELECT sum(received_online), sum(received_direct_or_postal), sum(resolved_early), sum(resolved_on_time),
    sum(resolved_overdue), sum(resolved_overdue_apologised), sum(linked_resolved), sum(carried_over)
FROM mart.unit_report(unit = '{unit}', {period})
"""
_FROM_DOSSIERS: Final = """
SELECT
    countIf(counter = 'received_online' AND is_new),
    countIf(counter IN ('received_direct', 'received_postal') AND is_new),
    countIf(counter = 'resolved_early' AND is_new), countIf(counter = 'resolved_on_time' AND is_new),
    countIf(counter = 'resolved_overdue' AND is_new), countIf(counter = 'overdue_apologised' AND is_new),
    countIf(startsWith(counter, 'resolved_') AND is_new AND is_linked),
    toInt64(countIf(startsWith(counter, 'received_') AND NOT is_new))
        - countIf(startsWith(counter, 'resolved_') AND NOT is_new)
FROM (SELECT *, day >= '{year}-01-01' AS is_new FROM mart.flow_dossiers WHERE day <= '{year}-12-31')
WHERE unit_id = '{unit}' OR startsWith(unit_id, '{unit}.')
"""
REPORTS: Final = {"city": CITY, "province": PROVINCE}
SERIES: Final = f"SELECT * FROM mart.unit_daily WHERE unit_id = '{UNIT}' AND toYear(day) = {YEAR} ORDER BY day"
QUESTIONS: Final = {
    "report of a city": f"SELECT * FROM mart.unit_report(unit = '{CITY}', {_PERIOD})",
    "report of a province": f"SELECT * FROM mart.unit_report(unit = '{PROVINCE}', {_PERIOD})",
    "a unit, day by day": SERIES,
    "a city, day by day, rolled": (
        f"SELECT * FROM mart.unit_daily_rolled WHERE unit_id = '{CITY}' AND toYear(day) = {YEAR}"
    ),
    "a unit by procedure": f"SELECT * FROM mart.procedure_yearly WHERE unit_id = '{UNIT}' AND year = {YEAR}",
    "stock now of all units": "SELECT sum(open_within_due), sum(open_overdue), sum(open_paused) FROM mart.unit_stock",
    "one dossier": "SELECT * FROM mart.dossiers WHERE dossier_id = '{dossier}'",
    "resolved in a year, counted": f"SELECT count() FROM mart.dossiers WHERE toYear(resolved_on) = {YEAR}",
    "open now by class": "SELECT stock, count() FROM mart.dossiers WHERE is_open GROUP BY stock",
    "five longest overdue": (
        "SELECT dossier_id, unit_name_vi, due_at FROM mart.dossiers WHERE is_open AND timeliness = 'overdue' "
        "ORDER BY due_at, dossier_id LIMIT 5"
    ),
    "a unit's dossiers by class": (
        f"SELECT timeliness, count() FROM mart.dossiers WHERE unit_id = '{UNIT}' GROUP BY timeliness"
    ),
    "dossiers behind a cell": (
        f"SELECT dossier_id FROM mart.flow_dossiers WHERE unit_id = '{UNIT}' AND counter = 'resolved_overdue' "
        f"AND toYear(day) = {YEAR}"
    ),
    "as they stood at a day's end": (
        f"SELECT timeliness, count() FROM mart.dossiers_as_of(day = '{YEAR}-09-30') WHERE is_open GROUP BY timeliness"
    ),
    "form II.06a from dossiers": f"SELECT * FROM mart.report_06a({_PERIOD}) WHERE startsWith(unit_id, '{CITY}.')",
}
"""The questions of docs/analysts.md that counters and dossier rows answer, with the units of the synthetic country."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer and its cost; `ms` has every time that was taken."""

    rows: list[Any]
    ms: Sequence[float]
    rows_read: int
    bytes_read: int

    def cells(self, name: str) -> dict[str, str]:
        """As a row of a table."""
        return {
            "question": name,
            "ms": f"{median(self.ms):,.0f}",
            "rows read": f"{self.rows_read:,}",
            "MB read": f"{self.bytes_read / 1e6:,.1f}",
        }


def main() -> list[Comparison]:
    """The default sizes, the largest one's figures as comparisons."""
    return [measure(dossiers) for dossiers in SIZES][-1]


def measure(dossiers: int) -> list[Comparison]:
    """Fill a database of its own, ask, check, compare."""
    with tempfile.TemporaryDirectory() as folder:
        if disk_usage(folder).free < dossiers * BYTES_PER_DOSSIER:
            raise RuntimeError(f"{dossiers:,} dossiers need {dossiers * BYTES_PER_DOSSIER / 1e9:.0f} GB in {folder}")
        began = perf_counter()
        warehouse = open_embedded(Path(folder))
        try:
            migrate(warehouse, read_migrations())
            fill(warehouse, dossiers, progress=lambda share: _say(dossiers, share, began))
            with _asking(folder) as connection:
                return _ask_all(connection, dossiers)
        finally:
            warehouse.close()


def _ask_all(connection: Connection, dossiers: int) -> list[Comparison]:
    _wait_for_merges(connection)
    for table, rows, size, parts in _ask(connection, _TABLES, times=1).rows:
        print(f"  {table}: {rows:,} rows, {size / 1e9:.2f} GB in {parts} parts", flush=True)
    million = f"{dossiers / 1e6:g} million dossiers"
    found = []
    for name, unit in REPORTS.items():
        counters = _ask(connection, _FROM_COUNTERS.format(unit=unit, period=_PERIOD))
        rows = _ask(connection, _FROM_DOSSIERS.format(unit=unit, year=YEAR))
        if counters.rows != rows.rows or not all(counters.rows[0]):
            raise RuntimeError(f"{name}: the counters say {counters.rows}, the dossiers {rows.rows}")
        found += [
            Comparison.within(BUDGET_MS, name=f"yearly report of a {name}, {million}", ours=counters.ms, unit="ms"),
            Comparison.of(
                name=f"yearly report of a {name}, beside dossier rows, {million}",
                ours=counters.ms[-len(rows.ms) :],
                peer=rows.ms,
                unit="ms",
                target=10,
                peer_name="the same sums over mart.flow_dossiers",
                less_is_better=True,
            ),
        ]
    series = _ask(connection, SERIES)
    found.append(Comparison.within(BUDGET_MS, name=f"a unit's daily series, {million}", ours=series.ms, unit="ms"))
    [[dossier]] = _ask(connection, "SELECT dossier_id FROM core.dossiers LIMIT 1", times=1).rows
    print_rows([_ask(connection, sql.replace("{dossier}", dossier)).cells(name) for name, sql in QUESTIONS.items()])
    return found


def _ask(connection: Connection, sql: str, *, times: int = TIMES) -> Asked:
    took: list[float] = []
    while len(took) < times and sum(took) < SLOW_S * 1000:
        began = perf_counter()
        result = connection.query(sql, "JSONCompactEachRow")
        took.append((perf_counter() - began) * 1000)
    rows = [msgspec.json.decode(line, strict=False) for line in result.bytes().splitlines()]
    return Asked(rows, took, result.storage_rows_read(), result.storage_bytes_read())


@contextmanager
def _asking(folder: str) -> Iterator[Connection]:
    """A connection beside the warehouse's, which tells what it read."""
    connection = chdb.connect(str(Path(folder).resolve()))
    try:
        connection.query(f"SET session_timezone = '{OFFICE_ZONE}', output_format_json_quote_64bit_integers = 0")
        yield connection
    finally:
        connection.close()


def _wait_for_merges(connection: Connection) -> None:
    """Until what the filling left to merge is merged: it would share the cores with the questions."""
    until = perf_counter() + MERGES_S_MAX
    while perf_counter() < until:
        [[merges]] = _ask(connection, "SELECT count() FROM system.merges", times=1).rows
        if not merges:
            return
        sleep(0.2)
    print(f"  merges still run after {MERGES_S_MAX} s", flush=True)


_TABLES: Final = """
SELECT concat(database, '.', table), sum(rows), sum(bytes_on_disk), count()
FROM system.parts WHERE active AND database = 'core' GROUP BY database, table ORDER BY table
"""


def _say(dossiers: int, share: float, began: float) -> None:
    if share == 1 or int(share * 100) % 9 == 0:
        print(f"  {dossiers:,} dossiers: {share:.0%} filled after {perf_counter() - began:.0f} s", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.history")
    parser.add_argument("--dossiers", type=int, default=SIZES[0])
    print_rows([comparison.cells() for comparison in measure(parser.parse_args().dossiers)])
