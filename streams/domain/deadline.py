"""The promise and how a dossier stands against it. Rules that differ between authorities are data: `Policy`.

Moments are whole microseconds since 1970 UTC, as in schemas/state.py.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import lru_cache
from hashlib import blake2b
from typing import Final, Self
from zoneinfo import ZoneInfo

from schemas.reference import CalendarRecord, OnTime, PolicyRecord, Resume, SecondSupplement, Unit, UnitRules
from schemas.state import Status, Timeliness
from streams.domain.lifecycle import ends
from streams.domain.working_time import DAY_US, HOUR_US, QUARTER_US, US, Calendar, day_bounds, since_midnight

NOON_US: Final = 12 * HOUR_US


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Policy:
    """One version of the rules with the calendar they are applied by; figures name both."""

    id: str
    zone: ZoneInfo
    calendar: Calendar | None  # None: every hour counts
    on_time: OnTime
    pauses: frozenset[Status]
    ends: frozenset[Status]
    resume: Resume
    second_supplement: SecondSupplement
    reception_closes: int | None  # microseconds since midnight
    due_soon_days: int

    @classmethod
    def of(cls, record: PolicyRecord, calendar: Calendar | None) -> Self:
        """The policy as the fold uses it."""
        closes = record.reception_closes
        return cls(
            id=record.id,
            zone=ZoneInfo(record.zone),
            calendar=calendar,
            on_time=record.on_time,
            pauses=frozenset(record.pauses),
            ends=ends(frozenset(record.pauses)),
            resume=record.resume,
            second_supplement=record.second_supplement,
            reception_closes=None if closes is None else since_midnight(closes),
            due_soon_days=record.due_soon_days,
        )

    @property
    def calendar_id(self) -> str:
        """The calendar's id; empty when every hour counts."""
        return self.calendar.id if self.calendar else ""

    def day_of(self, at: int) -> str:
        """The office's calendar day, ISO."""
        return _day(at // QUARTER_US, self.zone)

    def on_time_band(self, due_at: int) -> tuple[int, int]:
        """First and last moment that count as on time; earlier is early, later is overdue.

        `day`: the promised day, end of day included (Civil Code 2015 art. 148: a day ends at 24:00). `half_day`: from
        the start of the office hours that the promise falls into (without a calendar: of the morning or the afternoon)
        to the promise. `instant`: the promise itself.
        """
        if self.on_time is OnTime.INSTANT:
            return due_at, due_at
        _, opens_at, next_opens_at = day_bounds(due_at // QUARTER_US, self.zone)
        if self.on_time is OnTime.DAY:
            return opens_at, next_opens_at - 1
        if self.calendar is not None:
            opens_at = self.calendar.session_of(due_at) or opens_at
        elif due_at >= opens_at + NOON_US:
            opens_at += NOON_US
        return opens_at, due_at

    def due_soon_at(self, closes_at: int) -> int:
        """From when an open dossier is due soon: so many working days before its promise closes."""
        if self.calendar is None:
            return closes_at - self.due_soon_days * DAY_US
        return _days_before(self.calendar, closes_at, self.due_soon_days)

    def starts_at(self, accepted_at: int) -> int:
        """When the clock of what came in starts."""
        if self.calendar is None:
            return accepted_at
        return self.calendar.starts_at(accepted_at, closes=self.reception_closes)

    def counted(self, start: int, end: int) -> int:
        """What of a span is charged to the office: working microseconds; never negative."""
        return max(0, end - start) if self.calendar is None else self.calendar.between(start, end)

    def promise_after_pause(self, *, accepted_at: int, due_original: int, due_at: int, paused_at: int, at: int) -> int:
        """The promise in force when a pause ends at `at` without a new one."""
        calendar = self.calendar
        match self.resume:
            case Resume.KEEP:
                return due_at
            case Resume.SHIFT if calendar is None:
                return due_at + max(0, at - paused_at)
            case Resume.SHIFT:
                assert calendar is not None
                return calendar.add_working_time(due_at, calendar.between(paused_at, at))
            case Resume.SHIFT_DAYS if calendar is None:
                return due_at + max(0, at - paused_at)
            case Resume.SHIFT_DAYS:
                assert calendar is not None
                return calendar.shift_days(due_at, paused_at=paused_at, resumed_at=at)
            case Resume.RESET if calendar is None:
                return at + max(0, due_original - accepted_at)
            case Resume.RESET:
                assert calendar is not None
                start = self.starts_at(accepted_at)
                return calendar.add_working_time(self.starts_at(at), calendar.between(start, due_original))


@dataclass(frozen=True, slots=True)
class Rulebook:
    """Which policy governs a dossier: the one that its facts name, else that of the unit which accepted it, then.

    `fingerprint` changes with anything that could change a conclusion: a state that names another one is folded anew.
    """

    policies: Mapping[tuple[str, str], Policy]  # by policy and calendar id
    default: Policy
    own_calendar: Mapping[str, str]  # policy id to the calendar it names itself
    by_unit: Mapping[str, tuple[tuple[int, ...], tuple[Policy, ...]]]  # starts, and what holds from each on
    fingerprint: str

    @classmethod
    def of(
        cls,
        policies: Mapping[str, PolicyRecord],
        calendars: Mapping[str, CalendarRecord],
        *,
        default: str,
        units: Iterable[Unit] = (),
    ) -> Self:
        """Build the rules; `KeyError` names a policy or calendar that is missing."""
        laid_out = {id_: Calendar.of(record) for id_, record in calendars.items()}
        known = {unit.id: unit for unit in units}
        bound: dict[tuple[str, str], Policy] = {}

        def bind(policy_id: str, calendar_id: str | None = None) -> Policy:
            record = policies[policy_id]
            calendar_id = calendar_id or record.calendar_id
            key = policy_id, calendar_id or ""
            if key not in bound:
                bound[key] = Policy.of(record, laid_out[calendar_id] if calendar_id else None)
            return bound[key]

        by_unit = {}
        for unit_id in known:
            if entries := _inherited(unit_id, known):
                governing = [bind(entry.policy_id, entry.calendar_id) for entry in entries]
                starts = [
                    _start(entry.valid_from, policy.zone) for entry, policy in zip(entries, governing, strict=True)
                ]
                by_unit[unit_id] = tuple(starts), tuple(governing)
        own_calendar = {id_: bind(id_).calendar_id for id_ in policies}
        return cls(bound, bind(default), own_calendar, by_unit, _fingerprint(policies, calendars, default, known))

    def governing(self, unit_id: str | None, at: int, named: str | None) -> Policy:
        """The policy of a dossier that `unit_id` took in at `at`; `named`: the one that its facts name."""
        starts, policies = self.by_unit.get(unit_id or "", _NO_RULES)
        place = bisect_right(starts, at)
        of_unit = policies[place - 1] if place else self.default
        if named is None or named == of_unit.id or named not in self.own_calendar:
            return of_unit
        return self.policies[named, self.own_calendar[named]]

    def policy(self, policy_id: str, calendar_id: str) -> Policy:
        """The policy that a state names; the default when it is not among these rules."""
        return self.policies.get((policy_id, calendar_id), self.default)


_NO_RULES: Final[tuple[tuple[int, ...], tuple[Policy, ...]]] = (), ()


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


def _inherited(unit_id: str, known: Mapping[str, Unit]) -> tuple[UnitRules, ...]:
    """The rules of the nearest unit, upwards, that has any, by day."""
    passed: set[str] = set()
    above: str | None = unit_id
    while above is not None and above in known and above not in passed:
        if known[above].rules:
            return tuple(sorted(known[above].rules, key=lambda entry: entry.valid_from))
        passed.add(above)
        above = known[above].parent_id
    return ()


def _start(day: date, zone: ZoneInfo) -> int:
    return round(datetime.combine(day, time(0), zone).timestamp()) * US


def _fingerprint(
    policies: Mapping[str, PolicyRecord],
    calendars: Mapping[str, CalendarRecord],
    default: str,
    units: Mapping[str, Unit],
) -> str:
    """32 bits, in hex, of everything above; units only as far as they decide about rules."""
    digest = blake2b(default.encode(), digest_size=4)
    records = (*(policies[id_] for id_ in sorted(policies)), *(calendars[id_] for id_ in sorted(calendars)))
    for record in records:
        digest.update(record.model_dump_json(exclude={"source"}).encode())
    for id_ in sorted(units):
        if entries := _inherited(id_, units):
            digest.update("".join((id_, *(entry.model_dump_json() for entry in entries))).encode())
    return digest.hexdigest()


@lru_cache(maxsize=65536)  # promises close at the ends of few days
def _days_before(calendar: Calendar, at: int, days: int) -> int:
    return calendar.back_working_days(at, days)


@lru_cache(maxsize=65536)
def _day(quarter: int, zone: ZoneInfo) -> str:
    return date.fromordinal(day_bounds(quarter, zone)[0]).isoformat()
