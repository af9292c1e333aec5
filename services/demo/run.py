"""The demo's steps: send the year through the gateway, wait until everything has arrived, compare.

Waiting is for conditions: the monitor says that no event is uncounted, the tables have all that was counted, and the
figures stop moving.
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

# How far the tables have the events, and up to which event they have the counters.
OFFSETS_SQL: Final = "SELECT sum(last_offset + 1), sum(counted_offset) FROM mart.freshness"


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
            to_count = freshness["lag_events"]
            stored, counted = (await asyncio.to_thread(client.query, OFFSETS_SQL)).result_rows[0]
            found = None
            if freshness["state"] == "live" and to_count == 0 and stored == counted:
                # Not before: what these questions cost is taken from those who still count and store.
                found = await _figures(http, monitor=monitor, reports=reports, client=client)
                if all(figure.equal for of_year in found.values() for figure in of_year):
                    return found
            if (to_count, stored, counted, found) != seen:
                seen, moved_at = (to_count, stored, counted, found), monotonic()
            elif monotonic() - moved_at > (SETTLE_S_MAX / 10 if found else SETTLE_S_MAX):
                return found or await _figures(http, monitor=monitor, reports=reports, client=client)
            waiting(f"{to_count:,} events to count; {stored:,} events in SQL, counters there up to {counted:,}")
            await asyncio.sleep(POLL_S)


async def _figures(http: httpx.AsyncClient, *, monitor: str, reports: str, client: Client) -> dict[str, list[Figure]]:
    return {
        reading: figures(
            {
                "live": await live_groups(http, monitor, first=first, last=last),
                "form": await form_groups(http, reports, first=first, last=last),
                "sql": await asyncio.to_thread(sql_groups, client, first=first, last=last),
            }
        )
        for reading, (first, last) in READINGS.items()
    }
