"""What is said about a dossier: past-tense facts in CloudEvents 1.0 envelopes. The only definition of every event.

`source` + `id` is the identity of a fact, `subject` the dossier and Kafka key, `time` when it happened in the office.
Every fact names the unit that acted, so that the gateway can ask whether the sender may speak for it and the fold
whether the dossier was that unit's to act on. Data is closed (unknown fields are refused) and holds codes only.

Kinds and their order follow the statuses exchanged with the national portal (docs/glossary.md).
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, Literal

import msgspec
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    create_model,
)

from schemas.ids import DossierId, EventId, PolicyId, ProcedureId, SourceUri, UnitId

# A date outside this range is a typing error somewhere upstream: one-stop units began in the nineties.
YEAR_MIN: Final = 1990
YEAR_MAX: Final = 2099

_AWARE: Final = Annotated[datetime, msgspec.Meta(tz=True)]


def _parse_moment(value: object) -> object:
    """Read RFC 3339 with the fast decoder's own parser, so that both decoders accept the very same texts."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise ValueError("expected an RFC 3339 text with an offset, such as 2021-03-01T08:30:00+07:00")
    try:
        return msgspec.convert(value, _AWARE)
    except msgspec.ValidationError:
        raise ValueError("expected an RFC 3339 time with an offset, such as 2021-03-01T08:30:00+07:00") from None


def is_plausible(moment: datetime) -> bool:
    """A year from 1990 to 2099 on the sender's own calendar; both decoders ask this."""
    return YEAR_MIN <= moment.year <= YEAR_MAX


def _check_plausible(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("expected an offset, such as +07:00")
    if not is_plausible(moment):
        raise ValueError("expected a year from 1990 to 2099")
    return moment


Moment = Annotated[
    datetime,
    BeforeValidator(_parse_moment),
    AfterValidator(_check_plausible),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class Kind(StrEnum):
    """The kinds of fact, in lifecycle order: at equal `time` the earlier kind is folded first."""

    REGISTERED = "registered"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    PROCESSING_STARTED = "processing_started"
    TRANSFERRED = "transferred"
    DUE_CHANGED = "due_changed"
    SUPPLEMENT_REQUESTED = "supplement_requested"
    SUPPLEMENT_RECEIVED = "supplement_received"
    PAYMENT_REQUESTED = "payment_requested"
    PAYMENT_RECEIVED = "payment_received"
    STOPPED = "stopped"
    RESUMED = "resumed"
    WITHDRAWN = "withdrawn"
    FINISHED = "finished"
    DELIVERED = "delivered"
    REOPENED = "reopened"
    RETRACTED = "retracted"


class Channel(StrEnum):
    """How a dossier came in: report form II.06a, columns 4 and 5."""

    ONLINE = "online"
    DIRECT = "direct"
    POSTAL = "postal"


class Outcome(StrEnum):
    """What a finish means: status 9 alone does not prove that a result was issued."""

    GRANTED = "granted"
    REJECTED = "rejected"
    RETURNED = "returned"
    WITHDRAWN = "withdrawn"


class ReasonCode(StrEnum):
    """Why a unit acted; codes, because names hide in free text."""

    INCOMPLETE = "incomplete"
    INELIGIBLE = "ineligible"
    WRONG_UNIT = "wrong_unit"
    BY_APPLICANT = "by_applicant"
    FEE_DUE = "fee_due"
    NO_REPLY = "no_reply"
    DATA_ERROR = "data_error"
    OTHER = "other"


class DueCause(StrEnum):
    """Why a promise was changed; an apology never makes a late dossier on time in the official count."""

    APOLOGY = "apology"
    EXTENSION = "extension"
    CORRECTION = "correction"


class Mark(StrEnum):
    """What an office notes about a dossier for the indicators of QD 766/QD-TTg (groups 3 and 4): codes, each once."""

    DIGITISED = "digitised"  # 4.2: the papers handed in were digitised
    REUSED = "reused"  # 4.3: at least one paper was taken from an earlier dossier
    NATIONAL_STORE = "national_store"  # 4.4: at least one paper came from the national store
    FEE = "fee"  # 3.6: a fee above zero is due
    PAID_ONLINE = "paid_online"  # 3.6: it was paid online
    PAPER_RESULT = "paper_result"  # 4.1: the procedure returns a paper
    E_RESULT = "e_result"  # 4.1: it was also issued electronically
    RESULT_DIGITISED = "result_digitised"  # 4.2: the result was digitised


class Fact(BaseModel):
    """The data of an event: closed, frozen, codes only."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, regex_engine="python-re")

    kind: ClassVar[Kind]
    type: ClassVar[str]

    unit_id: UnitId = Field(description="The unit that acted.")


ROOT: Final = (
    "The dossier that the applicant filed, when this one was opened for it at another level: counted once, there."
)


class DossierRegistered(Fact):
    """A citizen filed online; nobody has looked at it yet. Only the acceptance clock runs."""

    kind: ClassVar = Kind.REGISTERED
    type: ClassVar = "vn.hoso.dossier.registered.v1"

    procedure_id: ProcedureId
    channel: Channel = Channel.ONLINE
    policy_id: PolicyId | None = None
    root_id: DossierId | None = Field(None, description=ROOT)


class DossierAccepted(Fact):
    """A unit took the dossier in and promised a date. Source: the reception desk."""

    kind: ClassVar = Kind.ACCEPTED
    type: ClassVar = "vn.hoso.dossier.accepted.v1"

    procedure_id: ProcedureId
    channel: Channel
    due_at: Moment | None = Field(None, description="The promise; absent when the source gave none, which happens.")
    policy_id: PolicyId | None = Field(None, description="The rule the promise was made under; absent: the unit's.")
    root_id: DossierId | None = Field(None, description=ROOT)
    marks: tuple[Mark, ...] = ()


class DossierRefused(Fact):
    """The desk did not take the dossier in: it never counts as received."""

    kind: ClassVar = Kind.REFUSED
    type: ClassVar = "vn.hoso.dossier.refused.v1"

    reason: ReasonCode = ReasonCode.OTHER


class DossierProcessingStarted(Fact):
    """The specialist department has begun."""

    kind: ClassVar = Kind.PROCESSING_STARTED
    type: ClassVar = "vn.hoso.dossier.processing_started.v1"


class DossierTransferred(Fact):
    """Another unit is accountable from now on."""

    kind: ClassVar = Kind.TRANSFERRED
    type: ClassVar = "vn.hoso.dossier.transferred.v1"

    to_unit_id: UnitId
    due_at: Moment | None = Field(None, description="A new promise; absent: the promise stays.")


class DossierDueChanged(Fact):
    """The promise was changed: an apology letter with a new date, an extension, a correction."""

    kind: ClassVar = Kind.DUE_CHANGED
    type: ClassVar = "vn.hoso.dossier.due_changed.v1"

    due_at: Moment
    cause: DueCause


class DossierSupplementRequested(Fact):
    """The applicant must add papers."""

    kind: ClassVar = Kind.SUPPLEMENT_REQUESTED
    type: ClassVar = "vn.hoso.dossier.supplement_requested.v1"

    reason: ReasonCode = ReasonCode.INCOMPLETE


class DossierSupplementReceived(Fact):
    """The papers came."""

    kind: ClassVar = Kind.SUPPLEMENT_RECEIVED
    type: ClassVar = "vn.hoso.dossier.supplement_received.v1"

    due_at: Moment | None = Field(None, description="A new promise; absent: the policy says how it moves.")


class DossierPaymentRequested(Fact):
    """The applicant must pay a tax or fee."""

    kind: ClassVar = Kind.PAYMENT_REQUESTED
    type: ClassVar = "vn.hoso.dossier.payment_requested.v1"


class DossierPaymentReceived(Fact):
    """The payment came."""

    kind: ClassVar = Kind.PAYMENT_RECEIVED
    type: ClassVar = "vn.hoso.dossier.payment_received.v1"

    due_at: Moment | None = Field(None, description="A new promise; absent: the policy says how it moves.")
    marks: tuple[Mark, ...] = ()


class DossierStopped(Fact):
    """An officer stopped the work: an end or a pause, as the policy says."""

    kind: ClassVar = Kind.STOPPED
    type: ClassVar = "vn.hoso.dossier.stopped.v1"

    reason: ReasonCode = ReasonCode.OTHER


class DossierResumed(Fact):
    """Stopped work goes on."""

    kind: ClassVar = Kind.RESUMED
    type: ClassVar = "vn.hoso.dossier.resumed.v1"

    due_at: Moment | None = Field(None, description="A new promise; absent: the policy says how it moves.")


class DossierWithdrawn(Fact):
    """The applicant took the dossier back."""

    kind: ClassVar = Kind.WITHDRAWN
    type: ClassVar = "vn.hoso.dossier.withdrawn.v1"


class DossierFinished(Fact):
    """The result lies at the counter: the clock stops here, not at delivery."""

    kind: ClassVar = Kind.FINISHED
    type: ClassVar = "vn.hoso.dossier.finished.v1"

    outcome: Outcome
    marks: tuple[Mark, ...] = ()


class DossierDelivered(Fact):
    """The result was handed over; the end of the clock only when no finish was reported."""

    kind: ClassVar = Kind.DELIVERED
    type: ClassVar = "vn.hoso.dossier.delivered.v1"


class DossierReopened(Fact):
    """A closed dossier is worked on again; its first finish is kept."""

    kind: ClassVar = Kind.REOPENED
    type: ClassVar = "vn.hoso.dossier.reopened.v1"

    due_at: Moment | None = Field(None, description="A new promise; absent: the promise stays.")


class DossierRetracted(Fact):
    """Takes back an earlier event of the same dossier and unit: the only way to correct the past."""

    kind: ClassVar = Kind.RETRACTED
    type: ClassVar = "vn.hoso.dossier.retracted.v1"

    retracts_source: SourceUri
    retracts_id: EventId
    reason: ReasonCode = ReasonCode.DATA_ERROR


FACTS: Final[tuple[type[Fact], ...]] = (
    DossierRegistered,
    DossierAccepted,
    DossierRefused,
    DossierProcessingStarted,
    DossierTransferred,
    DossierDueChanged,
    DossierSupplementRequested,
    DossierSupplementReceived,
    DossierPaymentRequested,
    DossierPaymentReceived,
    DossierStopped,
    DossierResumed,
    DossierWithdrawn,
    DossierFinished,
    DossierDelivered,
    DossierReopened,
    DossierRetracted,
)
FACT_OF_TYPE: Final[Mapping[str, type[Fact]]] = {fact.type: fact for fact in FACTS}


class Envelope(BaseModel):
    """CloudEvents 1.0 attributes. Closed too: unknown extension attributes are where personal data slips in."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, regex_engine="python-re")

    specversion: Literal["1.0"]
    id: EventId
    source: SourceUri
    subject: DossierId
    time: Moment
    datacontenttype: Literal["application/json"] | None = None
    dataschema: SourceUri | None = None
    partitionkey: DossierId | None = None
    traceparent: Annotated[str, StringConstraints(pattern=r"^[0-9a-f-]{55}$(?!\n)")] | None = None
    tracestate: Annotated[str, StringConstraints(pattern=r"^[ -~]{0,512}$(?!\n)")] | None = None


def _event_model(fact: type[Fact]) -> type[Envelope]:
    fields: dict[str, Any] = {"type": (Literal[fact.type], ...), "data": (fact, ...)}
    return create_model(f"{fact.__name__}Event", __base__=Envelope, __doc__=fact.__doc__, **fields)


EVENT_MODEL_OF_TYPE: Final[Mapping[str, type[Envelope]]] = {fact.type: _event_model(fact) for fact in FACTS}
