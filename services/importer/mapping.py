"""The mapping: which column of another system means what. Closed: a key that is unknown is an error.

What each key means for a person is in docs/import.md; how a file becomes a mapping in mapping_file.py.
"""

from collections.abc import Iterable, Mapping
from datetime import time
from typing import Annotated, Final, Generic, Literal, Self, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from schemas.events import Channel, DueCause, Kind, Outcome, ReasonCode
from schemas.ids import CODE_PATTERN, PolicyId, SourceUri
from schemas.reference import ZoneName
from schemas.state import Timeliness
from services.importer.codes import clean
from services.importer.moments import ISO, Clock, check_format

SKEW_S_MAX: Final = 300  # clocks of two systems differ by seconds; minutes apart are an order of events, not a clock

T = TypeVar("T")


def _filled(text: str) -> str:
    text = clean(text)
    if not text:
        raise ValueError("expected a text that is not empty")
    return text


Text = Annotated[str, AfterValidator(_filled)]
Code = Annotated[str, StringConstraints(pattern=CODE_PATTERN)]
Column = Text
Columns = Annotated[tuple[Column, ...], Field(min_length=1)]


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, regex_engine="python-re")


class Codes(Closed):
    """A code: of the first of `columns` that is filled, else `default`. `codes` writes out what `slug` should not."""

    columns: tuple[Column, ...] = ()
    codes: dict[Text, Code] = {}
    default: Code | None = None

    @model_validator(mode="after")
    def _has_a_source(self) -> Self:
        if not self.columns and self.default is None:
            raise ValueError("expected `columns`, or a `default` for a file about one only")
        return self


class UnitCodes(Codes):
    """The units, which are published with their names: `name` and `parent` are columns."""

    name: Column | None = None  # absent: the text that the code was made from
    parent: Column | None = None


class Choice(Closed, Generic[T]):
    """One of a few values: `column` through `map`, `default` when empty or not in `map`."""

    column: Column | None = None
    map: dict[Text, T] = {}
    default: T | None = None

    @model_validator(mode="after")
    def _has_a_source(self) -> Self:
        if self.column is None and (self.map or self.default is None):
            raise ValueError("expected a `column` with its `map`, or a `default` alone")
        if self.column is not None and not self.map:
            raise ValueError("expected a `map` from the column's texts")
        return self


class TimeColumn(Closed):
    """A time: "iso" or strptime formats, tried in order; `at` is the time of day of a date without one."""

    column: Column
    formats: Annotated[tuple[Annotated[str, AfterValidator(check_format)], ...], Field(min_length=1)] = (ISO,)
    at: time = time(0)

    def clock(self, zone: ZoneInfo) -> Clock:
        """What reads this column."""
        return Clock(column=self.column, formats=self.formats, at=self.at, zone=zone)


class Times(Closed):
    """The dates of a row that is a dossier: each filled one is an event, `due` the promise of the acceptance."""

    registered: TimeColumn | None = None
    accepted: TimeColumn | None = None
    due: TimeColumn | None = None
    refused: TimeColumn | None = None
    processing_started: TimeColumn | None = None
    stopped: TimeColumn | None = None
    withdrawn: TimeColumn | None = None
    finished: TimeColumn | None = None
    delivered: TimeColumn | None = None

    def by_kind(self) -> dict[Kind, TimeColumn]:
        """Kinds and their columns in lifecycle order."""
        found = ((kind, getattr(self, kind.value, None)) for kind in Kind)
        return {kind: column for kind, column in found if column is not None}


class KindColumn(Closed):
    """What happened: `map` from the column's texts to kinds; rows with a text in `ignore` are passed over."""

    column: Column
    map: Annotated[dict[Text, Kind], Field(min_length=1)]
    ignore: frozenset[Text] = frozenset()


class Verdict(Closed):
    """The other system's own verdict on closed dossiers with a promise, and what it is called here."""

    column: Column
    map: Annotated[dict[Text, frozenset[Timeliness]], Field(min_length=1)]


class Shared(Closed):
    """What both shapes have."""

    source: SourceUri
    zone: ZoneName
    policy: PolicyId
    delimiter: Annotated[str, Field(pattern=r'^[^"\r\n]$(?!\n)')] = ","
    empty: frozenset[Text] = frozenset()  # texts that stand for nothing, such as NULL
    dossier: Column
    unit: UnitCodes
    procedure: Codes | None = None
    channel: Choice[Channel] | None = None
    outcome: Choice[Outcome] | None = None

    def fields(self) -> Mapping[str, object]:
        """What can be said, by the name of the event's field; None: nothing."""
        return {
            "unit_id": self.unit,
            "procedure_id": self.procedure,
            "channel": self.channel,
            "policy_id": self.policy,
            "outcome": self.outcome,
        }


class DossierMapping(Shared):
    """One row per dossier, with its dates."""

    shape: Literal["dossier"]
    times: Times
    clock_skew_s_max: Annotated[int, Field(ge=0, le=SKEW_S_MAX)] = 0
    verdict: Verdict | None = None

    def kinds(self) -> Iterable[Kind]:
        """The kinds that rows can yield."""
        return self.times.by_kind()

    def fields(self) -> Mapping[str, object]:
        """As above, with the promise."""
        return {**super().fields(), "due_at": self.times.due}


class EventsMapping(Shared):
    """One row per action."""

    shape: Literal["events"]
    kind: KindColumn
    time: TimeColumn
    due: TimeColumn | None = None
    to_unit: Columns | None = None
    cause: Choice[DueCause] | None = None
    reason: Choice[ReasonCode] | None = None
    retracts_id: Column | None = None

    def kinds(self) -> Iterable[Kind]:
        """The kinds that rows can yield."""
        return set(self.kind.map.values())

    def fields(self) -> Mapping[str, object]:
        """As above, with what only actions have."""
        return {
            **super().fields(),
            "due_at": self.due,
            "to_unit_id": self.to_unit,
            "cause": self.cause,
            "reason": self.reason,
            "retracts_id": self.retracts_id,
            "retracts_source": self.source,
        }


AnyMapping = DossierMapping | EventsMapping
