"""The promise and how a dossier stands against it. Rules that differ between authorities are data: `Policy`.

Moments are whole microseconds since 1970 UTC, as in schemas/state.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import lru_cache
from typing import Final, Self
from zoneinfo import ZoneInfo

from schemas.reference import OnTime, PolicyRecord, Resume
from schemas.state import Status, Timeliness
from streams.domain import working_time
from streams.domain.lifecycle import ends

US: Final = 1_000_000
HOUR_US: Final = 3600 * US
NOON_H: Final = 12

# Since 1990 every zone's offset is a multiple of a quarter hour, and so is every day's beginning: the calendar day is
# worked out once per quarter instead of once per event (1 us against 0.1 us).
QUARTER_US: Final = 900 * US


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One version of the rules; figures name the policy that made them."""

    id: str
    zone: ZoneInfo
    on_time: OnTime
    pauses: frozenset[Status]
    ends: frozenset[Status]
    resume: Resume
    due_soon: int  # microseconds before the promise closes

    @classmethod
    def of(cls, record: PolicyRecord) -> Self:
        """The policy as the fold uses it."""
        return cls(
            id=record.id,
            zone=ZoneInfo(record.zone),
            on_time=record.on_time,
            pauses=record.pauses,
            ends=ends(record.pauses),
            resume=record.resume,
            due_soon=record.due_soon_h * HOUR_US,
        )

    def day_of(self, at: int) -> str:
        """The office's calendar day, ISO."""
        return _day(at // QUARTER_US, self.zone)

    def on_time_band(self, due_at: int) -> tuple[int, int]:
        """First and last moment that count as on time; earlier is early, later is overdue.

        `day`: the promised day, end of day included (Civil Code 2015 art. 148: a day ends at 24:00). `half_day`: from
        the start of the morning or afternoon of the promise to the promise. `instant`: the promise itself.
        """
        if self.on_time is OnTime.INSTANT:
            return due_at, due_at
        opens_at, noon_at, closes_at = _day_bounds(due_at // QUARTER_US, self.zone)
        if self.on_time is OnTime.HALF_DAY:
            return (opens_at if due_at < noon_at else noon_at), due_at
        return opens_at, closes_at

    def promise_after_pause(self, *, accepted_at: int, due_original: int, due_at: int, paused_at: int, at: int) -> int:
        """The promise in force when a pause ends at `at` without a new one."""
        if self.resume is Resume.SHIFT:
            return due_at + working_time.between(paused_at, at)
        if self.resume is Resume.RESET:
            return at + working_time.between(accepted_at, due_original)
        return due_at


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The policies in force, and the one for dossiers that name none."""

    policies: Mapping[str, Policy]
    default: Policy

    @classmethod
    def of(cls, records: Mapping[str, PolicyRecord], *, default: str) -> Self:
        """Build the rules; `KeyError` when the default is not among them."""
        policies = {id_: Policy.of(record) for id_, record in records.items()}
        return cls(policies, policies[default])


def classify(*, due_at: int | None, ended_at: int | None, as_of: int, policy: Policy) -> Timeliness:
    """Place a dossier that is not paused against its promise; `policy` says what "on time" spans."""
    if due_at is None:
        return Timeliness.UNDATED  # no promise is its own answer, never a guess
    opens_at, closes_at = policy.on_time_band(due_at)
    if ended_at is None:
        return Timeliness.OVERDUE if as_of > closes_at else Timeliness.WITHIN_DUE
    if ended_at > closes_at:
        return Timeliness.OVERDUE
    return Timeliness.EARLY if ended_at < opens_at else Timeliness.ON_TIME


@lru_cache(maxsize=65536)
def _day(quarter: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(quarter * 900, zone).date().isoformat()


@lru_cache(maxsize=65536)
def _day_bounds(quarter: int, zone: ZoneInfo) -> tuple[int, int, int]:
    """Start, noon and last microsecond of the local day that holds this quarter hour."""
    day = datetime.fromtimestamp(quarter * 900, zone).date()
    starts = datetime.combine(day, time(0), zone)
    noon = datetime.combine(day, time(NOON_H), zone)
    ends = datetime.combine(day + timedelta(days=1), time(0), zone)
    return round(starts.timestamp()) * US, round(noon.timestamp()) * US, round(ends.timestamp()) * US - 1
