"""One insert at a time: retried with the same rows under the same token, and repeated only when the log is the same."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from aiokafka.structs import TopicPartition

from schemas.errors import Unavailable
from schemas.topics import EVENTS, STATES
from services.sink import retry
from services.sink.batches import Batch
from services.sink.checkpoint import TopicRecreatedError
from services.sink.inserts import Inserts, read
from services.sink.marks import LastInsert, digest
from services.sink.metrics import Metrics
from services.sink.targets import TARGETS, Target
from tests.unit.sink.make import FakeRecord

TO_EVENTS, TO_STATES = (next(target for target in TARGETS if target.topic is topic) for topic in (EVENTS, STATES))
RECORDS = [FakeRecord(4), FakeRecord(5, value=None), FakeRecord(7, value=b"last")]


class FakeWarehouse:
    """Remembers inserts, after so many refusals."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.tried: list[tuple[str, str, Mapping[str, Any]]] = []
        self.stored: list[str] = []

    def insert(self, table: str, columns: Mapping[str, Any], *, token: str) -> None:
        self.tried.append((table, token, columns))
        if len(self.tried) <= self.refusals:
            raise Unavailable("not now")
        self.stored.append(token)


def metric(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def batch(*records: FakeRecord, repeats: bool = False) -> Batch:
    return Batch(topic="p-t", partition=3, records=records, prev_offset=2, repeats=repeats)


async def store(warehouse: Any, target: Target, batch_: Batch, *, expected: LastInsert | None = None) -> Metrics:
    metrics = Metrics()
    inserts = Inserts(warehouse, metrics=metrics, stop=asyncio.Event())
    inserts.start(target, batch_, rows=asyncio.create_task(read(target, batch_, expected=expected)))
    assert inserts.in_hand is batch_
    await inserts.settle()
    assert inserts.in_hand is None
    last = batch_.last_offset if warehouse.stored else None
    assert inserts.stored == ({} if last is None else {TopicPartition("p-t", 3): last})
    return metrics


@pytest.mark.asyncio
async def test_a_retry_sends_the_same_rows_under_the_same_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "DELAY_S_FIRST", 0.001)
    warehouse = FakeWarehouse(refusals=2)
    metrics = await store(warehouse, TO_EVENTS, batch(*RECORDS))
    assert [(table, token) for table, token, _ in warehouse.tried] == [("raw.events", "p-t:3:4:7")] * 3
    assert len({id(columns) for *_, columns in warehouse.tried}) == 1
    assert metric(metrics, "hoso_sink_rows_total", topic="dossier-events", status="poison") == 3


@pytest.mark.asyncio
async def test_what_the_engine_refuses_for_good_ends_the_sink() -> None:
    class Broken(FakeWarehouse):
        def insert(self, table: str, columns: Mapping[str, Any], *, token: str) -> None:
            raise ValueError("no such column")

    with pytest.raises(ValueError, match="no such column"):
        await store(Broken(), TO_EVENTS, batch(*RECORDS))


@pytest.mark.asyncio
async def test_the_last_insert_is_repeated_when_the_log_still_gives_it() -> None:
    warehouse = FakeWarehouse()
    expected = LastInsert(
        rows=3,
        prev_offset=2,
        first_digest=digest(key=b"D1", value=b"{}"),
        last_digest=digest(key=b"D1", value=b"last"),
    )
    await store(warehouse, TO_EVENTS, batch(*RECORDS, repeats=True), expected=expected)
    assert warehouse.stored == ["p-t:3:4:7"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "records",
    [
        pytest.param([FakeRecord(4, value=b"other"), *RECORDS[1:]], id="another first record"),
        pytest.param([*RECORDS[:2], FakeRecord(7, key=b"D2", value=b"last")], id="another last record"),
        pytest.param([RECORDS[0], RECORDS[2]], id="fewer records"),
        pytest.param([], id="none of them"),
    ],
)
async def test_another_log_at_the_same_offsets_is_refused(records: list[FakeRecord]) -> None:
    warehouse = FakeWarehouse()
    expected = LastInsert(
        rows=3,
        prev_offset=2,
        first_digest=digest(key=b"D1", value=b"{}"),
        last_digest=digest(key=b"D1", value=b"last"),
    )
    with pytest.raises(TopicRecreatedError, match=r"p-t:3 -> raw\.events"):
        await store(warehouse, TO_EVENTS, batch(*records, repeats=True), expected=expected)
    assert warehouse.tried == []


@pytest.mark.asyncio
async def test_unreadable_records_are_counted_and_an_empty_insert_is_not_made() -> None:
    warehouse = FakeWarehouse()
    metrics = await store(warehouse, TO_STATES, batch(FakeRecord(4, value=b"[]")))
    assert warehouse.tried == []
    assert metric(metrics, "hoso_sink_unreadable_records_total", topic="dossier-states") == 1
