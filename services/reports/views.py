"""The answers of the reports process, as OpenAPI shows them. Moments carry the office's offset."""

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class View(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(frozen=True)


class Answer(View):
    """What every answer says of itself."""

    as_of: datetime = Field(description="T: what had happened in the office by then.")
    known_at: datetime = Field(description="K: what was in the log by then.")
    policy: str = Field(description="The default policy of the rules in force; a dossier names its own.")
    rules: str = Field(description="Fingerprint of all rules in force.")


class Address(View):
    """Where a record lies in `dossier-events`, and when it came there."""

    partition: int
    offset: int
    recorded_at: datetime


class TakenBackBy(Address):
    """The retraction that removes an event."""

    event_id: str


class EventStory(Address):
    """An event and what it did."""

    at: datetime = Field(description="When it happened, as the office states.")
    kind: str
    unit_id: str
    source: str
    event_id: str
    did: list[str] = Field(description="What it changed, in words for people.")
    anomaly: str | None = Field(description="Why it moved nothing: not_allowed, foreign_unit, id_reused.")
    taken_back_by: TakenBackBy | None


class DossierState(View):
    """How a dossier stood."""

    status: str
    unit_id: str | None
    procedure_id: str | None
    channel: str | None
    policy_id: str
    calendar_id: str = Field(description="Empty: every hour counts.")
    registered_at: datetime | None
    accepted_at: datetime | None
    due_original_at: datetime | None
    due_at: datetime | None = Field(description="The promise in force.")
    due_announced_at: datetime | None = Field(description="An apology's new date; it excuses nothing.")
    on_time_from: datetime | None
    on_time_to: datetime | None
    paused_at: datetime | None
    ended_at: datetime | None
    outcome: str | None
    timeliness: str | None = Field(description="Of a closed dossier.")
    stock: str | None = Field(description="The counter of an open dossier at `as_of`.")
    why: str = Field(description="The verdict in words for people.")


class DossierAnswer(Answer):
    """One dossier."""

    dossier_id: str
    event_offset: int = Field(description="Offset of the last event that was known.")
    state: DossierState | None = Field(description="Null: nothing had happened yet.")


class EventsAnswer(Answer):
    """One dossier's events."""

    dossier_id: str
    event_offset: int
    happened_later: int = Field(description="Events that were known but had not happened yet.")
    events: list[EventStory]


class MemberView(View):
    """A dossier of a cell."""

    dossier_id: str
    event_offset: int
    count: int


class CellAnswer(Answer):
    """The dossiers behind a number."""

    unit_id: str
    counter: str
    procedure_id: str | None
    first_on: date = Field(serialization_alias="from")
    last_on: date = Field(serialization_alias="to")
    count: int
    dossiers: int = Field(description="How many there are; `members` names the first ones.")
    digest: str = Field(
        description="SHA-256 over the sorted lines `dossier offset` (that of its last event), all of them."
    )
    members: list[MemberView]


class ReportAnswer(Answer):
    """Report form II.06a of a unit and those below it."""

    report: dict[str, Any] = Field(description="The document that `hoso report --json` prints.")


class SwitchCount(View):
    """How many dossiers go from one class to another; empty: neither resolved in the period nor open."""

    rules: str
    was: str
    would_be: str
    dossiers: int


class SwitchView(View):
    """A dossier that changes class."""

    rules: str
    dossier_id: str
    unit_id: str
    was: str
    would_be: str


class WhatIfAnswer(Answer):
    """Counts side by side, the rules in force first, and who changes class."""

    unit_id: str
    first_on: date = Field(serialization_alias="from")
    last_on: date = Field(serialization_alias="to")
    dossiers: int
    counts: dict[str, dict[str, int]]
    switched: list[SwitchCount]
    total: int
    first: list[SwitchView]
