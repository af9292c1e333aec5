"""The demo's steps: send the year through the gateway, wait until everything has arrived, compare.

Waiting is for conditions: the monitor says that no event is uncounted, and the figures of ClickHouse stop moving.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Final

import httpx
from clickhouse_connect.driver.client import Client

from schemas.codec import Event, encode
from schemas.errors import Unavailable
from services.demo.figures import Figure, figures, live_groups, sql_groups
from services.demo.year import READINGS

BODY_EVENTS: Final = 5_000
ANSWER_S_MAX: Final = 120.0
SETTLE_S_MAX: Final = 180.0  # without any progress
POLL_S: Final = 0.5


async def send_year(events: Sequence[Event], *, address: str, key: str, sent: Callable[[int], None]) -> Counter[str]:
    """Post the events in NDJSON bodies, in order; returns how many were accepted, duplicate or refused."""
    answers: Counter[str] = Counter()
    headers = {"authorization": f"Bearer {key}", "content-type": "application/x-ndjson"}
    async with httpx.AsyncClient(headers=headers, timeout=ANSWER_S_MAX, trust_env=False) as client:
        for start in range(0, len(events), BODY_EVENTS):
            run = events[start : start + BODY_EVENTS]
            answer = await client.post(address, content=b"\n".join(map(encode, run)))
            if answer.status_code not in (202, 207):
                raise Unavailable(f"the gateway answered {answer.status_code} at {address}: {answer.text[:300]}")
            answers.update(item["status"] for item in answer.json()["items"])
            sent(len(run))
    return answers


async def compare(*, monitor: str, client: Client, waiting: Callable[[str], None]) -> list[Figure]:
    """The figures once nothing is on its way any more, or once nothing has moved for `SETTLE_S_MAX`."""
    seen, moved_at = None, monotonic()
    async with httpx.AsyncClient(timeout=ANSWER_S_MAX, trust_env=False) as http:
        while True:
            freshness = (await http.get(f"{monitor}/v1/units")).raise_for_status().json()["freshness"]
            groups = {}
            for reading, (first, last) in READINGS.items():
                groups[f"live {reading}"] = await live_groups(http, monitor, first=first, last=last)
                groups[f"sql {reading}"] = await asyncio.to_thread(sql_groups, client, first=first, last=last)
            found = figures(groups)
            is_counted = freshness["state"] == "live" and freshness["lag_events"] == 0
            if is_counted and all(figure.equal for figure in found):
                return found
            if (groups, freshness["lag_events"]) != seen:
                seen, moved_at = (groups, freshness["lag_events"]), monotonic()
            elif monotonic() - moved_at > SETTLE_S_MAX or (is_counted and monotonic() - moved_at > SETTLE_S_MAX / 10):
                return found
            resolved = sum(group["resolved"] for group in groups["sql 2021"])
            waiting(f"{freshness['lag_events']} events to count; in SQL {resolved:,} dossiers resolved")
            await asyncio.sleep(POLL_S)
