"""The demo's steps: send the year through the gateway, wait until everything has arrived, compare.

Waiting is for conditions: the monitor says that no event is uncounted, and the figures stop moving.
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
from services.demo.figures import Figure, figures, form_groups, live_groups, sql_groups
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


async def compare(
    *, monitor: str, reports: str, client: Client, waiting: Callable[[str], None]
) -> dict[str, list[Figure]]:
    """The figures by reading of the year, once nothing is on its way any more, or has not moved for `SETTLE_S_MAX`."""
    seen, moved_at = None, monotonic()
    async with httpx.AsyncClient(timeout=ANSWER_S_MAX, trust_env=False) as http:
        while True:
            freshness = (await http.get(f"{monitor}/v1/units")).raise_for_status().json()["freshness"]
            found, groups = {}, []
            for reading, (first, last) in READINGS.items():
                by_source = {
                    "live": await live_groups(http, monitor, first=first, last=last),
                    "form": await form_groups(http, reports, first=first, last=last),
                    "sql": await asyncio.to_thread(sql_groups, client, first=first, last=last),
                }
                found[reading] = figures(by_source)
                groups.append(by_source)
            is_counted = freshness["state"] == "live" and freshness["lag_events"] == 0
            if is_counted and all(figure.equal for of_year in found.values() for figure in of_year):
                return found
            if (groups, freshness["lag_events"]) != seen:
                seen, moved_at = (groups, freshness["lag_events"]), monotonic()
            elif monotonic() - moved_at > SETTLE_S_MAX or (is_counted and monotonic() - moved_at > SETTLE_S_MAX / 10):
                return found
            resolved = groups[0]["sql"]["city"]["resolved"]
            waiting(f"{freshness['lag_events']} events to count; in SQL {resolved:,} dossiers resolved")
            await asyncio.sleep(POLL_S)
