"""Time that counts: working days and office hours of a calendar, and the periods of the law.

Moments are whole microseconds since 1970 UTC, as in schemas/state.py; days are ordinals (`date.toordinal`). Periods
follow the Civil Code 2015: in hours they start at once (art. 147); in days and months the first day is not counted, and
they end at the end of their last day, or of the next working day when that one is off (art. 148).

A calendar is laid out once as a sorted list of working days, so that every question is a search in it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Final, Self
from zoneinfo import ZoneInfo

from schemas.events import YEAR_MAX, YEAR_MIN
from schemas.reference import CalendarRecord, PeriodUnit, ProcessingTime

US: Final = 1_000_000
HOUR_US: Final = 3600 * US
DAY_US: Final = 24 * HOUR_US

FIRST_DAY: Final = date(YEAR_MIN, 1, 1).toordinal()
LAST_DAY: Final = date(YEAR_MAX, 12, 31).toordinal()

# Since 1990 every zone's offset is a multiple of a quarter hour, and so is every day's beginning: the calendar day is
# worked out once per quarter instead of once per event (1 us against 0.1 us).
QUARTER_US: Final = 900 * US


@lru_cache(maxsize=65536)
def day_bounds(quarter: int, zone: ZoneInfo) -> tuple[int, int, int]:
    """The local day that holds this quarter hour since 1970: its ordinal, its start, and the start of the next day."""
    day = datetime.fromtimestamp(quarter * 900, zone).date()
    return day.toordinal(), _midnight(day, zone), _midnight(day + timedelta(days=1), zone)


def _midnight(day: date, zone: ZoneInfo) -> int:
    return round(datetime.combine(day, time(0), zone).timestamp()) * US


@lru_cache(maxsize=65536)
def _start_of(ordinal: int, zone: ZoneInfo) -> int:
    return _midnight(date.fromordinal(ordinal), zone)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calendar:
    """Working days and office hours of an authority. Outside 1990 to 2099 there are no working days."""

    id: str
    zone: ZoneInfo
    days: tuple[int, ...]  # working days, sorted
    sessions: tuple[tuple[int, int], ...]  # office hours: microseconds since midnight, from and to
    per_day: int  # working microseconds of a working day

    @classmethod
    def of(cls, record: CalendarRecord) -> Self:
        """The calendar as the fold uses it (10 ms: once per calendar)."""
        sessions = tuple((since_midnight(opens), since_midnight(closes)) for opens, closes in record.hours)
        off = {day.toordinal() for day in record.days_off}
        made_up = {day.toordinal() for day in record.make_up_days}
        return cls(
            id=record.id,
            zone=ZoneInfo(record.zone),
            days=tuple(
                day
                for day in range(FIRST_DAY, LAST_DAY + 1)
                if day in made_up or (day not in off and (day - 1) % 7 not in record.weekend)
            ),
            sessions=sessions,
            per_day=sum(closes - opens for opens, closes in sessions),
        )

    def is_working_day(self, day: date) -> bool:
        """Whether the authority works on this local day."""
        ordinal = day.toordinal()
        at = bisect_left(self.days, ordinal)
        return at < len(self.days) and self.days[at] == ordinal

    def working_days(self, first: date, last: date) -> int:
        """How many working days there are from `first` to `last`, both included."""
        return bisect_right(self.days, last.toordinal()) - bisect_left(self.days, first.toordinal())

    def between(self, start: int, end: int) -> int:
        """Working microseconds from `start` to `end`; never negative."""
        return max(0, self._worked(end) - self._worked(start))

    def add_working_time(self, at: int, amount: int) -> int:
        """The first moment by which `amount` working microseconds have passed since `at`; negative: the last before."""
        if amount < 0:
            return self._latest(self._worked(at) + amount)
        return max(at, self._earliest(self._worked(at) + amount)) if amount else at

    def add_working_days(self, at: int, days: int) -> int:
        """The end of the `days`-th working day after the day of `at`: its last microsecond. Zero: that very day."""
        today = day_bounds(at // QUARTER_US, self.zone)[0]
        if not days:
            return self._end_of(today)
        first = bisect_right(self.days, today)
        return self._end_of(self.days[min(first + days, len(self.days)) - 1])

    def back_working_days(self, at: int, days: int) -> int:
        """The same clock time `days` working days earlier."""
        today, start, _ = day_bounds(at // QUARTER_US, self.zone)
        found = bisect_left(self.days, today)
        return _start_of(self.days[max(found - days, 0)], self.zone) + (at - start) if days else at

    def add_days(self, at: int, days: int) -> int:
        """The end of the `days`-th calendar day after that of `at`, or of the next working day when that one is off."""
        return self._end_of(self._next_working(day_bounds(at // QUARTER_US, self.zone)[0] + days))

    def add_months(self, at: int, months: int) -> int:
        """The end of the day of the same number `months` later (or of that month's last), if need be of the next
        working day.
        """
        day = date.fromordinal(day_bounds(at // QUARTER_US, self.zone)[0])
        year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
        first = date(year, month + 1, 1)
        last = (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
        return self._end_of(self._next_working(first.replace(day=min(day.day, last.day)).toordinal()))

    def add(self, at: int, period: ProcessingTime) -> int:
        """When a period that starts at `at` ends."""
        match period.unit:
            case PeriodUnit.WORKING_DAYS:
                return self.add_working_days(at, period.amount)
            case PeriodUnit.DAYS:
                return self.add_days(at, period.amount)
            case PeriodUnit.MONTHS:
                return self.add_months(at, period.amount)
            case PeriodUnit.WORKING_HOURS:
                return self.add_working_time(at, period.amount * HOUR_US)
            case PeriodUnit.HOURS:
                return at + period.amount * HOUR_US

    def starts_at(self, at: int, *, closes: int | None = None) -> int:
        """When work on what came in at `at` begins: at once in office hours, else at the next ones.

        `closes`: what comes in at this time of the day (microseconds since midnight) or later waits for the next
        working day.
        """
        today, start, _ = day_bounds(at // QUARTER_US, self.zone)
        place = bisect_left(self.days, today)
        if place < len(self.days) and self.days[place] == today:
            for opens, ends in self.sessions:
                if at - start < ends and (closes is None or at - start < closes):
                    return max(at, start + opens)
            place += 1
        return _start_of(self.days[min(place, len(self.days) - 1)], self.zone) + self.sessions[0][0]

    def session_of(self, at: int) -> int | None:
        """When the office hours that `at` falls into began, or those before it on that day; None: before the first."""
        _, start, _ = day_bounds(at // QUARTER_US, self.zone)
        begun = [start + opens for opens, _ in self.sessions if start + opens <= at]
        return begun[-1] if begun else None

    def shift_days(self, at: int, *, paused_at: int, resumed_at: int) -> int:
        """A provincial system's rule: the calendar days waited less one, then one working day (at this time)."""
        waited = self._day_of(resumed_at) - self._day_of(paused_at)
        today, start, _ = day_bounds(at // QUARTER_US, self.zone)
        day = self._next_working(today + waited)  # "less one" and "one more" leave the next working day from there
        return _start_of(day, self.zone) + (at - start)

    def _day_of(self, at: int) -> int:
        return day_bounds(at // QUARTER_US, self.zone)[0]

    def _worked(self, at: int) -> int:
        """Working microseconds from the calendar's first day to `at`."""
        today, start, _ = day_bounds(at // QUARTER_US, self.zone)
        place = bisect_left(self.days, today)
        worked = place * self.per_day
        if place < len(self.days) and self.days[place] == today:
            worked += sum(max(0, min(at - start, closes) - opens) for opens, closes in self.sessions)
        return worked

    def _earliest(self, worked: int) -> int:
        """The first moment at which so much was worked: at the end of office hours rather than when the next begin."""
        place, rest = divmod(worked - 1, self.per_day)
        return self._at(place, rest + 1)

    def _latest(self, worked: int) -> int:
        """The last such moment."""
        place, rest = divmod(worked, self.per_day)
        return self._at(place, rest, last=True)

    def _at(self, place: int, rest: int, *, last: bool = False) -> int:
        start = _start_of(self.days[min(max(place, 0), len(self.days) - 1)], self.zone)
        for opens, closes in self.sessions:
            length = closes - opens
            if rest < length or (rest == length and not last):
                return start + opens + rest
            rest -= length
        return start + self.sessions[-1][1]

    def _next_working(self, ordinal: int) -> int:
        return self.days[min(bisect_left(self.days, ordinal), len(self.days) - 1)]

    def _end_of(self, ordinal: int) -> int:
        return _start_of(ordinal + 1, self.zone) - 1

    def __iter__(self) -> Iterator[date]:
        """Every working day."""
        return map(date.fromordinal, self.days)


def since_midnight(moment: time) -> int:
    """Microseconds since midnight."""
    return ((moment.hour * 60 + moment.minute) * 60 + moment.second) * US + moment.microsecond
