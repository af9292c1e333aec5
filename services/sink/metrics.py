"""What the sink counts."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_INSERT_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The instruments of one sink, on a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.rows = Counter(
            "hoso_sink_rows_total", "Rows stored: ok, or poison.", ("topic", "status"), registry=self.registry
        )
        self.unreadable = Counter(
            "hoso_sink_unreadable_records_total",
            "Records of our own topics that could not be read and were skipped.",
            ("topic",),
            registry=self.registry,
        )
        self.insert_seconds = Histogram(
            "hoso_sink_insert_seconds", "One insert.", ("table",), buckets=_INSERT_SECONDS, registry=self.registry
        )
        self.lag = Gauge(
            "hoso_sink_lag_records",
            "Offsets between what is stored and the end of the partition.",
            ("topic", "partition"),
            registry=self.registry,
        )
