"""A partition's lane: batches are shared and stay in order, and nothing piles up behind a silent broker."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from aiokafka.producer.message_accumulator import BatchBuilder

from services.gateway import lane as module
from services.gateway.lane import Batch, Lane

pytestmark = pytest.mark.asyncio

BATCH_BYTES = 4000


class FakeProducer:
    """Takes batches; acknowledges them when told to, and never while `silent`."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.answers: list[asyncio.Future[Any]] = []
        self.noted: list[KafkaError] = []
        self.silent = False
        self.stored = 0

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(BATCH_BYTES, 0)

    async def current(self) -> "FakeProducer":
        return self

    def note(self, error: KafkaError, producer: Any) -> None:
        self.noted.append(error)

    async def send_batch(self, builder: BatchBuilder, topic: str, *, partition: int) -> asyncio.Future[Any]:
        assert builder.closed()
        self.sent.append(builder)
        answer = asyncio.get_running_loop().create_future()
        self.answers.append(answer)
        return answer

    def acknowledge(self) -> None:
        """The batch in flight."""
        place = len(self.answers) - 1

        class Stored:
            offset = self.stored

        self.stored += self.sent[place].record_count()
        self.answers[place].set_result(Stored)


def add(lane: Lane, *values: bytes) -> list[tuple[Batch, int, asyncio.Future[int | None]]]:
    found = [lane.add(b"k", value) for value in values]
    return [(batch, place, batch.stored()) for batch, place in found]


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_what_comes_in_one_turn_or_behind_a_batch_shares_the_next_and_knows_its_place() -> None:
    producer = FakeProducer()
    lane = Lane(producer, topic="t", partition=0)  # type: ignore[arg-type]
    first = add(lane, b"1") + add(lane, b"2")
    await turns()
    second = add(lane, b"3")
    await turns()
    second += add(lane, b"4", b"5")
    assert [each.record_count() for each in producer.sent] == [2]  # one at a time
    producer.acknowledge()
    await turns()
    assert [each.record_count() for each in producer.sent] == [2, 3]
    producer.acknowledge()
    offsets = [(await stored or 0) + place for _, place, stored in first + second]
    assert offsets == [0, 1, 2, 3, 4]


async def test_a_full_batch_is_followed_by_another_in_order() -> None:
    producer = FakeProducer()
    lane = Lane(producer, topic="t", partition=0)  # type: ignore[arg-type]
    added = add(lane, *[b"x" * 1500] * 5, b"y" * 9000)  # the last fits into no batch but an empty one
    for _ in range(4):
        await turns()
        producer.acknowledge()
    assert [(await stored or 0) + place for _, place, stored in added] == list(range(6))
    assert len(producer.sent) == 4


async def test_a_refused_batch_fails_alone() -> None:
    producer = FakeProducer()
    lane = Lane(producer, topic="t", partition=0)  # type: ignore[arg-type]
    ((_, _, first),) = add(lane, b"1")
    await turns()
    ((_, _, second),) = add(lane, b"2")
    producer.answers[0].set_exception(MessageSizeTooLargeError())
    assert await first is None
    await turns()
    producer.acknowledge()
    assert (await second, [type(error) for error in producer.noted]) == (0, [MessageSizeTooLargeError])


async def test_a_silent_broker_ends_the_wait_of_all_and_the_lane_goes_on_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "ACK_S_MAX", 0.05)
    producer = FakeProducer()
    lane = Lane(producer, topic="t", partition=0)  # type: ignore[arg-type]
    begun = asyncio.get_running_loop().time()
    waiting = [stored for _, _, stored in add(lane, *[b"x" * 1500] * 20)]
    assert [await stored for stored in waiting] == [None] * 20
    assert asyncio.get_running_loop().time() - begun < 0.5  # not once more for each batch
    ((_, _, last),) = add(lane, b"1")
    await turns()
    producer.acknowledge()
    assert await last == 0


async def test_a_fault_reaches_those_whose_records_it_met() -> None:
    producer = FakeProducer()
    lane = Lane(producer, topic="t", partition=0)  # type: ignore[arg-type]
    ((_, _, stored),) = add(lane, b"1")
    await turns()
    producer.answers[0].set_exception(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await stored


async def test_a_caller_that_leaves_does_not_end_the_others_wait() -> None:
    producer = FakeProducer()
    lane = Lane(producer, topic="t", partition=0)  # type: ignore[arg-type]
    (_, _, leaving), (_, _, staying) = add(lane, b"1", b"2")
    await turns()
    leaving.cancel()
    producer.acknowledge()
    assert await staying == 0
