"""Writes events of the synthetic year straight into Kafka at a steady rate: a process of its own beside a benchmark.

`python -m benchmarks.steady_load EVENTS RATE`, with the settings in the environment; says when it has made its events,
and begins at the next line of its standard input.
"""

import asyncio
import sys
from time import perf_counter
from typing import Final

from aiokafka import AIOKafkaProducer

from benchmarks.stand import Load, load
from schemas.settings import Settings, read_settings
from schemas.topics import EVENTS
from streams.kafka import send_all

PORTION_S: Final = 0.005  # what came since the last portion is sent together


async def _write(settings: Settings, year: Load, rate: float) -> None:
    """Every partition's events at its share of the rate, in order."""
    topic, written = settings.topics[EVENTS], dict.fromkeys(year.messages, 0)
    async with AIOKafkaProducer(bootstrap_servers=settings.bootstrap, acks="all", enable_idempotence=True) as producer:
        begun = perf_counter()
        while any(written[partition] < len(messages) for partition, messages in year.messages.items()):
            share = (perf_counter() - begun) * rate / year.events
            due = {partition: int(share * len(messages)) for partition, messages in year.messages.items()}
            await asyncio.gather(
                *(
                    send_all(producer, topic, partition, messages[written[partition] : due[partition]])
                    for partition, messages in year.messages.items()
                )
            )
            written = {partition: min(due[partition], len(messages)) for partition, messages in year.messages.items()}
            await asyncio.sleep(PORTION_S)


def main() -> None:
    """Make them, say so, wait for the word, write."""
    count, rate = int(sys.argv[1]), float(sys.argv[2])
    settings = read_settings()
    year = load(count, partitions=settings.partitions)
    print("ready", flush=True)
    sys.stdin.readline()
    asyncio.run(_write(settings, year, rate))


if __name__ == "__main__":
    main()
