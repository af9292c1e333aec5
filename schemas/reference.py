"""Reference data: units and policies, as files in `schemas/reference/` and (units) as values of the `units` topic."""

from collections.abc import Mapping
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from schemas.ids import PolicyId, UnitId
from schemas.state import Status


def _check_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError("expected a zone of the IANA database, such as Asia/Ho_Chi_Minh") from None
    return name


ZoneName = Annotated[str, AfterValidator(_check_zone)]


class Unit(BaseModel):
    """A unit that is accountable for dossiers, or a place above such units."""

    model_config = ConfigDict(extra="forbid", frozen=True, regex_engine="python-re")

    id: UnitId
    name_vi: str
    name_en: str
    parent_id: UnitId | None = None


class OnTime(StrEnum):
    """What "on time" spans (docs/glossary.md): the promised day, its half-day up to the promise, or the instant."""

    DAY = "day"
    HALF_DAY = "half_day"
    INSTANT = "instant"


class Resume(StrEnum):
    """What the end of a pause does to the promise, unless the event carries a new one."""

    SHIFT = "shift"  # it moves by the time waited
    RESET = "reset"  # the full period starts again
    KEEP = "keep"  # it stays


class PolicyRecord(BaseModel):
    """A versioned rule set: an id never changes its meaning; a changed rule is a new id."""

    model_config = ConfigDict(extra="forbid", frozen=True, regex_engine="python-re")

    id: PolicyId
    zone: ZoneName
    on_time: OnTime
    pauses: frozenset[Status] = frozenset({Status.SUPPLEMENT_REQUESTED, Status.PAYMENT_REQUESTED})
    resume: Resume = Resume.SHIFT
    due_soon_h: Annotated[int, Field(ge=0)] = 24
    source: str


def read_units(path: Path | None = None) -> list[Unit]:
    """The units of a file; None: those that come with Hoso."""
    return TypeAdapter(list[Unit]).validate_json(_read("units.json", path))


def read_policies(path: Path | None = None) -> Mapping[str, PolicyRecord]:
    """The policies of a file by id; None: those that come with Hoso."""
    return {policy.id: policy for policy in TypeAdapter(list[PolicyRecord]).validate_json(_read("policies.json", path))}


def _read(name: str, path: Path | None) -> bytes:
    return path.read_bytes() if path else resources.files("schemas").joinpath("reference", name).read_bytes()
