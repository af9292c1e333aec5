"""What is concluded about a dossier: the value of `dossier-states`, keyed by dossier.

All moments are whole microseconds since 1970 in UTC; days are local dates (ISO) in the zone of the dossier's policy.
"""

from enum import StrEnum
from typing import Annotated, Final

import msgspec

from schemas.events import Channel, DueCause, Kind, Mark, Outcome

Micros = Annotated[int, msgspec.Meta(ge=-2_208_988_800_000_000, le=10_413_791_999_999_999)]
"""A moment, from the year 1900 to 2299: what a column of the tables holds."""


class Status(StrEnum):
    """The ten statuses exchanged with the national portal (1 to 10, in this order)."""

    REGISTERED = "registered"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    PROCESSING = "processing"
    SUPPLEMENT_REQUESTED = "supplement_requested"
    PAYMENT_REQUESTED = "payment_requested"
    WITHDRAWN = "withdrawn"
    STOPPED = "stopped"
    FINISHED = "finished"
    DELIVERED = "delivered"


class Timeliness(StrEnum):
    """How a dossier stands against its promise. Closed: the first three; open: the next two; either: `undated`."""

    EARLY = "early"
    ON_TIME = "on_time"
    OVERDUE = "overdue"
    WITHIN_DUE = "within_due"
    PAUSED = "paused"
    UNDATED = "undated"


class AnomalyCode(StrEnum):
    """Why an event was kept but did not move the dossier."""

    NOT_ALLOWED = "not_allowed"  # the lifecycle has no such step from the status it met
    FOREIGN_UNIT = "foreign_unit"  # the unit that acted is not the one accountable
    ID_REUSED = "id_reused"  # the same source and id was sent with other content


class ChangeCause(StrEnum):
    """Why a promise became what it is. The last three are a letter's (`DueCause`)."""

    GIVEN = "given"  # with the acceptance
    SUPPLEMENT = "supplement"
    PAYMENT = "payment"
    STOP = "stop"
    TRANSFER = "transfer"
    REOPENING = "reopening"
    APOLOGY = "apology"
    EXTENSION = "extension"
    CORRECTION = "correction"


# A history is most of a state's bytes, and states are most of what the processor writes: its keys are short.
_SHORT: Final = {
    "at": "t",
    "kind": "k",
    "identity": "i",
    "unit_id": "u",
    "due_at": "d",
    "procedure_id": "p",
    "channel": "c",
    "policy_id": "r",
    "to_unit_id": "n",
    "cause": "w",
    "outcome": "o",
    "retracts": "x",
    "root_id": "f",
    "marks": "m",
}


class Entry(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename=_SHORT):
    """One fact as the history keeps it: what the fold needs and nothing else."""

    at: Micros
    kind: Kind
    identity: str  # 64 bits of BLAKE2b over source and id, in hex
    unit_id: str
    due_at: Micros | None = None
    procedure_id: str | None = None
    channel: Channel | None = None
    policy_id: str | None = None
    to_unit_id: str | None = None
    cause: DueCause | None = None
    outcome: Outcome | None = None
    retracts: str | None = None  # the identity that is taken back
    root_id: str | None = None
    marks: tuple[Mark, ...] = ()


class Flow(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One count on one day: the dossier adds one to `counter` of `unit_id` on `day`."""

    day: str
    unit_id: str
    counter: str


class Anomaly(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An event that was kept but changed nothing."""

    identity: str
    kind: Kind
    code: AnomalyCode
    status: Status | None  # the status it met


class DueChange(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """From `at` on the promise was `due_at`, closing at `closes_at`. An apology's `due_at` does not close anything.

    A second request for papers may forfeit the promise (`SecondSupplement.OVERDUE`): it then closes before that one.
    """

    at: Micros
    cause: ChangeCause
    due_at: Micros | None  # None: forfeited, and there was none
    closes_at: Micros | None


class Pause(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The clock stood from `start` to `end`."""

    start: Micros
    end: Micros


NO_HISTORY: Final = msgspec.Raw(b"[]")


class Dossier(msgspec.Struct, gc=False, kw_only=True, omit_defaults=True):
    """The state after folding `history`. `history` stays encoded: it is read again only when the past changes."""

    id: str
    offset: int = -1  # of the last record that concerned this dossier
    rules: str = ""  # fingerprint of the rulebook that concluded this
    policy_id: str = ""
    calendar_id: str = ""  # empty: every hour counts
    named_policy: str | None = None  # the policy that its facts name
    status: Status | None = None  # None: only events that say nothing yet, such as a retraction that came first
    unit_id: str | None = None  # the unit accountable
    procedure_id: str | None = None
    channel: Channel | None = None
    root_id: str | None = None  # counted once, there, where several levels are summed
    marks: tuple[Mark, ...] = ()
    registered_at: Micros | None = None
    accepted_at: Micros | None = None
    due_original: Micros | None = None
    due_at: Micros | None = None  # the promise in force, which early, on time and overdue are judged by
    due_announced: Micros | None = None  # the new date of the last apology letter; it excuses nothing (ADR 0010)
    due_changes: tuple[DueChange, ...] = ()  # all promises in order, once there was more than one
    due_soon_at: Micros | None = None  # open: from this moment on it is due soon
    closes_at: Micros | None = None  # open: after this moment it is overdue
    paused_at: Micros | None = None
    pauses: tuple[Pause, ...] = ()  # those that ended
    supplements: int = 0  # how often papers were asked for after the acceptance
    finished_at: Micros | None = None
    first_finished_at: Micros | None = None  # kept when a reopening clears `finished_at`
    delivered_at: Micros | None = None
    ended_at: Micros | None = None  # closed: when the clock stopped
    outcome: str | None = None
    timeliness: Timeliness | None = None  # closed only: an open dossier's depends on the clock
    flows: tuple[Flow, ...] = ()
    anomalies: tuple[Anomaly, ...] = ()
    last_at: int = 0  # place of the last folded entry: (last_at, last_rank)
    last_rank: int = -1
    history: msgspec.Raw = msgspec.field(default_factory=lambda: NO_HISTORY)  # a JSON array of Entry
