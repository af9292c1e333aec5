"""Questions to ClickHouse that are metrics: what the detectors find, asked again and again.

Promises: inserts go on, whatever a question does: it has a connection of its own, one thread and a limit of time, and
an error is logged and counted. What a question no longer answers loses its series.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from services.sink.clickhouse import Warehouse
from services.sink.residuals import RESIDUALS

EVERY_S: Final = 60.0
# A stop waits for the question in hand.
LIMITS: Final = "SETTINGS max_threads = 1, max_execution_time = 10, max_memory_usage = 1073741824"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A gauge: the rows of `sql` are its labels' values, in their order, and then the number."""

    name: str
    help: str
    labels: tuple[str, ...]
    sql: str


# A month of stated days: long enough for a fact that is entered at the month's end, and no import of earlier years.
_SINCE: Final = "since = today() - 30"
_BACK_DATED: Final = f"mart.back_dated({_SINCE}, tolerance_hours = 24)"

WATCHES: Final = (
    Watch(
        name="hoso_report_residual",
        help="Dossiers by which an identity of report form II.06a is off, or counters and dossiers differ: 0.",
        labels=("identity",),
        sql=RESIDUALS,
    ),
    Watch(
        name="hoso_back_dated_facts",
        help="Facts of the last 30 days that were recorded more than 24 hours after the time that they state.",
        labels=("unit", "source"),
        sql=f"SELECT unit_id, source, back_dated FROM {_BACK_DATED}",  # noqa: S608 - our own names
    ),
    Watch(
        name="hoso_back_dated_hours_max",
        help="Of these: the longest time from what is stated to the record, in hours.",
        labels=("unit", "source"),
        sql=f"SELECT unit_id, source, max_hours FROM {_BACK_DATED}",  # noqa: S608 - our own names
    ),
    Watch(
        name="hoso_missing_numbers",
        help="Numbers missing among the dossier codes of the last 30 days.",
        labels=("agency",),
        sql=f"SELECT agency, sum(missing) FROM mart.sequence_gaps({_SINCE}) GROUP BY agency",  # noqa: S608 - our own names
    ),
    Watch(
        name="hoso_code_date_mismatches",
        help="Dossiers of the last 30 days whose code names another day than that of filing or acceptance.",
        labels=("unit",),
        sql=f"SELECT unit_id, count() FROM mart.code_date_mismatches({_SINCE}) GROUP BY unit_id",  # noqa: S608 - our own names
    ),
    Watch(
        name="hoso_impossible_orders",
        help="Orders of events that cannot have happened so or are forbidden, in dossiers of the last 30 days.",
        labels=("code", "unit"),
        sql=f"SELECT code, unit_id, count() FROM mart.impossible_orders({_SINCE}) GROUP BY code, unit_id",  # noqa: S608 - our own names
    ),
)


class Watcher:
    """Asks all of `watches` in turn; `open_warehouse` gives the connection that it alone uses."""

    def __init__(
        self,
        open_warehouse: Callable[[], Warehouse],
        *,
        registry: CollectorRegistry,
        watches: tuple[Watch, ...] = WATCHES,
    ) -> None:
        self._open = open_warehouse
        self._gauges = {watch: Gauge(watch.name, watch.help, watch.labels, registry=registry) for watch in watches}
        self._errors = Counter(
            "hoso_watch_errors_total", "Questions to ClickHouse that failed.", ("watch",), registry=registry
        )

    async def run(self, *, stop: asyncio.Event, every_s: float = EVERY_S) -> None:
        """Ask at once and then every `every_s` seconds until `stop`."""
        while not stop.is_set():
            await asyncio.to_thread(self.ask, stopped=stop.is_set)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), every_s)

    def ask(self, *, stopped: Callable[[], bool] = lambda: False) -> None:
        """Ask everything once, until `stopped`. Blocks."""
        try:
            warehouse = self._open()
        except Exception as error:  # noqa: BLE001 - whatever it is, the sink goes on
            for watch in self._gauges:
                self._failed(watch, error)
            return
        try:
            for watch, gauge in self._gauges.items():
                if stopped():
                    return
                self._ask(warehouse, watch, gauge)
        finally:
            warehouse.close()

    def _ask(self, warehouse: Warehouse, watch: Watch, gauge: Gauge) -> None:
        try:
            rows = warehouse.query(f"{watch.sql} {LIMITS}")
        except Exception as error:  # noqa: BLE001 - the same
            self._failed(watch, error)
            return
        gauge.clear()
        for *labels, value in rows:
            gauge.labels(*map(str, labels)).set(value)

    def _failed(self, watch: Watch, error: Exception) -> None:
        self._errors.labels(watch.name).inc()
        log.warning("a watch got no answer", watch=watch.name, error=str(error).splitlines()[0])
