"""The audit from beginning to end: read, fold, compare. It changes nothing, and may run beside live traffic.

The counters are judged at a cut: the last heartbeat of each partition that was read. Shares that are newer than the
cut are left out, states that are newer are judged by their own last event.
"""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
from aiokafka.errors import KafkaError

from schemas import tables, topics
from schemas.errors import Unavailable
from schemas.settings import Settings
from schemas.tallies import Progress
from services.audit import compare
from services.audit.findings import Difference, Findings
from services.audit.log import Log, moved_units
from services.audit.spill import Spill
from services.audit.tables import Tables
from services.sink.clickhouse import Warehouse

POLL_S: Final = 0.2
Step = Callable[[str, int | None, int], None]  # what is being done; how many in all, when known; how many more are done


class Audit(msgspec.Struct, kw_only=True):
    """What one run compared and what it found."""

    equal: bool
    partitions: dict[int, dict[str, int]]  # by partition of the events: the cut
    compared: dict[str, int]  # by place
    differing: dict[str, int]  # by place
    differences: list[Difference]  # the first of each place
    notes: list[str]


async def audit(
    settings: Settings,
    *,
    warehouse: Warehouse | None,
    monitor: str | None,
    wait_s: float,
    shown: int,
    step: Step = lambda _what, _total, _done: None,
) -> Audit:
    """Compare everything. None leaves tables or monitor out. `Unavailable` when the broker or ClickHouse is down.

    `wait_s`: how long counters and tables may take to reach the end of the log that stood at the beginning.
    """
    findings = Findings(shown)
    with tempfile.TemporaryDirectory(prefix="hoso-audit-") as folder:
        spill = Spill(Path(folder) / "log.sqlite")
        try:
            async with Log.open(settings, spill, lambda count: step("reading", None, count)) as log:
                run = _Run(settings, log, spill, findings, wait_s, step)
                await run.read(warehouse)
                await run.judge(warehouse, monitor)
                return run.result()
        except KafkaError as error:
            todo = "check HOSO_KAFKA" if settings.kafka else "start one with `hoso up`, or set HOSO_KAFKA"
            raise Unavailable(f"no Kafka broker answers at {settings.bootstrap}: {todo}") from error
        finally:
            spill.close()


class _Run:
    """One audit on its way."""

    def __init__(
        self, settings: Settings, log: Log, spill: Spill, findings: Findings, wait_s: float, step: Step
    ) -> None:
        self._settings, self._log, self._spill, self._findings = settings, log, spill, findings
        self._wait_s, self._step = wait_s, step
        self._cuts: dict[int, Progress] = {}
        self._resting: set[int] = set()
        self._places = {compare.STATES}

    async def read(self, warehouse: Warehouse | None) -> None:
        """Everything up to where the log ended, and what was derived from it."""
        log, spill = self._log, self._spill
        await log.spill_events()
        ends = {tp.partition: log.last.get(tp, -1) + 1 for tp in log.partitions(topics.EVENTS)}
        await log.spill_tallies()
        await self._until("counters have reached the log's end", lambda: self._counted(ends))
        self._cuts = {
            partition: log.progress[partition][0] if partition in log.progress else _nothing(partition)
            for partition in ends
        }
        seen = dict(log.progress)
        await self._until("the next heartbeat", lambda: self._beaten(seen), report=False)
        self._resting = (
            {partition for partition, cut in self._cuts.items() if log.progress[partition][0].offset == cut.offset}
            if self._cuts.keys() <= log.progress.keys()
            else set()
        )
        await log.spill_events()
        await log.spill_states()
        await log.spill_letters()
        spill.index()
        for partition, cut in self._cuts.items():
            if cut.offset < ends[partition]:
                self._behind(compare.TALLIES, partition, ends[partition], cut.offset)
        if warehouse is not None:
            await self._read_tables(Tables(warehouse, spill, self._findings))

    async def judge(self, warehouse: Warehouse | None, monitor: str | None) -> None:
        """Fold the log and compare."""
        spill, findings, log = self._spill, self._findings, self._log
        rules, truth = await log.rules(), compare.Truth()
        for partition, cut in self._cuts.items():
            ((count,),) = spill.ask("SELECT count(DISTINCT dossier) FROM records WHERE partition = ?", partition)
            what = f"folding partition {partition}"
            self._step(what, count, 0)
            for done in compare.fold_partition(spill, partition, cut, rules, truth, findings, self._places):
                self._step(what, count, done)
        compare.foreign_claims(spill, findings)
        compare.compare_letters(spill, findings, self._cuts)
        compare.compare_shares(spill, truth, findings, self._cuts, resting=self._resting)
        moved = moved_units(spill, {partition: (cut.offset, cut.as_of) for partition, cut in self._cuts.items()})
        known: dict[str, tuple[int, int, dict[str, Any]]] = {}

        async def totals() -> list[Difference]:
            await log.counters(known)
            return list(compare.compare_totals(known, truth, moved))

        await self._settled(totals)
        findings.compared[compare.COUNTERS] += len(known)
        if warehouse is not None:
            held = Tables(warehouse, spill, findings)
            compare.compare_stored_shares(spill, held.shares(), findings)
            compare.compare_daily(held.daily(), truth, findings, moved)
        if monitor is not None:
            await self._monitor(monitor, truth, moved)
        if moved:
            findings.notes.append(f"{len(moved)} units moved on while this was read; their totals were not judged")

    def result(self) -> Audit:
        """What came of it."""
        findings = self._findings
        return Audit(
            equal=not findings.total,
            partitions={p: {"offset": cut.offset, "as_of": cut.as_of} for p, cut in self._cuts.items()},
            compared=dict(findings.compared),
            differing=dict(findings.total),
            differences=findings.differences,
            notes=findings.notes,
        )

    async def _read_tables(self, held: Tables) -> None:
        wanted = {
            table: {tp.partition: self._log.last[tp] for tp in self._log.partitions(topic) if tp in self._log.last}
            for table, topic in (
                (tables.RAW_EVENTS, topics.EVENTS),
                (tables.CORE_DOSSIERS, topics.STATES),
                (tables.CORE_TALLIES, topics.TALLIES),
            )
        }

        async def stored() -> bool:
            return all(
                marks.get(partition, -1) >= last
                for table, lasts in wanted.items()
                if (marks := held.marks(table)) is not None
                for partition, last in lasts.items()
            )

        await self._until("ClickHouse has every record", stored)
        for table, lasts in wanted.items():
            marks = held.marks(table)
            for partition, last in lasts.items():
                if marks.get(partition, -1) < last:
                    self._behind(table, partition, last, marks.get(partition, -1))
        for tp in self._log.partitions(topics.EVENTS):
            end = self._log.last.get(tp, -1) + 1
            what = f"comparing raw.events of partition {tp.partition}"
            for count in held.compare_raw(tp.partition, end):
                self._step(what, None, count)
            held.compare_facts(tp.partition, end)
        held.spill_claims()
        self._spill.index()
        self._places |= {tables.CORE_DOSSIERS, tables.MART_DOSSIERS}

    async def _monitor(self, address: str, truth: compare.Truth, moved: Counter[str]) -> None:
        served: list[dict[str, Any]] = []

        async def differing() -> list[Difference]:
            async with httpx.AsyncClient(trust_env=False) as client:
                served[:] = (await client.get(f"{address}/v1/units")).raise_for_status().json()["units"]
            return list(compare.compare_monitor(served, truth, moved))

        try:
            await self._settled(differing)
        except httpx.HTTPError:
            self._findings.notes.append(f"no monitor answers at {address}: its counters were not compared")
        self._findings.compared["monitor"] += len(served)

    async def _counted(self, ends: dict[int, int]) -> bool:
        await self._log.spill_tallies()
        progress = self._log.progress
        return all(partition in progress and progress[partition][0].offset >= end for partition, end in ends.items())

    async def _beaten(self, seen: dict[int, tuple[Progress, int]]) -> bool:
        await self._log.spill_tallies()
        return all(self._log.progress[partition][1] > offset for partition, (_, offset) in seen.items())

    async def _settled(self, differing: Callable[[], Awaitable[list[Difference]]]) -> None:
        """What is published with the next tick may follow a moment later: only what stays is a difference."""
        found: list[Difference] = []

        async def none() -> bool:
            found[:] = await differing()
            return not found

        await self._until("", none, limit_s=self._settings.tick_s * 3, report=False)
        for difference in found:
            self._findings.add(difference)

    async def _until(
        self, what: str, reached: Callable[[], Awaitable[bool]], *, limit_s: float | None = None, report: bool = True
    ) -> None:
        """Wait for something, within limits."""
        loop = asyncio.get_running_loop()
        limit = min(self._wait_s, self._settings.tick_s * 3) if limit_s is None and not report else limit_s
        until = loop.time() + (self._wait_s if limit is None else min(limit, self._wait_s))
        while not await reached():
            if loop.time() >= until:
                if report:
                    self._findings.notes.append(f"waited {self._wait_s:.0f} s in vain until {what}")
                return
            if report:
                self._step(f"waiting until {what}", None, 0)
            await asyncio.sleep(POLL_S)

    def _behind(self, place: str, partition: int, expected: int, found: int) -> None:
        self._findings.add(
            Difference(
                place=place,
                what="behind",
                subject=f"partition {partition}",
                partition=partition,
                offset=found,
                expected=expected,
                found=found,
            )
        )


def _nothing(partition: int) -> Progress:
    """Of a partition that nobody has counted yet."""
    return Progress(partition=partition, offset=0, as_of=0, dossiers=0, anomalies=0, parked=0)
