"""Reference data: units, procedures, calendars and policies. Files in `schemas/reference/`, values of four topics.

An id never changes its meaning: a changed policy or calendar is a new id, and a unit's `rules` say from which day on it
works under which. So every figure can name the rules that made it, and old rules stay at hand for what-if questions.
"""

from collections.abc import Mapping
from datetime import date, time
from enum import StrEnum
from importlib import resources
from itertools import pairwise
from pathlib import Path
from types import GenericAlias
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from schemas.ids import CalendarId, FieldId, PolicyId, ProcedureId, UnitId
from schemas.state import Status


def _check_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError("expected a zone of the IANA database, such as Asia/Ho_Chi_Minh") from None
    return name


ZoneName = Annotated[str, AfterValidator(_check_zone)]


class ReferenceRecord(BaseModel):
    """Base of all reference data. `synthetic` marks a code that no public source gives.

    No sets: their order differs from process to process, and equal records must be equal bytes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, regex_engine="python-re")


class Level(StrEnum):
    """Where a unit stands in the administration."""

    PROVINCE = "province"
    DISTRICT = "district"
    COMMUNE = "commune"
    OFFICE = "office"  # part of the place above it, such as a public administration centre


class UnitRules(ReferenceRecord):
    """The rules of an authority from a day on, until a later entry; units below follow unless they have their own."""

    valid_from: date
    policy_id: PolicyId
    calendar_id: CalendarId | None = Field(None, description="Absent: the policy's.")


class Unit(ReferenceRecord):
    """A unit that is accountable for dossiers, or a place above such units.

    A unit that was merged has one successor; one that was split has several, and its history belongs to none of them.
    """

    id: UnitId
    name_vi: str
    name_en: str
    parent_id: UnitId | None = None
    level: Level = Level.OFFICE
    valid_from: date | None = Field(None, description="First day; absent: since ever.")
    valid_to: date | None = Field(None, description="Last day, included; absent: still there.")
    successor_ids: tuple[UnitId, ...] = ()
    rules: tuple[UnitRules, ...] = ()
    synthetic: bool = False


class Linkage(StrEnum):
    """Across which levels a procedure is handled."""

    NONE = "none"
    HORIZONTAL = "horizontal"  # several agencies of one level
    TWO_LEVEL = "two_level"
    THREE_LEVEL = "three_level"
    VERTICAL = "vertical"  # agencies of the centre: police, tax, social insurance


class PeriodUnit(StrEnum):
    """What a processing time counts (Civil Code 2015 art. 147, 148)."""

    WORKING_DAYS = "working_days"
    DAYS = "days"
    MONTHS = "months"
    WORKING_HOURS = "working_hours"
    HOURS = "hours"


class ProcessingTime(ReferenceRecord):
    """How long a procedure may take."""

    amount: Annotated[int, Field(ge=0)]
    unit: PeriodUnit


class ProcedureRecord(ReferenceRecord):
    """A procedure that units offer."""

    id: ProcedureId
    name_vi: str
    name_en: str
    field_id: FieldId
    field_vi: str
    field_en: str
    desk: Literal["centre", "commune"] = Field(description="Which kind of desk takes it in.")
    linkage: Linkage = Linkage.NONE
    online_level: Annotated[int, Field(ge=2, le=4)] = Field(
        2, description="2: information only; 3: filed online; 4: paid and returned online too (terms before 2022)."
    )
    on_national_portal: bool = False
    processing_time: ProcessingTime | None = None
    synthetic: bool = False


class CalendarRecord(ReferenceRecord):
    """Which days and hours an authority works."""

    id: CalendarId
    zone: ZoneName
    weekend: tuple[Annotated[int, Field(ge=0, le=6)], ...] = Field(
        (5, 6), description="Days of the week that are off: 0 is Monday."
    )
    hours: tuple[tuple[time, time], ...] = Field(description="Office hours of a working day, in order.")
    days_off: tuple[date, ...] = Field((), description="Holidays that fall on working days of the week.")
    make_up_days: tuple[date, ...] = Field((), description="Days of the weekend that are worked.")
    source: str

    @model_validator(mode="after")
    def _hours_follow_each_other(self) -> "CalendarRecord":
        moments = [moment for session in self.hours for moment in session]
        if not moments or any(later <= earlier for earlier, later in pairwise(moments)):
            raise ValueError("expected office hours such as [['07:00', '11:30'], ['13:30', '17:00']], in order")
        return self


class OnTime(StrEnum):
    """What "on time" spans (docs/glossary.md): the promised day, its half-day up to the promise, or the instant."""

    DAY = "day"
    HALF_DAY = "half_day"
    INSTANT = "instant"


class Resume(StrEnum):
    """What the end of a pause does to the promise, unless the event carries a new one."""

    SHIFT = "shift"  # it moves by the working time waited
    SHIFT_DAYS = "shift_days"  # by the calendar days waited less one, then to the next working day
    RESET = "reset"  # the full period starts again
    KEEP = "keep"  # it stays


class SecondSupplement(StrEnum):
    """What asking the applicant for papers a second time does."""

    PAUSE = "pause"  # as the first time
    RUN_ON = "run_on"  # the clock runs on
    OVERDUE = "overdue"  # the dossier counts as overdue


class PolicyRecord(ReferenceRecord):
    """A versioned rule set."""

    id: PolicyId
    zone: ZoneName
    on_time: OnTime
    pauses: tuple[Status, ...] = (Status.SUPPLEMENT_REQUESTED, Status.PAYMENT_REQUESTED)
    resume: Resume = Resume.SHIFT
    second_supplement: SecondSupplement = SecondSupplement.PAUSE
    calendar_id: CalendarId | None = Field(None, description="Absent: every hour counts.")
    reception_closes: time | None = Field(
        None, description="What comes in later begins on the next working day; absent: at the next office hour."
    )
    due_soon_days: Annotated[int, Field(ge=0)] = Field(1, description="Working days before the promise closes.")
    year_begins: Annotated[str, Field(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")] = Field(
        "01-01", description="Month and day on which a reporting year begins; not January: of the year before."
    )
    source: str


RECORDS: Final[Mapping[str, type[ReferenceRecord]]] = {
    "units": Unit,
    "procedures": ProcedureRecord,
    "calendars": CalendarRecord,
    "policies": PolicyRecord,
}
"""The kinds of reference data: each is a file, a topic and a ClickHouse table of this name."""

_LISTS: Final[Mapping[str, Any]] = {kind: GenericAlias(list, model) for kind, model in RECORDS.items()}


def read_records(kind: str, path: Path | None = None) -> list[Any]:
    """The records of a file in its order, whatever their ids; None: those that come with Hoso."""
    data = path.read_bytes() if path else resources.files("schemas").joinpath("reference", f"{kind}.json").read_bytes()
    adapter: TypeAdapter[list[Any]] = TypeAdapter(_LISTS[kind])
    return adapter.validate_json(data)


def read_units(path: Path | None = None) -> list[Unit]:
    """The units of a file; None: those that come with Hoso."""
    return read_records("units", path)


def read_procedures(path: Path | None = None) -> Mapping[str, ProcedureRecord]:
    """The procedures of a file by id; None: those that come with Hoso."""
    return _by_id(read_records("procedures", path))


def read_calendars(path: Path | None = None) -> Mapping[str, CalendarRecord]:
    """The calendars of a file by id; None: those that come with Hoso."""
    return _by_id(read_records("calendars", path))


def read_policies(path: Path | None = None) -> Mapping[str, PolicyRecord]:
    """The policies of a file by id; None: those that come with Hoso."""
    return _by_id(read_records("policies", path))


def _by_id(records: list[Any]) -> Mapping[str, Any]:
    return {record.id: record for record in records}
