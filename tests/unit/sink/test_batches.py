"""Batches are cut by rows, bytes and time, and a repeated one exactly as it was."""

from services.sink.batches import BYTES_MAX, Batch, Cutter
from tests.unit.sink.make import FakeRecord


def cutter(*, rows_max: int = 3, wait_s: float = 0.5, repeat_to: int | None = None, prev_offset: int = -1) -> Cutter:
    return Cutter(
        topic="t", partition=1, prev_offset=prev_offset, rows_max=rows_max, wait_s=wait_s, repeat_to=repeat_to
    )


def offsets(batch: Batch | None) -> list[int] | None:
    return None if batch is None else [record.offset for record in batch.records]


def records(*at: int) -> list[FakeRecord]:
    return [FakeRecord(offset) for offset in at]


def test_a_full_batch_is_cut_at_once_and_the_rest_waits() -> None:
    cut = cutter()
    cut.add(records(0, 1, 2, 3), now=0.0)
    assert offsets(cut.cut(now=0.0)) == [0, 1, 2]
    assert cut.cut(now=0.4) is None
    assert cut.first_offset == 3
    assert offsets(cut.cut(now=0.5)) == [3]
    assert cut.cut(now=9.0) is None


def test_a_small_batch_waits_from_its_first_record_on() -> None:
    cut = cutter()
    assert cut.due_at is None
    cut.add(records(0), now=1.0)
    cut.add(records(1), now=1.4)
    assert cut.due_at == 1.5
    assert cut.cut(now=1.49) is None
    assert offsets(cut.cut(now=1.5)) == [0, 1]
    assert cut.due_at is None


def test_behind_another_insert_a_small_batch_grows_four_times_as_long() -> None:
    cut = cutter()
    cut.add(records(0, 1), now=0.0)
    assert cut.cut(now=1.9, behind=True) is None
    cut.add(records(2, 3), now=1.9)
    assert offsets(cut.cut(now=1.9, behind=True)) == [0, 1, 2]
    assert cut.cut(now=3.8, behind=True) is None
    assert offsets(cut.cut(now=3.9, behind=True)) == [3]


def test_long_records_are_cut_by_bytes() -> None:
    cut = cutter(rows_max=1000)
    cut.add([FakeRecord(0, value=bytes(BYTES_MAX // 2))], now=0.0)
    assert cut.cut(now=0.0) is None
    cut.add([FakeRecord(1, value=None), FakeRecord(2, value=bytes(BYTES_MAX // 2))], now=0.0)
    assert offsets(cut.cut(now=0.0)) == [0, 1, 2]


def test_each_batch_names_the_record_before_it_over_gaps() -> None:
    cut = cutter()
    cut.add(records(0, 1, 3), now=0.0)
    cut.add(records(7, 8), now=0.0)
    first, second = cut.cut(now=0.0), cut.cut(now=1.0)
    assert first is not None
    assert second is not None
    assert (first.prev_offset, first.token) == (-1, "t:1:0:3")
    assert (second.prev_offset, second.token) == (3, "t:1:7:8")


def test_a_repeated_batch_ends_where_it_ended_whatever_its_size_and_wait() -> None:
    cut = cutter(repeat_to=5, prev_offset=0)
    cut.add(records(1, 2, 3, 4), now=0.0)
    assert cut.due_at is None
    assert cut.cut(now=99.0) is None
    cut.add(records(5, 6), now=99.0)
    repeated = cut.cut(now=99.0)
    assert repeated is not None
    assert (offsets(repeated), repeated.repeats, repeated.token) == ([1, 2, 3, 4, 5], True, "t:1:1:5")
    following = cut.cut(now=99.5)
    assert following is not None
    assert (offsets(following), following.repeats, following.prev_offset) == ([6], False, 5)


def test_a_log_that_lost_the_repeated_records_gives_an_empty_batch_to_be_refused() -> None:
    cut = cutter(repeat_to=5)
    cut.add(records(8), now=0.0)
    repeated = cut.cut(now=0.0)
    assert repeated is not None
    assert (offsets(repeated), repeated.repeats) == ([], True)
    assert offsets(cut.cut(now=0.5)) == [8]
