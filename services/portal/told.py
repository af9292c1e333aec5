"""What a payload tells: events, and notes on what it could not tell."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Final

from schemas.codec import Event, new_event
from schemas.events import DueCause, Kind

ID_BYTES: Final = 12


class Note(StrEnum):
    """What a sender should know about a payload that was taken; none of them refuses anything."""

    NO_TIME = "no_time"  # a status without its date: send the step with CapNhatTienDoHoSoMC
    UNDATED = "undated"  # accepted without a promise
    OUTCOME_ASSUMED = "outcome_assumed"  # finished, and nothing says with what: taken as granted
    OUTCOME_UNKNOWN = "outcome_unknown"  # a kind of result that nobody mapped: taken as granted
    TOLD_BY_SYNC = "told_by_sync"  # a step that only the dossier's own payload tells wholly
    ALREADY_KNOWN = "already_known"  # isUpdating false, and the dossier is known
    NOT_KNOWN_HERE = "not_known_here"  # isUpdating true, and the gateway does not remember the dossier


@dataclass(slots=True)
class Told:
    """The events of one payload, in lifecycle order. Ids are made of what happened and when, so that a payload sent
    again, in any form of dates, tells the same events.
    """

    dossier_id: str
    unit_id: str
    source: str
    events: list[Event] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    opening: Event | None = None  # the acceptance, else the registration
    due_at: datetime | None = None  # the promise that the payload states
    due_told: datetime | None = None  # the promise that its events come to
    end_at: datetime | None = None

    def tell(self, kind: Kind, at: datetime | None, **data: Any) -> Event | None:
        """Add an event; a note when it has no date."""
        if at is None:
            self.note(Note.NO_TIME)
            return None
        event = self._event(kind, at, "", **data)
        self.events.append(event)
        return event

    def note(self, note: Note) -> None:
        """Add a note, once."""
        if note not in self.notes:
            self.notes.append(note)

    def correct(self, due_at: datetime, at: datetime) -> None:
        """Say that the promise was changed, and nothing in the payload says why."""
        due = str(int(due_at.timestamp()))
        self.events.append(self._event(Kind.DUE_CHANGED, at, due, due_at=due_at, cause=DueCause.CORRECTION))

    def _event(self, kind: Kind, at: datetime, more: str, **data: Any) -> Event:
        return new_event(
            kind,
            id=event_id(self.dossier_id, kind, at, more),
            source=self.source,
            subject=self.dossier_id,
            time=at,
            unit_id=self.unit_id,
            **data,
        )


def event_id(dossier_id: str, kind: Kind, at: datetime, more: str = "") -> str:
    """The id of what happened to a dossier at a moment."""
    said = "\0".join((dossier_id, kind, str(int(at.timestamp())), more))
    return f"{kind}-{blake2b(said.encode(), digest_size=ID_BYTES).hexdigest()}"
