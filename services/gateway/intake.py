"""Judges events and stores the good ones: the gateway without HTTP and without Kafka.

Promises: an item says `accepted` only after the log acknowledged it; one bad event never costs its neighbours; events
of one dossier are stored in the order in which they came.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from schemas.codec import Event, decode
from schemas.errors import ContractError, Flaw, Reason
from services.gateway.answers import DUPLICATE, FAILED, Item, accepted, refused
from services.gateway.log import EventLog, Record
from services.gateway.repeats import Window, fingerprint, identity_of
from services.gateway.sources import Sender

EVENTS_PER_TURN: Final = 500  # ~4 ms of judging before other requests have a turn

SOURCE_NOT_YOURS: Final = Flaw("/source", Reason.SOURCE_NOT_YOURS, "expected the key's own source, or one below it")
UNIT_NOT_YOURS: Final = Flaw("/data/unit_id", Reason.UNIT_NOT_YOURS, "expected a unit that the key may speak for")
UNKNOWN_UNIT: Final = Flaw("/data/unit_id", Reason.UNKNOWN_UNIT, "expected a unit of the topic `units`")
UNKNOWN_TARGET: Final = Flaw("/data/to_unit_id", Reason.UNKNOWN_UNIT, "expected a unit of the topic `units`")
UNKNOWN_POLICY: Final = Flaw("/data/policy_id", Reason.UNKNOWN_POLICY, "expected a policy of the topic `policies`")
NOT_YET_KNOWN: Final = (UNKNOWN_UNIT.reason, UNKNOWN_POLICY.reason)
ID_REUSED: Final = Flaw("/id", Reason.ID_REUSED, "expected a new id: this one was taken with other content")


class Known(Protocol):
    """Ids that events may name; `catch_up` returns once everything written before the call is known."""

    def __contains__(self, id_: object, /) -> bool: ...

    async def catch_up(self) -> None:
        """Read to the end; `Unavailable` when that cannot be done now."""


class Intake:
    """Takes events from a known sender to the log."""

    def __init__(self, *, log: EventLog, units: Known, policies: Known, window: Window[int]) -> None:
        self._log = log
        self._units = units
        self._policies = policies
        self._window = window

    def remembers(self, event: Event) -> bool | None:
        """Whether the log has this very event; False: another one under its id; None: no memory of the id."""
        identity, content = fingerprint(event)
        found = self._window.get(identity)
        return None if found is None else found == content

    def remembers_id(self, source: str, event_id: str, dossier_id: str) -> bool:
        """Whether the log has an event of this identity, as far as is remembered."""
        return self._window.get(identity_of(source, event_id, dossier_id)) is not None

    async def take(self, values: Sequence[bytes], sender: Sender) -> list[Item]:
        """Judge every event, store the good ones, and return an item for each.

        `Unavailable`: nothing was stored, because what is needed to judge could not be read.
        """
        items: list[Item] = [FAILED] * len(values)  # until the log says otherwise
        records: list[Record] = []
        places: list[int] = []  # of each record in `values`
        written: dict[int, int] = {}  # identity to content of each record
        echoes: list[tuple[int, int]] = []  # repeats of what this very call writes: (place, identity)
        caught_up = False
        for place, value in enumerate(values):
            if place and place % EVENTS_PER_TURN == 0:
                await asyncio.sleep(0)
            try:
                event = decode(value)
            except ContractError as error:
                items[place] = refused(error.flaws)
                continue
            flaws = self._judge(event, sender)
            if not caught_up and any(flaw.reason in NOT_YET_KNOWN for flaw in flaws):
                # What events name is written before them: it may be in its topic and not yet here.
                await self._units.catch_up()
                await self._policies.catch_up()
                caught_up = True
                flaws = self._judge(event, sender)
            if flaws:
                items[place] = refused(flaws)
                continue
            identity, content = fingerprint(event)
            remembered = self._window.get(identity)
            earlier = written.get(identity) if remembered is None else remembered
            if earlier is None:
                written[identity] = content
                records.append((event.subject.encode(), value))
                places.append(place)
            elif earlier != content:
                items[place] = refused([ID_REUSED])
            elif remembered is None:
                echoes.append((place, identity))
            else:
                items[place] = DUPLICATE
        if not records:
            return items
        stored = await self._log.append(records)
        lost: set[int] = set()
        for place, identity, address in zip(places, written, stored, strict=True):
            if address is None:
                lost.add(identity)
            else:
                items[place] = accepted(*address)
        for identity in lost:
            del written[identity]
        self._window.remember(written)
        for place, identity in echoes:
            items[place] = FAILED if identity in lost else DUPLICATE
        return items

    def _judge(self, event: Event, sender: Sender) -> list[Flaw]:
        """What the decoder cannot know: whose event it is, and whether what it names exists."""
        flaws: list[Flaw] = []
        data = event.data
        if not sender.owns(event.source):
            flaws.append(SOURCE_NOT_YOURS)
        if not sender.speaks_for(data.unit_id):
            flaws.append(UNIT_NOT_YOURS)
        elif data.unit_id not in self._units:
            flaws.append(UNKNOWN_UNIT)
        if data.to_unit_id is not None and data.to_unit_id not in self._units:
            flaws.append(UNKNOWN_TARGET)
        if data.policy_id is not None and data.policy_id not in self._policies:
            flaws.append(UNKNOWN_POLICY)
        return flaws
