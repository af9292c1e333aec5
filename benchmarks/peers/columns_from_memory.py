"""The sink's peer: the same columns of the same batches into the same engine, from memory. No Kafka, no decoding.

`python -m benchmarks.peers.columns_from_memory BOOTSTRAP TOPIC PARTITIONS ROWS FOLDER OUT`: reads the topic, makes the
columns of every batch of ROWS, and only then times the inserts; writes rows a second to OUT.
"""

import asyncio
import sys
from pathlib import Path
from time import perf_counter

from schemas.tables import RAW_EVENTS
from services.sink.batches import Batch, Rows
from services.sink.clickhouse import open_embedded
from services.sink.event_rows import event_columns
from services.sink.migrations import migrate, read_migrations
from streams.kafka import Log


async def batches_of(bootstrap: str, topic: str, partition: int, *, rows: int) -> list[Batch]:
    """All records of a partition, cut as the sink cuts them when it is behind."""
    records = [record async for fetched in Log(bootstrap).read_to_end(topic, partition) for record in fetched]
    runs = [records[start : start + rows] for start in range(0, len(records), rows)]
    return [
        Batch(
            topic=topic,
            partition=partition,
            records=run,  # type: ignore[arg-type]
            prev_offset=run[0].offset - 1,
        )
        for run in runs
    ]


async def read(bootstrap: str, topic: str, partitions: int, *, rows: int) -> list[tuple[str, Rows]]:
    """Every batch's token and columns."""
    return [
        (batch.token, event_columns(batch))
        for partition in range(partitions)
        for batch in await batches_of(bootstrap, topic, partition, rows=rows)
    ]


def main(bootstrap: str, topic: str, partitions: str, rows: str, folder: str, out: str) -> None:
    """Insert, check and time."""
    prepared = asyncio.run(read(bootstrap, topic, int(partitions), rows=int(rows)))
    warehouse = open_embedded(Path(folder))
    try:
        migrate(warehouse, read_migrations())
        begun = perf_counter()
        for token, found in prepared:
            warehouse.insert(RAW_EVENTS, found.columns, token=token)
        seconds = perf_counter() - begun
        ((count,),) = warehouse.query(f"SELECT uniqExact(kpart, koffset) FROM {RAW_EVENTS}")
    finally:
        warehouse.close()
    expected = sum(len(found.columns["koffset"]) for _, found in prepared)
    if count != expected:
        raise RuntimeError(f"{count} rows are stored, {expected} were inserted")
    Path(out).write_text(str(count / seconds))


if __name__ == "__main__":
    main(*sys.argv[1:])
