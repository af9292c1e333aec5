"""Shards on a real broker: holes, commit markers, repeats, fencing, warm reopening, dead letters.

Faust is left out here: slices are handed over by hand, so that a dropped one can be arranged.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date

import msgspec
import pytest
from aiokafka.errors import KafkaTimeoutError

from schemas import topics
from schemas.codec import Event, encode
from schemas.events import Kind, Outcome
from schemas.records import FetchedRecord
from schemas.reference import Unit, UnitRules, read_calendars, read_units
from schemas.settings import Settings
from schemas.state import Dossier
from services.topics import ensure_topics, publish_records, publish_units
from streams import shard as shard_module
from streams import shards as shards_module
from streams.domain.dossier import micros
from streams.kafka import Log, send_all, transactional_producer
from streams.reference import Reference
from streams.shards import Shards
from streams.slices import Record, Slice
from tests.factories import at, event

NOW = micros(at("2021-04-01 08:00"))


class FencedError(Exception):
    """Instead of ending the test's own process."""


@dataclass
class Stand:
    """One partition of fresh topics."""

    settings: Settings
    log: Log
    sought: list[int] = field(default_factory=list)
    workers: list[Shards] = field(default_factory=list)

    def worker(self) -> Shards:
        """A worker that owns the partition."""

        async def seek(_: object, offset: int) -> None:
            self.sought.append(offset)

        reference = Reference(self.settings, self.log)
        shards = Shards(settings=self.settings, reference=reference, now=lambda: NOW, seek=seek)
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

    async def committed(self) -> int:
        """Where the group goes on."""
        return await self.log.committed(self.settings.group, self.settings.topics[topics.EVENTS], 0)


@asynccontextmanager
async def fresh(bootstrap: str, **options: int) -> AsyncIterator[Stand]:
    prefix = f"t{uuid.uuid4().hex[:8]}-"
    settings = Settings(kafka=bootstrap, partitions=1, topic_prefix=prefix, **options)
    await ensure_topics(settings)
    await publish_units(settings)
    stand = Stand(settings, Log(bootstrap))
    try:
        yield stand
    finally:
        for worker in stand.workers:
            await worker.revoke()


def life(count: int) -> list[Event]:
    """Accepted dossiers d0, d1, ..."""
    return [event(Kind.ACCEPTED, "2021-03-01 08:00", id=f"a{number}", dossier=f"d{number}") for number in range(count)]


@pytest.fixture(autouse=True)
def _fenced_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(message: str) -> None:
        raise FencedError(message)

    monkeypatch.setattr(shards_module, "end_fenced", end)


def test_a_dropped_slice_is_read_again_and_nothing_is_lost(broker):
    async def run() -> None:
        async with fresh(broker.bootstrap) as stand:
            await stand.write(life(6))
            first, dropped, third = await stand.slices(2, 2, 2)
            assert {type(record) for record in first.value} == {FetchedRecord}
            worker = stand.worker()
            await worker.take(first)
            await worker.take(third)  # `dropped` never came
            assert stand.sought == [dropped.value[0].offset]
            await worker.take(dropped)  # what the consumer fetches after the seek
            await worker.take(third)
            await worker.revoke()
            assert set(await stand.states(at_least=6)) == {f"d{number}" for number in range(6)}
            assert await stand.committed() == third.offset + 1

    asyncio.run(run())


def test_a_failed_transaction_is_told_to_the_next_slice_and_all_that_was_folded_since_is_read_again(
    broker, monkeypatch
):
    transact = shard_module.Shard._transact
    travels, fails = asyncio.Event(), asyncio.Event()

    async def failing(self: shard_module.Shard, *given: object) -> None:
        monkeypatch.setattr(shard_module.Shard, "_transact", transact)
        travels.set()
        await fails.wait()
        raise KafkaTimeoutError

    async def run() -> None:
        async with fresh(broker.bootstrap, slice_events_max=2) as stand:
            await stand.write(life(8))
            first, *others = await stand.slices(2, 2, 2, 2)
            worker = stand.worker()
            await worker.take(first)
            await next(iter(worker)).settle()
            monkeypatch.setattr(shard_module.Shard, "_transact", failing)
            await worker.take(others[0])
            await travels.wait()
            await worker.take(others[1])  # folded while the other travels
            fails.set()
            await worker.take(others[2])  # waits for room, and hears of the failure
            assert stand.sought == [first.offset + 1]
            for slice_ in others:  # what the consumer fetches after the seek
                await worker.take(slice_)
            await worker.revoke()
            assert set(await stand.states(at_least=8)) == {f"d{number}" for number in range(8)}
            assert await stand.committed() == others[-1].offset + 1

    asyncio.run(run())


def test_commit_markers_of_an_upstream_transaction_are_no_hole(broker):
    async def run() -> None:
        async with fresh(broker.bootstrap) as stand:
            events = life(4)
            await stand.write(events[:2], events[2:])
            first, second = await stand.slices(2, 2)
            assert second.value[0].offset > first.offset + 1
            worker = stand.worker()
            await worker.take(first)
            await worker.take(second)
            await worker.revoke()
            assert stand.sought == []
            assert len(await stand.states(at_least=4)) == 4

    asyncio.run(run())


def test_a_commit_marker_at_the_end_is_counted_and_a_record_there_is_fetched_again(broker, monkeypatch):
    monkeypatch.setattr(shards_module, "STALL_S", 0.0)

    async def run() -> None:
        async with fresh(broker.bootstrap) as stand:
            events = life(4)
            await stand.write(events[:2])
            (slice_,) = await stand.slices(2)
            worker = stand.worker()
            await worker.take(slice_)
            while await stand.committed() < slice_.offset + 2:
                await worker.tick()
            assert stand.sought == []
            await stand.write(events[2:])
            (_, lost) = await stand.slices(2, 2)
            while not stand.sought:
                await worker.tick()
            assert stand.sought[0] == lost.value[0].offset

    asyncio.run(run())


def test_a_slice_that_was_seen_is_skipped_and_an_overlap_is_cut(broker):
    async def run() -> None:
        async with fresh(broker.bootstrap) as stand:
            await stand.write(life(4))
            both, _ = await stand.slices(3, 1)
            (whole,) = await stand.slices(4)
            worker = stand.worker()
            await worker.take(both)
            await worker.take(both)
            await worker.take(whole)
            await worker.revoke()
            assert len(await stand.records(topics.STATES, at_least=4)) == 4

    asyncio.run(run())


def test_the_earlier_owner_is_fenced_and_writes_nothing_more(broker):
    async def run() -> None:
        async with fresh(broker.bootstrap) as stand:
            await stand.write(life(4))
            first, second = await stand.slices(2, 2)
            old, new = stand.worker(), stand.worker()
            await old.take(first)
            await next(iter(old)).settle()
            await new.take(second)  # opening reads back what the old one committed

            async def go_on() -> None:
                await old.take(second)
                while True:  # the failure is noticed by whoever comes after the transaction
                    await old.tick()
                    await asyncio.sleep(0.01)

            with pytest.raises(FencedError):
                await go_on()
            await new.revoke()
            assert len(await stand.records(topics.STATES, at_least=4)) == 4

    asyncio.run(run())


def test_a_partition_that_comes_back_untouched_is_not_read_again(broker, monkeypatch):
    async def run() -> None:
        async with fresh(broker.bootstrap) as stand:
            await stand.write(life(2))
            (slice_,) = await stand.slices(2)
            worker = stand.worker()
            await worker.take(slice_)
            await stand.states(at_least=2)  # visible: the end of the topic stands still
            await worker.revoke()

            async def read_back(*_: object) -> None:
                raise AssertionError("read back")

            monkeypatch.setattr(shard_module.Shard, "_read_back", read_back)
            worker.assign([0])
            await worker.tick()
            (shard,) = worker
            assert len(shard.ledger.states) == 2

    asyncio.run(run())


def test_another_workers_writes_in_between_are_read_back(broker):
    async def run() -> None:
        async with fresh(broker.bootstrap) as stand:
            await stand.write(life(4))
            first, second = await stand.slices(2, 2)
            worker, other = stand.worker(), stand.worker()
            await worker.take(first)
            await worker.revoke()
            await other.take(second)
            await other.revoke()
            await stand.states(at_least=4)
            worker.assign([0])
            await worker.tick()
            (shard,) = worker
            assert len(shard.ledger.states) == 4

    asyncio.run(run())


def test_poison_reaches_the_dead_letters_with_reason_and_address(broker):
    async def run() -> None:
        async with fresh(broker.bootstrap) as stand:
            unknown = event(Kind.FINISHED, "2021-03-01 08:00", unit_id="nowhere", outcome=Outcome.GRANTED)
            await stand.write([b"not json", *life(1), unknown])
            (slice_,) = await stand.slices(3)
            worker = stand.worker()
            await worker.take(slice_)
            await worker.revoke()
            letters = await stand.records(topics.DEAD_LETTERS, at_least=2)
            headers = [{name: text.decode() for name, text in letter.headers} for letter in letters]
            assert [letter.value for letter in letters] == [b"not json", encode(unknown)]
            assert [found[topics.DLQ_REASON] for found in headers] == ["not_json", "unknown_unit"]
            assert [found[topics.DLQ_OFFSET] for found in headers] == ["0", "2"]
            assert headers[0][topics.DLQ_TOPIC] == stand.settings.topics[topics.EVENTS]
            assert set(await stand.states(at_least=1)) == {"d0"}

    asyncio.run(run())


def test_a_unit_that_was_added_later_is_known_when_an_event_names_it(broker):
    async def run() -> None:
        async with fresh(broker.bootstrap) as stand:
            worker = stand.worker()
            await worker.tick()
            await publish_units(stand.settings, [Unit(id="new-unit", name_vi="Đơn vị mới", name_en="New unit")])
            await stand.write([event(Kind.ACCEPTED, "2021-03-01 08:00", unit_id="new-unit", dossier="d9")])
            (slice_,) = await stand.slices(1)
            await worker.take(slice_)
            await worker.revoke()
            assert (await stand.states(at_least=1))["d9"].unit_id == "new-unit"

    asyncio.run(run())


def test_a_calendar_that_is_amended_after_the_fact_moves_the_promise_of_who_waited_then(broker, monkeypatch):
    monkeypatch.setattr(shards_module, "REFERENCE_S", 0.0)
    closed = date(2021, 3, 3)
    told = [
        event(Kind.ACCEPTED, "2021-03-01 08:00", dossier="waited", due_at="2021-03-10 17:00"),
        event(Kind.SUPPLEMENT_REQUESTED, "2021-03-02 08:00", dossier="waited"),
        event(Kind.SUPPLEMENT_RECEIVED, "2021-03-04 08:00", dossier="waited"),
        event(Kind.ACCEPTED, "2021-03-01 08:00", dossier="went-on", due_at="2021-03-10 17:00"),
        event(Kind.ACCEPTED, "2021-02-22 08:00", dossier="before", due_at="2021-03-10 17:00"),
        event(Kind.SUPPLEMENT_REQUESTED, "2021-03-02 08:00", dossier="before"),
        event(Kind.SUPPLEMENT_RECEIVED, "2021-03-04 08:00", dossier="before"),
    ]

    async def run() -> None:
        async with fresh(broker.bootstrap) as stand:
            await stand.write(told)
            worker = stand.worker()
            await worker.take((await stand.slices(len(told)))[0])
            await worker.tick()
            before = await stand.states(at_least=3)
            assert {id_: (state.calendar_id, state.due_at) for id_, state in before.items()} == {
                "waited": ("vn-1", micros(at("2021-03-12 17:00"))),  # two working days later
                "went-on": ("vn-1", micros(at("2021-03-10 17:00"))),
                "before": ("vn-1", micros(at("2021-03-12 17:00"))),
            }

            calendar = read_calendars()["vn-1"]
            days_off = (*calendar.days_off, closed)
            amended = calendar.model_copy(update={"id": "vn-1-closed", "days_off": days_off})
            (city,) = [unit for unit in read_units() if unit.id == "196"]
            entry = UnitRules(valid_from=date(2021, 3, 1), policy_id="vn-day-1", calendar_id="vn-1-closed")
            assert await publish_records(stand.settings, topics.CALENDARS, [amended]) == 1
            assert await publish_units(stand.settings, [city.model_copy(update={"rules": (*city.rules, entry)})]) == 1

            while (after := await stand.states(at_least=3))["waited"].calendar_id != "vn-1-closed":
                await worker.tick()
            assert {id_: (state.calendar_id, state.due_at) for id_, state in after.items()} == {
                "waited": ("vn-1-closed", micros(at("2021-03-11 17:00"))),  # one of the two was closed
                "went-on": ("vn-1-closed", micros(at("2021-03-10 17:00"))),
                "before": ("vn-1", micros(at("2021-03-12 17:00"))),  # taken in before the rule
            }
            assert len({state.rules for state in (*before.values(), *after.values())}) == 2
            assert {state.rules for state in after.values()}.isdisjoint({state.rules for state in before.values()})
            assert await stand.committed() >= len(told)

    asyncio.run(run())
