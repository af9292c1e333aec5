"""Shards on a real broker: holes, commit markers, repeats, fencing, warm reopening, dead letters.

Faust is left out here: slices are handed over by hand, so that a dropped one can be arranged.
"""

import asyncio
from datetime import date

import pytest
from aiokafka.errors import KafkaTimeoutError

from schemas import topics
from schemas.codec import encode
from schemas.events import Kind, Outcome
from schemas.records import FetchedRecord
from schemas.reference import Unit, UnitRules, read_calendars, read_units
from services.topics import publish_records, publish_units
from streams import shard as shard_module
from streams import shards as shards_module
from streams.domain.dossier import micros
from tests.factories import at, event
from tests.integration.shard_run import fresh, life


class FencedError(Exception):
    """Instead of ending the test's own process."""


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
            assert shard.ledger.dossiers == 2

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
            assert shard.ledger.dossiers == 4

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
