"""The monitor's numbers for Prometheus, read off the board at each scrape.

Counts are a unit's own, without the units below it, so that sums over `unit` are right, less `hoso_linked_dossiers`
where dossiers go over several levels (ADR 0012). By field they are of all units, each dossier once; by procedure there
are none, because a label for each of hundreds of procedures would be a series per unit and procedure. They are gauges,
because a retraction lowers them. A unit without data has no series; one with nothing to count has zeros.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from typing import TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from schemas.tallies import RECEIVED, RESOLVED, STOCK, Counts
from services.monitor.board import Board, Heartbeat, Sums
from services.monitor.breakdown import field_of
from services.monitor.feed import Feed
from services.monitor.periods import sum_counts
from services.monitor.published import Published
from services.monitor.views import State

Labels = TypeVar("Labels", bound=tuple[str, ...])


class MonitorCollector(Collector):
    """Register it with the registry that /metrics shows."""

    def __init__(self, published: Published, feed: Feed) -> None:
        self._published = published
        self._feed = feed

    def collect(self) -> Iterator[Metric]:
        """All series of one scrape."""
        board, freshness = self._published.board, self._published.freshness
        yield from _counts(board)
        yield from _fields(board)
        yield from _partitions(board.heartbeats, self._feed.log_ends.ends)
        states = {(state.value,): float(state is freshness.state) for state in State}
        yield _gauge(
            "hoso_monitor_state", "How far the numbers can be trusted: 1 for the state in force.", states, "state"
        )
        yield _gauge(
            "hoso_broker_reachable", "Whether the log could be asked.", {(): float(freshness.broker_reachable)}
        )
        if freshness.lag_s is not None:
            lag = {(): freshness.lag_s}
            yield _gauge("hoso_lag_seconds", "How long the oldest uncounted event has waited, as far as was seen.", lag)
        yield _gauge("hoso_sse_clients", "Readers of the stream.", {(): self._published.readers})
        skipped = CounterMetricFamily("hoso_monitor_skipped_records", "Records that were no tally, unit or procedure.")
        skipped.add_metric((), self._feed.skipped)
        yield skipped
        yield _gauge("hoso_build_info", "The version that runs.", {(version("hoso"),): 1}, "version")


def _counts(board: Board) -> Iterator[Metric]:
    stock: dict[tuple[str, ...], float] = {}
    received: dict[tuple[str, ...], float] = {}
    resolved: dict[tuple[str, ...], float] = {}
    linked: dict[tuple[str, ...], float] = {}
    for unit_id in board.unit_ids():
        if (part := board.own(unit_id)) is None:
            continue
        own, total = part.all, sum_counts(part.all.years.values())
        linked |= {(unit_id, counter.removeprefix("open_")): part.linked.stock.get(counter, 0) for counter in STOCK}
        stock |= {(unit_id, counter.removeprefix("open_")): own.stock.get(counter, 0) for counter in STOCK}
        received |= {(unit_id, channel.value): total.get(counter, 0) for channel, counter in RECEIVED.items()}
        resolved |= {(unit_id, how.value): total.get(counter, 0) for how, counter in RESOLVED.items()}
    yield _gauge("hoso_dossiers", "Open dossiers now.", stock, "unit", "state")
    yield _gauge("hoso_linked_dossiers", "Of these: linked to a root elsewhere.", linked, "unit", "state")
    yield _gauge("hoso_received_dossiers", "Accepted since the first event.", received, "unit", "channel")
    yield _gauge("hoso_resolved_dossiers", "Resolved since the first event.", resolved, "unit", "timeliness")


def _fields(board: Board) -> Iterator[Metric]:
    stock: Counter[tuple[str, ...]] = Counter()
    resolved: Counter[tuple[str, ...]] = Counter()
    for procedure_id, family in board.everywhere().items():
        field_id, *_ = field_of(board.procedures, procedure_id)
        open_, flow = sum_counts(each.stock for each in family), sum_counts(_years(family))
        stock.update({(field_id, counter.removeprefix("open_")): open_.get(counter, 0) for counter in STOCK})
        resolved.update({(field_id, how.value): flow.get(counter, 0) for how, counter in RESOLVED.items()})
    yield _gauge("hoso_field_dossiers", "Open dossiers now, of all units.", stock, "field", "state")
    yield _gauge(
        "hoso_field_resolved_dossiers", "Resolved since the first event, by all units.", resolved, "field", "timeliness"
    )


def _years(family: Iterable[Sums]) -> Iterator[Counts]:
    return (counts for sums in family for counts in sums.years.values())


def _partitions(heartbeats: list[Heartbeat], ends: Mapping[int, int]) -> Iterator[Metric]:
    by_partition = {(str(each.progress.partition),): each for each in heartbeats}
    counted = {each.progress.partition: each.progress.offset for each in heartbeats}
    lag = {(str(partition),): max(0, end - counted.get(partition, 0)) for partition, end in sorted(ends.items())}
    yield _gauge("hoso_lag_events", "Events in the log that are not counted yet.", lag, "partition")
    for name, help_text, read in (
        ("hoso_as_of_timestamp_seconds", "The instant for which open dossiers were judged.", _as_of_s),
        ("hoso_heartbeat_timestamp_seconds", "When the processor last gave a sign of life.", _at_s),
        ("hoso_processor_dossiers", "Dossiers that the processor holds.", lambda each: each.progress.dossiers),
        ("hoso_processor_anomalies", "Events that were kept but moved nothing.", lambda each: each.progress.anomalies),
        ("hoso_processor_parked", "Dead letters since the processor took over.", lambda each: each.progress.parked),
    ):
        yield _gauge(name, help_text, {key: read(each) for key, each in by_partition.items()}, "partition")


def _as_of_s(heartbeat: Heartbeat) -> float:
    return heartbeat.progress.as_of / 1_000_000


def _at_s(heartbeat: Heartbeat) -> float:
    return heartbeat.at_ms / 1000


def _gauge(name: str, help_text: str, values: Mapping[Labels, float], *labels: str) -> Metric:
    family = GaugeMetricFamily(name, help_text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family
