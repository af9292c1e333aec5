"""Everything that was derived, beside an independent recount of the log: each difference as a line."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx

from schemas import topics
from schemas.tallies import FLOW
from tests.chaos.recount import Recount, recount
from tests.chaos.stand import Stand

DIFFERENCES_MAX = 20


async def differences(stand: Stand, acknowledged: set[str]) -> list[str]:
    """Log, counters, states, tables and acknowledgements must agree; the first of what does not."""
    records = [record async for record in _records(stand, topics.EVENTS)]
    log = sorted((record.partition, record.offset, json.loads(record.value)["id"]) for record in records)
    truth = recount((record.value for record in records), stand.settings.now())
    found: list[str] = []

    def same(what: str, expected: Any, got: Any) -> None:
        if expected != got:
            found.extend(f"{what}: {line}" for line in _lines(expected, got))

    same("acknowledged but not in the log", set(), acknowledged - {id_ for *_, id_ in log})
    flows, stock = await _tallies(stand)
    same("flow on unit-tallies", dict(truth.flows), flows)
    same("stock on unit-tallies", dict(truth.stock), stock)
    same("states topic", truth.dossiers, await _states(stand))
    same("unit-counters", _by_unit(truth), await _counters(stand))
    same("the monitor", _by_unit(truth), await _monitor(stand))
    same("raw.events", log, sorted(stand.ask("SELECT kpart, koffset, event_id FROM raw.events")))
    rows = stand.ask("SELECT dossier_id, toString(status), toString(timeliness) FROM core.dossiers FINAL")
    same("core.dossiers", truth.dossiers, {row[0]: (row[1], row[2] or None) for row in rows})
    same("mart.unit_daily", dict(truth.flows), _daily(stand))
    return found[:DIFFERENCES_MAX]


def _lines(expected: Any, got: Any) -> Iterator[str]:
    if isinstance(expected, dict):
        for key in sorted(expected.keys() | got.keys(), key=str):
            if expected.get(key) != got.get(key):
                yield f"{key} is {got.get(key)}, the log says {expected.get(key)}"
    else:
        lost = Counter(expected) - Counter(got)
        more = Counter(got) - Counter(expected)
        yield from (f"missing {item}" for item in lost)
        yield from (f"too many {item}" for item in more)


async def _records(stand: Stand, topic: topics.Topic) -> Any:
    partitions = 1 if topic.partitions == 1 else stand.settings.partitions
    for partition in range(partitions):
        async for records in stand.log.read_to_end(stand.settings.topics[topic], partition):
            for record in records:
                yield record


async def _latest(stand: Stand, topic: topics.Topic) -> dict[str, Any]:
    return {record.key.decode(): json.loads(record.value) async for record in _records(stand, topic)}


async def _tallies(stand: Stand) -> tuple[dict[Any, int], dict[Any, int]]:
    flows: Counter[Any] = Counter()
    stock: Counter[Any] = Counter()
    for key, tally in (await _latest(stand, topics.TALLIES)).items():
        for counter, count in ({} if key.startswith("/") else tally["counts"]).items():
            if "day" in tally:
                flows[tally["unit_id"], tally["day"], counter] += count
            else:
                stock[tally["unit_id"], counter] += count
    return dict(flows), dict(stock)


async def _states(stand: Stand) -> dict[str, Any]:
    latest = await _latest(stand, topics.STATES)
    return {key: (state["status"], state.get("timeliness")) for key, state in latest.items()}


async def _counters(stand: Stand) -> dict[Any, int]:
    latest = await _latest(stand, topics.COUNTERS)
    return {(unit, name): count for unit, counters in latest.items() for name, count in counters["total"].items()}


async def _monitor(stand: Stand) -> dict[Any, int]:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = (await client.get(f"http://{stand.settings.host}:{stand.settings.monitor_port}/v1/units")).json()
    return {
        (unit["id"], name): count
        for unit in answer["units"]
        if unit["total"] is not None and unit["parent_id"] is not None
        for name, count in unit["total"]["flow"].items()
        if count
    }


def _by_unit(truth: Recount) -> dict[Any, int]:
    total: Counter[Any] = Counter()
    for (unit, _, counter), count in truth.flows.items():
        total[unit, counter] += count
    return dict(total)


def _daily(stand: Stand) -> dict[Any, int]:
    rows = stand.ask(f"SELECT unit_id, day, {', '.join(FLOW)} FROM mart.unit_daily")
    return {
        (row[0], row[1].isoformat(), counter): count
        for row in rows
        for counter, count in zip(FLOW, row[2:], strict=True)
        if count
    }
