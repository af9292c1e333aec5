"""The sums of `hoso lag`."""

from services.cli.lag import Row, total_of


def test_the_total_sums_what_is_known() -> None:
    rows = [
        Row(partition=0, log_end=10, counted=8, lag=2, last_counted_age_s=3.0, stored=7, store_lag=3),
        Row(partition=1, log_end=5, counted=None, lag=5, last_counted_age_s=None, stored=None, store_lag=None),
        Row(partition=2, log_end=1, counted=1, lag=0, last_counted_age_s=1.5, stored=1, store_lag=0),
    ]
    assert total_of(rows) == Row(
        partition="total", log_end=16, counted=9, lag=7, last_counted_age_s=1.5, stored=8, store_lag=3
    )


def test_nothing_known_is_not_zero() -> None:
    rows = [Row(partition=0, log_end=0, counted=None, lag=0, last_counted_age_s=None, stored=None, store_lag=None)]
    assert total_of(rows).counted is None
