"""A shard's cache on a real broker: what it spares, and what happens when it is deleted, torn, foreign or full."""

import asyncio
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import CapturingLogger

from schemas import topics
from schemas.events import Kind, Outcome
from streams import cache as cache_module
from streams import shards as shards_module
from streams import states as states_module
from streams.domain.working_time import DAY_US
from streams.kafka import Log
from streams.shards import Shards
from streams.slices import Record
from tests.factories import event
from tests.integration.shard_run import Stand, fresh, life

PORT = 1


class EndedError(Exception):
    """Instead of ending the test's own process."""


@pytest.fixture(autouse=True)
def _ending_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(message: str) -> None:
        raise EndedError(message)

    monkeypatch.setattr(shards_module, "end_unavailable", end)


def folder_of(stand: Stand) -> Path:
    return stand.settings.var / "worker" / str(PORT) / f"{stand.settings.topics[topics.STATES]}-0"


async def left(worker: Shards) -> None:
    """The worker's partition went to another, after a tick."""
    await worker.tick()
    await worker.revoke()
    worker.assign([])


@contextmanager
def read_back(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Record]]:
    """The records of the states topic that are read meanwhile."""
    found: list[Record] = []
    read_to_end = Log.read_to_end

    async def noting(self: Log, topic: str, partition: int, start: int = 0):
        async for records in read_to_end(self, topic, partition, start):
            if topic.endswith(topics.STATES.name):
                found.extend(records)
            yield records

    with monkeypatch.context() as patch:
        patch.setattr(Log, "read_to_end", noting)
        yield found


async def dossiers_of(worker: Shards) -> int:
    """How many dossiers an opened worker knows."""
    await worker.tick()
    (shard,) = worker
    return shard.ledger.dossiers


def test_a_worker_that_comes_back_reads_only_what_it_lacks_and_counts_all(broker, monkeypatch):
    async def run() -> None:
        async with fresh(broker.bootstrap) as stand:
            await stand.write(life(6))
            first, second, third = await stand.slices(3, 2, 1)
            worker, other = stand.worker(PORT), stand.worker()
            await worker.take(first)
            await left(worker)
            await other.take(second)
            await left(other)
            await stand.states(at_least=5)
            worker.assign([0])
            with read_back(monkeypatch) as read:
                assert await dossiers_of(worker) == 5
            # Its own last one too: that shows whether the topic is still the same.
            assert [record.key for record in read] == [b"d2", b"d3", b"d4"]
            await worker.take(third)
            await left(worker)
            await stand.states(at_least=6)
            assert await stand.received() == 6

    asyncio.run(run())


def test_a_dossier_that_only_the_disk_still_has_folds_on_and_folds_anew(broker, monkeypatch):
    monkeypatch.setattr(states_module, "GENERATION", 0)

    async def run() -> None:
        async with fresh(broker.bootstrap) as stand:
            closed = event(Kind.FINISHED, "2021-03-03 08:00", id="f", dossier="d0", outcome=Outcome.GRANTED)
            late = event(Kind.SUPPLEMENT_REQUESTED, "2021-03-02 08:00", id="s", dossier="d0")
            back = event(
                Kind.RETRACTED, "2021-03-05 08:00", dossier="d0", retracts_source=closed.source, retracts_id="f"
            )
            await stand.write([*life(4), closed], [late], [back])
            worker = stand.worker(PORT)
            for slice_ in await stand.slices(4, 1, 1, 1):
                await worker.take(slice_)
                for _ in range(3):  # all others leave memory
                    await worker.tick()
                    (shard,) = worker
                    await shard.settle()
                assert not shard.ledger.states.latest
            await worker.revoke()
            dossier = (await stand.states(at_least=4))["d0"]
            assert (dossier.status, dossier.paused_at is not None) == ("supplement_requested", True)
            assert (dossier.finished_at, dossier.offset) == (None, slice_.offset)

    asyncio.run(run())


def test_a_cache_that_is_deleted_torn_or_of_an_earlier_boot_costs_a_reading(broker, monkeypatch, tmp_path):
    def delete(folder: Path) -> None:
        shutil.rmtree(folder)

    def scribble(folder: Path) -> None:
        (folder / "data.mdb").write_bytes(b"no file of LMDB" * 1000)

    def cut(folder: Path) -> None:
        with (folder / "data.mdb").open("r+b") as file:
            file.truncate(file.seek(0, 2) // 2)

    def boot(folder: Path) -> None:
        (tmp_path / "boot").write_text("another")
        monkeypatch.setattr(cache_module, "_BOOT", tmp_path / "boot")

    async def run(damage: Callable[[Path], None]) -> None:
        async with fresh(broker.bootstrap) as stand:
            await stand.write(life(3))
            worker = stand.worker(PORT)
            await worker.take((await stand.slices(3))[0])
            await left(worker)
            await stand.states(at_least=3)
            damage(folder_of(stand))
            worker.assign([0])
            with read_back(monkeypatch) as read:
                assert await dossiers_of(worker) == 3
            assert len(read) == 3

    for damage in (delete, scribble, cut, boot):
        asyncio.run(run(damage))


@pytest.mark.parametrize("count", [1, 4, 6])
def test_a_cache_of_another_topic_is_not_believed(broker, monkeypatch, count):
    """As after a topic was deleted and made anew: it is shorter, as long or longer."""

    async def run() -> None:
        async with fresh(broker.bootstrap) as earlier, fresh(broker.bootstrap) as stand:
            for each, accepted in ((earlier, life(4)), (stand, life(count, prefix="other"))):
                await each.write(accepted)
                worker = each.worker(PORT)
                await worker.take((await each.slices(len(accepted)))[0])
                await left(worker)
                await each.states(at_least=len(accepted))
            shutil.rmtree(folder_of(stand))
            shutil.copytree(folder_of(earlier), folder_of(stand))
            worker.assign([0])
            assert await dossiers_of(worker) == count

    asyncio.run(run())


def test_a_worker_whose_clock_is_ahead_leaves_no_counter_there(broker):
    """It goes on where it was, but another counted in between, as of an earlier moment."""

    async def run() -> None:
        async with fresh(broker.bootstrap) as stand:
            dated = event(Kind.ACCEPTED, "2021-03-01 08:00", id="a", dossier="d0", due_at="2021-04-02 17:00")
            await stand.write([dated])
            ahead, right = stand.worker(PORT, ahead=7 * DAY_US), stand.worker()
            await ahead.take((await stand.slices(1))[0])
            await left(ahead)
            assert await stand.stock() == {"open_overdue": 1}
            await left(right)
            assert await stand.stock() == {"open_within_due": 1}
            ahead.assign([0])
            await left(ahead)
            assert await stand.stock() == {"open_overdue": 1}

    asyncio.run(run())


def test_a_folder_that_another_process_has_is_refused_with_the_setting_to_change(broker):
    async def run() -> None:
        async with fresh(broker.bootstrap) as stand:
            first, second = stand.worker(PORT), stand.worker(PORT)
            await first.tick()
            with pytest.raises(EndedError, match="HOSO_WORKER_PORT"):
                await second.tick()

    asyncio.run(run())


@contextmanager
def full_disk(beyond: int) -> Iterator[None]:
    """No file of this process may grow above so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (beyond, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_told_and_stops_no_counter(broker, monkeypatch):
    told = CapturingLogger()
    monkeypatch.setattr(shards_module, "log", told)

    async def run() -> None:
        async with fresh(broker.bootstrap) as stand:
            await stand.write(life(300), life(1, prefix="later"))
            first, second = await stand.slices(300, 1)
            worker = stand.worker(PORT)
            await worker.tick()
            with full_disk(beyond=(folder_of(stand) / "data.mdb").stat().st_size):
                while await stand.received() < 300 or "HOSO_VAR" not in str(told.calls):
                    await worker.take(first)  # again and again: the consumer goes back whenever the shard failed
                    await worker.tick()
            while await stand.received() < 301:
                await worker.take(second)
                await worker.tick()
            await left(worker)
            assert len(await stand.states(at_least=301)) == 301
            worker.assign([0])
            assert await dossiers_of(worker) == 301

    asyncio.run(run())
