"""Payloads of the national portal at the gateway: read, told as events, and taken like any others.

Promises: of a payload only events and notes go on from here; an event whose id is in the log already is a duplicate,
also when a later snapshot would now say it differently: what has moved is the promise, which has an event of its own.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from schemas.codec import encode
from schemas.errors import ContractError, Reason
from schemas.events import Kind
from services.gateway.answers import DUPLICATE, Error, Item, errors_of
from services.gateway.intake import Intake
from services.gateway.repeats import Window
from services.gateway.sources import Sender
from services.portal.fields import OFFICE
from services.portal.payloads import SYNC, Body, Letter, Snapshot, Step, read
from services.portal.snapshots import tell_snapshot
from services.portal.source import agency_of
from services.portal.steps import BACK_TO_WORK, tell_step
from services.portal.told import Note, Told, event_id

PAYLOADS_PER_TURN: Final = 50  # ~5 ms of reading before other requests have a turn
DOSSIERS_MAX: Final = 200_000  # remembered, at ~250 bytes each: 50 MB
SOURCE_SUFFIX: Final = "/portal"  # so that these ids never meet those that the source gives its own events

NOTED: Final = "noted"


class EventItem(Item, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """The answer for one event of a payload."""

    kind: Kind
    id: str


class PayloadItem(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """The answer for one payload: that of its events, the worst of them first; `noted` when it told nothing.

    `refused` without events: the payload itself cannot be read, `errors` say why.
    """

    status: str
    notes: list[Note] = []
    reason: Reason | None = None
    errors: list[Error] = []
    events: list[EventItem] = []


class PortalAnswer(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The answer for a body: payloads by status, and one item per payload in the body's order."""

    total: int
    accepted: int
    duplicate: int
    noted: int
    refused: int
    failed: int
    items: list[PayloadItem]


class Remembered(NamedTuple):
    """What is remembered of a dossier: the promise last stated, and the latest thing that was told of it."""

    unit_id: str
    due_at: datetime | None
    kind: Kind | None
    at: datetime | None


@dataclass(slots=True)
class _Call:
    """One request: what it makes known stays here until the log has it."""

    sender: Sender
    letter: Letter
    seen_at: datetime
    known: dict[int, Remembered]

    @property
    def source(self) -> str:
        """The source of its events."""
        return self.sender.source + SOURCE_SUFFIX

    @property
    def agencies(self) -> tuple[str | None, ...]:
        """Whose payloads these are, as the letter says."""
        return (self.letter.agency, self.letter.agency_formerly)


class Portal:
    """Takes payloads from a known sender to the log.

    It remembers the last dossiers, to tell a moved promise from a first one and the end of a wait from a beginning.
    Best effort, like the window: what is forgotten is told as if it were new, and the fold absorbs the repeat.
    """

    def __init__(self, *, intake: Intake, now: Callable[[], datetime], dossiers_max: int = DOSSIERS_MAX) -> None:
        self._intake = intake
        self._now = now
        self._dossiers: Window[Remembered] = Window(dossiers_max)

    async def take(self, service: str, body: Body, sender: Sender) -> list[PayloadItem]:
        """Tell and store every payload, and return an item for each; `Unavailable` as from `Intake.take`."""
        call = _Call(sender, body.letter, self._now().astimezone(OFFICE).replace(microsecond=0), {})
        tell = self._snapshot if service == SYNC else self._step
        told: list[Told | ContractError] = []
        for place, payload in enumerate(body.payloads):
            if place and place % PAYLOADS_PER_TURN == 0:
                await asyncio.sleep(0)
            try:
                told.append(tell(payload, call))
            except ContractError as error:
                told.append(error)
        events = [event for each in told if isinstance(each, Told) for event in each.events]
        items = iter(await self._intake.take([encode(event) for event in events], sender))
        answers: list[PayloadItem] = []
        for each in told:
            if isinstance(each, ContractError):
                answers.append(PayloadItem(status="refused", reason=each.reason, errors=errors_of(each.flaws)))
                continue
            answer = _answer(each, [next(items) for _ in each.events])
            if answer.status in ("failed", "refused"):
                call.known.pop(self._key(call, each.dossier_id), None)
            answers.append(answer)
        self._dossiers.remember(call.known)
        return answers

    def _snapshot(self, payload: object, call: _Call) -> Told:
        snapshot = read(Snapshot, payload)
        reading = call.sender.portal
        unit_id = reading.unit((snapshot.agency, *call.agencies, agency_of(snapshot.dossier_id), _only(call.sender)))
        told = tell_snapshot(snapshot, reading, unit_id=unit_id, source=call.source)
        known = self._known(call, told.dossier_id)
        is_updating = call.letter.is_updating if snapshot.is_updating is None else snapshot.is_updating
        is_known = known is not None or any(self._intake.remembers(event) is not None for event in told.events)
        if is_updating is not None and is_updating is not is_known:
            told.note(Note.NOT_KNOWN_HERE if is_updating else Note.ALREADY_KNOWN)
        if told.due_at is not None and self._has_moved(told, known, is_updating=bool(is_updating)):
            assert told.opening is not None
            noticed_at = call.seen_at if told.end_at is None else min(call.seen_at, told.end_at)
            told.correct(told.due_at, max(noticed_at, told.opening.time))
        self._remember(call, told, known)
        return told

    def _has_moved(self, told: Told, known: Remembered | None, *, is_updating: bool) -> bool:
        """Whether the promise that a snapshot states is neither the one last stated nor news of its own events."""
        opening = told.opening
        if opening is None or opening.data.kind is not Kind.ACCEPTED:
            return False
        stated = None if known is None else known.due_at
        if told.due_at != told.due_told:
            return told.due_at != stated
        news = (event for event in told.events if event is not opening and self._intake.remembers(event) is None)
        if any(event.data.due_at == told.due_at for event in news):
            return False
        if stated is not None:
            return told.due_at != stated
        remembered = self._intake.remembers(opening)
        # An update of a dossier that was forgotten here: its acceptance may be in the log with another promise.
        return is_updating if remembered is None else not remembered

    def _step(self, payload: object, call: _Call) -> Told:
        step = read(Step, payload)
        known = self._known(call, step.dossier_id)
        reading = call.sender.portal
        unit_id = (
            known.unit_id if known else reading.unit((*call.agencies, agency_of(step.dossier_id), _only(call.sender)))
        )
        before = known.kind if known and known.at and step.at and known.at < step.at else None
        told = tell_step(step, reading, unit_id=unit_id, source=call.source, before=before)
        if told.events and told.events[0].data.kind in BACK_TO_WORK:
            at = told.events[0].time
            for kind in BACK_TO_WORK:  # sent again, it is what it was
                if self._intake.remembers_id(call.source, event_id(told.dossier_id, kind, at), told.dossier_id):
                    told.events.clear()
                    told.tell(kind, at)
                    break
        self._remember(call, told, known)
        return told

    def _known(self, call: _Call, dossier_id: str) -> Remembered | None:
        key = self._key(call, dossier_id)
        return call.known.get(key) or self._dossiers.get(key)

    def _remember(self, call: _Call, told: Told, known: Remembered | None) -> None:
        kind, at = (known.kind, known.at) if known else (None, None)
        for event in told.events:
            if event.data.kind is not Kind.DUE_CHANGED and (at is None or event.time >= at):
                kind, at = event.data.kind, event.time
        due_at = told.due_at or (known.due_at if known else None)
        call.known[self._key(call, told.dossier_id)] = Remembered(told.unit_id, due_at, kind, at)

    @staticmethod
    def _key(call: _Call, dossier_id: str) -> int:
        return hash((call.source, dossier_id))


def _only(sender: Sender) -> str | None:
    """The unit of a key that has one."""
    return next(iter(sender.units)) if sender.units is not None and len(sender.units) == 1 else None


def _answer(told: Told, items: Sequence[Item]) -> PayloadItem:
    events: list[EventItem] = []
    for event, answer in zip(told.events, items, strict=True):
        item = DUPLICATE if answer.reason is Reason.ID_REUSED else answer
        events.append(EventItem(kind=event.data.kind, id=event.id, **msgspec.structs.asdict(item)))
    found = {item.status for item in events}
    worst = next((status for status in ("failed", "refused", "accepted", "duplicate") if status in found), NOTED)
    refused = next((item for item in events if item.status == "refused"), None)
    return PayloadItem(
        status=worst,
        notes=told.notes,
        reason=refused.reason if refused else None,
        errors=refused.errors if refused else [],
        events=events,
    )


def portal_answer(items: list[PayloadItem]) -> PortalAnswer:
    """Items with their counts."""
    counts = Counter(item.status for item in items)
    return PortalAnswer(
        total=len(items),
        accepted=counts["accepted"],
        duplicate=counts["duplicate"],
        noted=counts[NOTED],
        refused=counts["refused"],
        failed=counts["failed"],
        items=items,
    )
