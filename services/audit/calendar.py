"""Office hours day by day: the audit's own arithmetic, slow and plain. Moments are microseconds since 1970 UTC."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from schemas.events import YEAR_MAX, YEAR_MIN
from schemas.reference import CalendarRecord

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
DAY: Final = timedelta(days=1)


def micros(moment: datetime) -> int:
    """An aware moment in microseconds."""
    return (moment - EPOCH) // MICROSECOND


def day_of(at: int, zone: str) -> date:
    """The local day of a moment."""
    return (EPOCH + at * MICROSECOND).astimezone(ZoneInfo(zone)).date()


@lru_cache(maxsize=4096)
def midnight(day: date, zone: str) -> int:
    """When a local day begins."""
    return micros(datetime.combine(day, time(0), ZoneInfo(zone)))


@dataclass(frozen=True)
class OfficeHours:
    """A calendar, asked day by day. Outside 1990 to 2099 nobody works."""

    record: CalendarRecord

    def works_on(self, day: date) -> bool:
        """Whether it is a working day: a make-up day, or neither weekend nor day off."""
        if not YEAR_MIN <= day.year <= YEAR_MAX:
            return False
        is_off = day.weekday() in self.record.weekend or day in self.record.days_off
        return day in self.record.make_up_days or not is_off

    def from_day_of(self, at: int) -> Iterator[tuple[int, int]]:
        """Office hours, opening and closing, from the beginning of the day of `at` on."""
        day = day_of(at, self.record.zone)
        while day.year <= YEAR_MAX:
            if self.works_on(day):
                yield from self._hours(day)
            day += DAY

    def between(self, start: int, end: int) -> int:
        """How long the office was open."""
        total = 0
        for opens, closes in self.from_day_of(start):
            if opens >= end:
                break
            total += max(0, min(end, closes) - max(start, opens))
        return total

    def after(self, at: int, open_time: int) -> int:
        """When the office will have been open for so long since `at`."""
        for opens, closes in self.from_day_of(at) if open_time else ():
            begins = max(at, opens)
            if closes > begins:
                if open_time <= closes - begins:
                    return begins + open_time
                open_time -= closes - begins
        return at

    def work_begins(self, at: int, reception_closes: time | None) -> int:
        """When work on what comes in at `at` begins; late in the day: with the next working day."""
        day = day_of(at, self.record.zone)
        is_late = reception_closes is not None and at - midnight(day, self.record.zone) >= _since_midnight(
            reception_closes
        )
        for opens, closes in self.from_day_of(at):
            if at < closes and not (is_late and day_of(opens, self.record.zone) == day):
                return max(at, opens)
        return at

    def half_day_begins(self, at: int) -> int:
        """The last opening of that day before `at`; before the first: the day's beginning."""
        day = day_of(at, self.record.zone)
        openings = [opens for opens, _ in self._hours(day) if opens <= at]
        return openings[-1] if openings else midnight(day, self.record.zone)

    def working_days_before(self, at: int, days: int) -> int:
        """The same time of day, so many working days earlier."""
        day = day_of(at, self.record.zone)
        time_of_day = at - midnight(day, self.record.zone)
        while days:
            day -= DAY
            days -= self.works_on(day)
        return midnight(day, self.record.zone) + time_of_day

    def next_working_day(self, at: int, calendar_days: int) -> int:
        """The same time of day, so many calendar days later (or earlier) and then one working day more."""
        day = day_of(at, self.record.zone)
        time_of_day = at - midnight(day, self.record.zone)
        day += calendar_days * DAY + DAY
        while not self.works_on(day):
            day += DAY
        return midnight(day, self.record.zone) + time_of_day

    def days_between(self, start: int, end: int) -> int:
        """How many midnights lie between two moments."""
        return (day_of(end, self.record.zone) - day_of(start, self.record.zone)).days

    def _hours(self, day: date) -> list[tuple[int, int]]:
        start = midnight(day, self.record.zone)
        return [
            (start + _since_midnight(opens), start + _since_midnight(closes)) for opens, closes in self.record.hours
        ]


def _since_midnight(moment: time) -> int:
    return (datetime.combine(EPOCH, moment) - datetime.combine(EPOCH, time(0))) // MICROSECOND
