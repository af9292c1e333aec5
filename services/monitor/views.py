"""What watchers get: the answers of the API and the messages of the stream, as OpenAPI shows them.

Null is not zero: a unit without a single tally has null numbers. Every share names its numerator and denominator. A
unit's numbers hold those of the units below it, so a parent and its children are never summed together; a dossier that
several levels handle is in them once, at its root (ADR 0012).
"""

from datetime import date, datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class View(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(frozen=True)


class Stock(View):
    """Open dossiers at `freshness.as_of`."""

    open_registered: int = Field(description="Submitted, not yet accepted or refused.")
    open_within_due: int = Field(description="Within due and not yet due soon.")
    open_due_soon: int = Field(
        description="Within due, and the promise closes within a working day, or as many as the policy says."
    )
    open_overdue: int = Field(description="Past the promise.")
    open_paused: int = Field(description="Waiting for the applicant: the clock stands still.")
    open_undated: int = Field(description="No promise was given.")


class Flow(View):
    """What happened in a period."""

    received_online: int = Field(description="Accepted in the period, submitted online.")
    received_direct: int = Field(description="Accepted in the period at the counter.")
    received_postal: int = Field(description="Accepted in the period, sent by post.")
    resolved_early: int = Field(description="Ended before the promised time.")
    resolved_on_time: int = Field(description="Ended on the promised time, as the policy spans it.")
    resolved_overdue: int = Field(description="Ended after the promised time.")
    resolved_undated: int = Field(description="Ended, and there was no promise.")
    outcome_granted: int = Field(description="Of the resolved: the result was issued.")
    outcome_rejected: int = Field(description="Of the resolved: rejected on the merits.")
    outcome_returned: int = Field(description="Of the resolved: given back.")
    outcome_withdrawn: int = Field(description="Of the resolved: withdrawn by the applicant.")
    outcome_stopped: int = Field(description="Of the resolved: stopped.")
    overdue_apologised: int = Field(description="Of the overdue: a letter of apology had told a new date.")
    refused: int = Field(description="Refused at reception: never received.")
    withdrawn: int = Field(description="Withdrawn before acceptance: never received.")
    transferred_in: int = Field(description="Came from another unit, also from one below the same parent.")
    transferred_out: int = Field(description="Went to another unit, also to one below the same parent.")
    reopened: int = Field(description="Ended earlier, open again.")


class Share(View):
    """A part of a whole."""

    numerator: int
    denominator: int
    percent: float | None = Field(
        description="Rounded half up to two decimals; null when there is nothing to divide by."
    )


class Period(View):
    """A run of local days, both ends included. `workload = resolved + closing`, as report form II.06a demands."""

    first_on: date | None = Field(description="Null: since the first event.")
    last_on: date | None = Field(description="Null: until now.")
    opening: int = Field(description="Accepted before the period and not ended before it (form column 6).")
    received: int = Field(description="Accepted in the period, by all channels (form columns 4 and 5).")
    workload: int = Field(
        description="opening + received + transferred_in + reopened - transferred_out (form column 3)."
    )
    resolved: int = Field(description="early + on_time + overdue + undated (form column 7).")
    closing: int = Field(description="workload - resolved: in progress at the end of the period (form column 11).")
    resolved_share: Share = Field(description="resolved / workload")
    early_share: Share = Field(description="resolved_early / resolved")
    on_time_share: Share = Field(description="resolved_on_time / resolved")
    overdue_share: Share = Field(description="resolved_overdue / resolved")
    flow: Flow


class UnitView(View):
    """A unit and its numbers, those of the units below it included; null: no data yet."""

    id: str
    name_vi: str = Field(description="The id, when the reference data does not know the unit.")
    name_en: str
    parent_id: str | None
    valid_from: date | None = Field(None, description="First day of the unit; null: since ever.")
    valid_to: date | None = Field(None, description="Its last day; null: still there.")
    stock: Stock | None
    in_progress: int | None = Field(description="All of `stock` except the registered.")
    today: Period | None = Field(description="The local day of `freshness.as_of`.")
    total: Period | None = Field(description="Since the first event.")
    years: dict[str, Period] | None = Field(description="By calendar year, those with at least one event.")


class UnitInPeriod(UnitView):
    """A unit with the period that was asked for."""

    period: Period | None = Field(None, description="The asked `from` to `to`; null also when none was asked for.")


class UnitDetail(UnitInPeriod):
    """A unit with its days."""

    days: list[Period] | None = Field(description="One per day of the period on which something happened.")


class Slice(View):
    """A part of a unit's numbers."""

    stock: Stock
    in_progress: int = Field(description="All of `stock` except the registered.")
    period: Period = Field(description="The year that was asked for; without `year`: since the first event.")
    unit_share: Share = Field(description="workload / the unit's workload")


class FieldView(Slice):
    """The dossiers of one field (lĩnh vực)."""

    field_id: str = Field(description="Empty: procedures that the reference data does not know.")
    name_vi: str
    name_en: str


class ProcedureView(Slice):
    """The dossiers of one procedure (thủ tục)."""

    procedure_id: str
    name_vi: str = Field(description="The id, when the reference data does not know the procedure.")
    name_en: str
    field_id: str = Field(description="Empty, when the reference data does not know the procedure.")


class State(StrEnum):
    """How far the numbers can be trusted."""

    NO_DATA = "no_data"  # no processor has ever given a sign of life
    STALE = "stale"  # the signs of life stopped: processor or broker is down
    BEHIND = "behind"  # alive, and events wait to be counted
    LIVE = "live"


class Freshness(View):
    """How old the numbers are. Times carry the office's offset."""

    state: State = Field(description="no_data, stale, behind (events wait to be counted) or live.")
    as_of: datetime | None = Field(
        description="The instant at which open dossiers were judged, of the oldest partition."
    )
    heartbeat_at: datetime | None = Field(
        description="The newest sign of life of the partition that is silent longest."
    )
    stale_since: datetime | None = Field(description="When the signs of life stopped; null unless stale.")
    lag_events: int | None = Field(
        description="Events in the log that are not counted yet; null: the log is unreachable."
    )
    lag_s: float | None = Field(description="How long the oldest of them has waited, in seconds, as far as was seen.")
    broker_reachable: bool
    zone: str = Field(description="The office's IANA zone.")


class Units(View):
    """All units in order, each followed by those below it."""

    version: str = Field(description="Names this state of the numbers; also the id of stream messages.")
    page: str = Field(description="Names the build of the page: it reloads itself when this changes.")
    freshness: Freshness
    units: list[UnitInPeriod]


class UnitAnswer(View):
    """One unit."""

    version: str
    freshness: Freshness
    unit: UnitDetail


class Breakdown(View):
    """A unit's numbers in parts, those of the units below it included. Every dossier is in one part."""

    version: str
    freshness: Freshness
    unit_id: str
    year: int | None


class Fields(Breakdown):
    """By field, the largest first; null: no data yet."""

    fields: list[FieldView] | None


class Procedures(Breakdown):
    """By procedure, the largest first; null: no data yet."""

    procedures: list[ProcedureView] | None
