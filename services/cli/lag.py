"""`hoso lag`: how far the counters and the tables are behind the log."""

import asyncio
import time
from collections.abc import Iterable

import msgspec

from schemas.errors import Unavailable
from schemas.settings import Settings, read_settings
from schemas.topics import EVENTS
from services.cli.output import AsJson, note, print_json, print_rows
from services.cli.sql import QueryError, ask
from services.clickhouse import open_reader


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One partition of the events, or their sum. Offsets are the next ones: everything below them is in."""

    partition: int | str
    log_end: int
    counted: int | None  # what the processor committed; None: nothing was ever counted
    lag: int  # events that are not counted yet
    last_counted_age_s: float | None  # since the last counted event was written to the log
    stored: int | None  # what is in ClickHouse; None: nothing, or it does not answer
    store_lag: int | None


def lag(as_json: AsJson = False) -> None:
    """Show per partition how far the counters and ClickHouse are behind the log of events.

    `counted` and `stored` are offsets like `log_end`: everything below them is in. Without lag all three are equal.
    `last_counted_age_s` grows in a quiet office too; `lag` does not.

    Exit code: 0; 3 when the broker does not answer.
    """
    settings = read_settings()
    rows = asyncio.run(rows_of(settings))
    if as_json:
        print_json({"topic": settings.topics[EVENTS], "partitions": rows, "total": total_of(rows)})
    else:
        print_rows([msgspec.structs.asdict(row) for row in [*rows, total_of(rows)]])


async def rows_of(settings: Settings, *, now_s: float | None = None) -> list[Row]:
    """One row per partition."""
    from services.cli.kafka import lags  # takes 0.1 s, which `hoso --help` should not

    found = await lags(settings)
    stored = await asyncio.to_thread(stored_offsets, settings)
    now_ms = (time.time() if now_s is None else now_s) * 1000
    return [
        Row(
            partition=each.partition,
            log_end=each.log_end,
            counted=each.committed,
            lag=each.lag,
            last_counted_age_s=None if each.counted_at_ms is None else round((now_ms - each.counted_at_ms) / 1000, 1),
            stored=stored.get(each.partition),
            store_lag=max(each.log_end - stored[each.partition], 0) if each.partition in stored else None,
        )
        for each in found
    ]


def stored_offsets(settings: Settings) -> dict[int, int]:
    """The next offset of each partition in ClickHouse; nothing, with a note, when that does not answer."""
    try:
        with open_reader(settings) as client:
            _, rows = ask(client, "SELECT partition, last_offset + 1 FROM mart.freshness")
    except (Unavailable, QueryError) as error:
        note(f"`stored` is not known: {error}")
        return {}
    return dict(rows)


def total_of(rows: list[Row]) -> Row:
    """The sum over all partitions; the age is that of the newest counted event."""
    ages = [row.last_counted_age_s for row in rows if row.last_counted_age_s is not None]
    return Row(
        partition="total",
        log_end=sum(row.log_end for row in rows),
        counted=_sum(row.counted for row in rows),
        lag=sum(row.lag for row in rows),
        last_counted_age_s=min(ages, default=None),
        stored=_sum(row.stored for row in rows),
        store_lag=_sum(row.store_lag for row in rows),
    )


def _sum(numbers: Iterable[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None
