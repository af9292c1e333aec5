"""The ceiling in Python: aiokafka's consumer and our decoder in a plain loop. No state, no output, no group.

`python -m benchmarks.peers.ceiling EVENTS OUT`. Nothing that reads events with aiokafka and looks into each can be
faster in one process.
"""

import asyncio
import sys
from pathlib import Path

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from benchmarks.peers.result import Clock
from schemas.codec import decode
from schemas.events import Kind
from schemas.settings import read_settings
from schemas.topics import EVENTS


async def main(count: int, out: Path) -> None:
    """Read and decode so many events."""
    settings = read_settings()
    clock = Clock()
    accepted = 0
    async with AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_partition_fetch_bytes=4 * 1024 * 1024,  # as the worker asks
    ) as consumer:
        consumer.assign([TopicPartition(settings.topics[EVENTS], number) for number in range(settings.partitions)])
        await consumer.seek_to_beginning()
        while clock.seen < count:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    clock.tick()
                    accepted += decode(record.value).data.kind is Kind.ACCEPTED
    clock.write(out, received=accepted)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
