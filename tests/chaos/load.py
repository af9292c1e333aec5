"""Load for the kill rounds: a shuffled stream with repeats, through the gateway, remembering what got a 2xx."""

import asyncio
from dataclasses import dataclass, field
from random import Random

import httpx

from schemas.codec import Event, encode
from services.demo.year import CENTRE, COMMUNES, Plan, events

REPEATS = 0.05
BODY_EVENTS = 100
PAUSE_S = 0.05  # between bodies: the pace of the load, about 1,500 events a second
RETRY_S = 0.2


def shuffled_year(random: Random, *, dossiers: int) -> list[Event]:
    """A small synthetic year, in any order, with one event in twenty sent twice, some of them much later."""
    plan = Plan(
        units=(CENTRE, *COMMUNES),
        carried_over=dossiers // 20,
        early=dossiers * 7 // 10,
        on_time=dossiers // 10,
        open=dossiers // 5,
    )
    year = events((plan,), seed=random.randrange(2**32))
    stream = year + random.choices(year, k=round(len(year) * REPEATS))
    random.shuffle(stream)
    return stream


@dataclass
class Load:
    """Sends until everything got a 2xx. `acknowledged` grows while it does; `grew` tells whoever waits."""

    address: str
    key: str
    acknowledged: set[str] = field(default_factory=set)
    bodies: int = 0
    grew: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def send(self, stream: list[Event]) -> None:
        """A body that got no answer is sent again: repeats are harmless."""
        headers = {"authorization": f"Bearer {self.key}", "content-type": "application/x-ndjson"}
        async with httpx.AsyncClient(headers=headers, timeout=60, trust_env=False) as client:
            for start in range(0, len(stream), BODY_EVENTS):
                body = stream[start : start + BODY_EVENTS]
                while not await self._post(client, body):  # noqa: ASYNC110 - a sender's pace, not a condition
                    await asyncio.sleep(RETRY_S)
                await asyncio.sleep(PAUSE_S)
                async with self.grew:
                    self.bodies += 1
                    self.grew.notify_all()

    async def reached(self, bodies: int) -> None:
        """Wait until so many bodies are through."""
        async with self.grew:
            await self.grew.wait_for(lambda: self.bodies >= bodies)

    async def _post(self, client: httpx.AsyncClient, body: list[Event]) -> bool:
        try:
            answer = await client.post(self.address, content=b"\n".join(map(encode, body)))
        except httpx.TransportError:
            return False
        if answer.status_code == 503:
            return False
        assert answer.status_code in (202, 207), answer.text
        items = answer.json()["items"]
        self.acknowledged |= {
            event.id for event, item in zip(body, items, strict=True) if item["status"] in ("accepted", "duplicate")
        }
        return all(item["status"] in ("accepted", "duplicate") for item in items)
