"""Questions that are metrics: what is answered is shown, what fails is counted, and inserts hear nothing of it."""

import asyncio
from typing import Any, cast

from prometheus_client import CollectorRegistry

from schemas.errors import Unavailable
from services.sink.clickhouse import Warehouse
from services.sink.watch import WATCHES, Watch, Watcher

GAPS = Watch(name="gaps", help="Gaps.", labels=("agency",), sql="SELECT gaps")
ORDERS = Watch(name="orders", help="Orders.", labels=("code", "unit"), sql="SELECT orders")


class FakeWarehouse:
    """Answers by the first words of a question."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.closed = 0
        self.asked: list[str] = []

    def query(self, sql: str) -> Any:
        self.asked.append(sql)
        answer = self.answers[" ".join(sql.split()[:2])]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        self.closed += 1


def watcher_over(fake: FakeWarehouse) -> tuple[Watcher, CollectorRegistry]:
    registry = CollectorRegistry()
    return Watcher(lambda: cast("Warehouse", fake), registry=registry, watches=(GAPS, ORDERS)), registry


def test_answers_become_series_and_go_when_they_are_no_longer_given() -> None:
    fake = FakeWarehouse({"SELECT gaps": [("H49", 3)], "SELECT orders": [("second_apology", "06808", 1)]})
    watcher, registry = watcher_over(fake)
    watcher.ask()
    assert registry.get_sample_value("gaps", {"agency": "H49"}) == 3
    assert registry.get_sample_value("orders", {"code": "second_apology", "unit": "06808"}) == 1
    fake.answers["SELECT gaps"] = []
    watcher.ask()
    assert registry.get_sample_value("gaps", {"agency": "H49"}) is None
    assert fake.closed == 2
    assert all("max_execution_time" in sql for sql in fake.asked)


def test_a_question_that_fails_is_counted_and_the_others_are_asked() -> None:
    fake = FakeWarehouse({"SELECT gaps": [("H49", 3)], "SELECT orders": []})
    watcher, registry = watcher_over(fake)
    watcher.ask()
    fake.answers = {"SELECT gaps": Unavailable("away"), "SELECT orders": [("code_reused", "06808", 2)]}
    watcher.ask()
    assert registry.get_sample_value("gaps", {"agency": "H49"}) == 3  # the last that is known
    assert registry.get_sample_value("orders", {"code": "code_reused", "unit": "06808"}) == 2
    assert registry.get_sample_value("hoso_watch_errors_total", {"watch": "gaps"}) == 1


def test_a_clickhouse_that_is_away_is_counted() -> None:
    def away() -> Warehouse:
        raise Unavailable("nobody there")

    registry = CollectorRegistry()
    Watcher(away, registry=registry, watches=(GAPS,)).ask()
    assert registry.get_sample_value("hoso_watch_errors_total", {"watch": "gaps"}) == 1


def test_it_asks_again_until_told_to_stop() -> None:
    async def scene() -> None:
        stop = asyncio.Event()

        class Stopping(FakeWarehouse):
            def close(self) -> None:
                super().close()
                if self.closed == 3:
                    loop.call_soon_threadsafe(stop.set)

        loop = asyncio.get_running_loop()
        fake = Stopping({"SELECT gaps": [], "SELECT orders": []})
        watcher, _ = watcher_over(fake)
        await asyncio.wait_for(watcher.run(stop=stop, every_s=0), 5)
        assert fake.closed == 3

    asyncio.run(scene())


def test_names_are_ours_and_each_is_there_once() -> None:
    assert len({watch.name for watch in WATCHES}) == len(WATCHES)
    assert all(watch.name.startswith("hoso_") for watch in WATCHES)
