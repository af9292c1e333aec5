"""Shards of one partition on a real broker, for tests. Faust is left out: slices are handed over by hand."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from schemas import topics
from schemas.codec import Event, encode
from schemas.events import Kind
from schemas.settings import Settings
from schemas.state import Dossier
from schemas.tallies import RECEIVED, Counts, Tally
from services.topics import ensure_topics, publish_units
from streams.domain.dossier import micros
from streams.kafka import Log, send_all, transactional_producer
from streams.reference import Reference
from streams.shards import Shards
from streams.slices import Record, Slice
from tests.factories import at, event

NOW = micros(at("2021-04-01 08:00"))


@dataclass
class Stand:
    """One partition of fresh topics."""

    settings: Settings
    log: Log
    sought: list[int] = field(default_factory=list)
    workers: list[Shards] = field(default_factory=list)

    def worker(self, port: int | None = None, *, ahead: int = 0) -> Shards:
        """A worker that owns the partition; its cache is its port's, by default one that no other has.

        `ahead`: of `NOW`, microseconds, its clock stands.
        """

        async def seek(_: object, offset: int) -> None:
            self.sought.append(offset)

        settings = self.settings.model_copy(update={"worker_port": port or 1 + len(self.workers)})
        reference = Reference(settings, self.log)
        shards = Shards(settings=settings, reference=reference, now=lambda: NOW + ahead, seek=seek)
        shards.assign([0])
        self.workers.append(shards)
        return shards

    async def write(self, *transactions: list[Event | bytes]) -> None:
        """Each list as one transaction, so that a commit marker takes an offset after it."""
        producer = transactional_producer(self.settings.bootstrap, f"{self.settings.topic_prefix}upstream")
        async with producer:
            for content in transactions:
                async with producer.transaction():
                    messages = [
                        (b"x", item, []) if isinstance(item, bytes) else (item.subject.encode(), encode(item), [])
                        for item in content
                    ]
                    await send_all(producer, self.settings.topics[topics.EVENTS], 0, messages)

    async def records(self, topic: topics.Topic, *, at_least: int = 0) -> list[Record]:
        """Everything in a topic; a commit is visible a moment after it was acknowledged."""
        while True:
            found = [record async for run in self.log.read_to_end(self.settings.topics[topic], 0) for record in run]
            if len(found) >= at_least:
                return found

    async def slices(self, *sizes: int) -> list[Slice]:
        """The event topic cut into slices of these sizes."""
        found = await self.records(topics.EVENTS, at_least=sum(sizes))
        cut, start = [], 0
        for size in sizes:
            cut.append(Slice(self.settings.topics[topics.EVENTS], 0, found[start : start + size]))
            start += size
        return cut

    async def states(self, *, at_least: int) -> dict[str, Dossier]:
        """The latest state of each dossier, once there are so many."""
        while True:
            records = await self.records(topics.STATES)
            latest = {record.key.decode(): msgspec.json.decode(record.value, type=Dossier) for record in records}
            if len(latest) >= at_least:
                return latest

    async def tallies(self) -> list[Tally]:
        """The latest of each key, procedures and other subsets left out."""
        latest: dict[bytes, Tally] = {}
        for record in await self.records(topics.TALLIES):
            if record.key and record.value and not record.key.startswith(b"/"):
                latest[record.key] = msgspec.json.decode(record.value, type=Tally)
        return [tally for tally in latest.values() if not tally.subset]

    async def received(self) -> int:
        """The dossiers that the published counters count as received."""
        return sum(tally.counts.get(counter, 0) for tally in await self.tallies() for counter in RECEIVED.values())

    async def stock(self) -> Counts:
        """The open dossiers of the only unit that has any."""
        (counts,) = [tally.counts for tally in await self.tallies() if tally.day is None]
        return counts

    async def committed(self) -> int:
        """Where the group goes on."""
        return (await self.log.committed(self.settings.group, self.settings.topics[topics.EVENTS], 0)).offset


@asynccontextmanager
async def fresh(bootstrap: str, **options: int) -> AsyncIterator[Stand]:
    prefix = f"t{uuid.uuid4().hex[:8]}-"
    with TemporaryDirectory(prefix="hoso-") as folder:
        settings = Settings(kafka=bootstrap, partitions=1, topic_prefix=prefix, var=Path(folder), **options)
        await ensure_topics(settings)
        await publish_units(settings)
        stand = Stand(settings, Log(bootstrap))
        try:
            yield stand
        finally:
            for worker in stand.workers:
                await worker.revoke()
                worker.assign([])


def life(count: int, prefix: str = "d") -> list[Event]:
    """Accepted dossiers d0, d1, ..."""
    ids = [f"{prefix}{number}" for number in range(count)]
    return [event(Kind.ACCEPTED, "2021-03-01 08:00", id=f"a-{id_}", dossier=id_) for id_ in ids]
