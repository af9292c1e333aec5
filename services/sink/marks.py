"""What the tables say about themselves: marks, the last insert, and whether offsets are dense.

Density is provable although some numbers hold no record (commit markers, aborted transactions): each row names the
offset of the record before it, so the rows of a partition form a chain from -1 to the last.
"""

import hashlib
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from schemas.tables import RAW_EVENTS, RAW_TOPICS
from services.sink.checkpoint import Mark
from services.sink.clickhouse import Warehouse

NO_RECORD: Final = -1
"""`prev_offset` of a partition's first row."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A broken link: the row at `koffset` should follow `expected`, but the table has `found` before it."""

    partition: int
    koffset: int
    expected: int
    found: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LastInsert:
    """What identifies the rows of a partition's last insert, to compare them with what the log gives now."""

    rows: int
    prev_offset: int
    first_digest: str
    last_digest: str


def filled_from(warehouse: Warehouse, table: str) -> tuple[str, UUID] | None:
    """The topic, with its id, that the table was first filled from."""
    rows = warehouse.query(
        f"SELECT topic, topic_id FROM {RAW_TOPICS} WHERE table_name = {{table:String}} ORDER BY seen_at LIMIT 1",  # noqa: S608
        {"table": table},
    )
    return (str(rows[0][0]), UUID(str(rows[0][1]))) if rows else None


def remember_topic(warehouse: Warehouse, table: str, topic: str, topic_id: UUID) -> None:
    """Write down which topic fills the table from now on."""
    warehouse.insert(
        RAW_TOPICS, {"table_name": [table], "topic": [topic], "topic_id": [topic_id]}, token=f"{table}:{topic_id}"
    )


def event_marks(warehouse: Warehouse) -> dict[int, Mark]:
    """Marks of `raw.events` by partition, from one pass over the address columns.

    In an unbroken chain every offset but the last is some row's `prev_offset`, and so is -1: then the sums of their
    hashes differ by just these two. Only when they do not, because a row is missing or stored twice, is it walked.
    """
    rows = warehouse.query(
        f"""
        SELECT kpart, max(koffset) AS last, argMax(batch_first, koffset),
            sumWithOverflow(cityHash64(koffset)) + cityHash64(toInt64({NO_RECORD}))
            = sumWithOverflow(cityHash64(prev_offset)) + cityHash64(last)
        FROM {RAW_EVENTS} GROUP BY kpart
        """  # noqa: S608 - our own names here and below
    )
    return {
        partition: Mark(
            last=last,
            batch_first=batch_first,
            missing=0 if unbroken else sum(gap.expected - gap.found for gap in find_gaps(warehouse, partition)),
        )
        for partition, last, batch_first, unbroken in rows
    }


def upsert_marks(warehouse: Warehouse, table: str) -> dict[int, Mark]:
    """Marks of a table of upserts: the highest offset is the newest version of some row, so it is never replaced."""
    rows = warehouse.query(f"SELECT kpart, max(koffset) FROM {table} GROUP BY kpart")  # noqa: S608
    return {partition: Mark(last=last) for partition, last in rows}


def last_insert(warehouse: Warehouse, partition: int, mark: Mark) -> LastInsert:
    """What the table holds of the insert that ends at the mark."""
    rows = warehouse.query(
        f"""
        SELECT uniqExact(koffset), min(prev_offset), argMin({_DIGEST}, koffset), argMax({_DIGEST}, koffset)
        FROM {RAW_EVENTS}
        WHERE kpart = {{partition:UInt32}} AND koffset BETWEEN {{first:Int64}} AND {{last:Int64}}
        """,  # noqa: S608
        {"partition": partition, "first": mark.batch_first, "last": mark.last},
    )
    count, prev_offset, first_digest, last_digest = rows[0]
    return LastInsert(rows=count, prev_offset=prev_offset, first_digest=first_digest, last_digest=last_digest)


_DIGEST: Final = "lower(hex(SHA256(concat(ifNull(key, ''), '\\0', ifNull(value, '')))))"


def digest(*, key: bytes | None, value: bytes | None) -> str:
    """The same digest of a record from the log."""
    return hashlib.sha256((key or b"") + b"\0" + (value or b"")).hexdigest()


def find_gaps(warehouse: Warehouse, partition: int | None = None) -> list[Gap]:
    """Every broken link of the chain; none means that no record below the last one is missing."""
    where = "" if partition is None else "WHERE kpart = {partition:UInt32}"
    rows = warehouse.query(
        f"""
        SELECT kpart, koffset, prev_offset, before FROM
        (
            SELECT kpart, koffset, prev_offset, lagInFrame(koffset, 1, toInt64({NO_RECORD})) OVER (
                PARTITION BY kpart ORDER BY koffset ROWS BETWEEN 1 PRECEDING AND CURRENT ROW
            ) AS before
            FROM {RAW_EVENTS} FINAL {where}
        )
        WHERE before != prev_offset
        ORDER BY kpart, koffset
        """,  # noqa: S608
        {} if partition is None else {"partition": partition},
    )
    return [Gap(*row) for row in rows]


def count_repeats(warehouse: Warehouse) -> int:
    """Rows whose offset is stored more than once: a paused owner woke up. They collapse when parts merge."""
    rows = warehouse.query(f"SELECT count() - uniqExact(kpart, koffset) FROM {RAW_EVENTS}")  # noqa: S608
    return int(rows[0][0])
