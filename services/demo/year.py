"""The synthetic year: a deterministic stream of events whose totals are the article's, dossier by dossier invented.

Nothing here is a record of a real dossier. Only these sums come from the article (docs/demo.md): the centre solved
128,539 of 129,023 dossiers, 580 of them carried over from 2020, 95.35 % early and the rest on time; ten communes solved
28,373 of 38,303, none late. Every breakdown below that (unit, day, channel, procedure, waiting) is synthetic.

The sums hold for both readings of "the year 2021": the calendar's, and from 15 December to 14 December as yearly
reports are closed. For that, the weeks by which the readings differ hold as many dossiers at either end of the year,
each received and resolved within them, and what is carried over or left open lies across both.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from schemas.codec import Event, new_event
from schemas.events import Channel, Kind, Outcome
from schemas.reference import read_calendars
from streams.domain.working_time import Calendar

SOURCE: Final = "https://motcua.uongbi.example/demo"
SEED: Final = 2021
OFFICE: Final = ZoneInfo("Asia/Ho_Chi_Minh")
YEAR_END: Final = datetime(2021, 12, 31, 23, 59, 59, tzinfo=OFFICE)
READINGS: Final = {
    "2021": (date(2021, 1, 1), date(2021, 12, 31)),
    "15/12": (date(2020, 12, 15), date(2021, 12, 14)),
}
"""First and last day of the year, by either reading."""

CITY: Final = "196"
CENTRE: Final = "196.TTHCC"
COMMUNES: Final = ("06808", "06811", "06814", "06817", "06820", "06823", "06826", "06829", "06832", "06835")

# Agency codes below H49.20 are invented: no public source gives them.
_CODES: Final = {CENTRE: "000.00.20.H49"} | {
    unit: f"000.{number:02d}.20.H49" for number, unit in enumerate(COMMUNES, 1)
}
# The first forty of either kind of desk in the catalogue (schemas/reference/procedures.json), all of them online.
_AT_CENTRE: Final = tuple(f"9.{number:06d}" for number in range(1, 41))
_AT_COMMUNES: Final = tuple(f"9.{number:06d}" for number in range(278, 318))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How many dossiers of a group of units end how, in the year by either reading."""

    units: tuple[str, ...]
    carried_over: int  # of the early ones: accepted before the year, and resolved in January
    early: int
    on_time: int
    open: int
    turn_early: int = 0  # of these, received and resolved in the last two weeks; as many again in those before the year
    turn_on_time: int = 0


PLANS: Final = (
    Plan(
        units=(CENTRE,),
        carried_over=580,
        early=122_562,
        on_time=5_977,
        open=484,
        turn_early=6_300,
        turn_on_time=300,
    ),
    Plan(
        units=COMMUNES,
        carried_over=0,
        early=26_000,
        on_time=2_373,
        open=9_930,
        turn_early=1_000,
        turn_on_time=90,
    ),
)


def events(plans: tuple[Plan, ...] = PLANS, *, seed: int = SEED) -> list[Event]:
    """The whole year in order of time; the same for the same seed."""
    random = Random(seed)  # noqa: S311 - invented dossiers, not secrets
    numbers: Counter[tuple[str, date]] = Counter()
    found = [event for plan in plans for event in _group(plan, random, numbers)]
    found.sort(key=lambda event: event.time)
    return found


def _group(plan: Plan, random: Random, numbers: Counter[tuple[str, date]]) -> Iterator[Event]:
    turn = [(True, "turn")] * plan.turn_early + [(False, "turn")] * plan.turn_on_time
    before = [(is_early, "before") for is_early, _ in turn]
    year = [(True, "carried")] * plan.carried_over
    year += [(True, "year")] * (plan.early - plan.carried_over - plan.turn_early)
    year += [(False, "year")] * (plan.on_time - plan.turn_on_time)
    stories = [*before, *year, *turn, *[(False, "open")] * plan.open]
    random.shuffle(stories)
    for is_early, when in stories:
        yield from _dossier(random.choice(plan.units), when, is_early=is_early, random=random, numbers=numbers)


def _dossier(
    unit: str, when: str, *, is_early: bool, random: Random, numbers: Counter[tuple[str, date]]
) -> Iterator[Event]:
    """One dossier's events. Promised for 17:00 of a working day; early is any day before, on time that day."""
    accepted, promised = _days_of(when, random)
    numbers[unit, accepted] += 1
    dossier = f"{_CODES[unit]}-{accepted:%y%m%d}-{numbers[unit, accepted]:04d}"
    story = _Story(dossier, unit)
    start = _moment(accepted, random)
    channel = random.choices((Channel.DIRECT, Channel.ONLINE, Channel.POSTAL), (60, 35, 5))[0]
    procedure = {"procedure_id": random.choice(_AT_CENTRE if unit == CENTRE else _AT_COMMUNES), "channel": channel}
    if channel is Channel.ONLINE and random.random() < 0.2:
        yield story.tell(Kind.REGISTERED, start - timedelta(hours=1), **procedure)
    yield story.tell(Kind.ACCEPTED, start, due_at=datetime.combine(promised, time(17), OFFICE), **procedure)
    if unit == CENTRE:  # communes mostly certify on the spot
        yield story.tell(Kind.PROCESSING_STARTED, start + timedelta(minutes=20))
    if when == "open":
        if random.random() < 0.1:
            yield story.tell(Kind.SUPPLEMENT_REQUESTED, start + timedelta(minutes=30))
        return
    if is_early:
        first = date(2021, 1, 1) if when == "carried" else accepted
        finished = _moment(random.choice(_working_days(first, promised - timedelta(days=1))), random)
        finished = max(finished, start + timedelta(minutes=25))
        if random.random() < 0.02:  # waits a little while, within office hours
            yield story.tell(Kind.SUPPLEMENT_REQUESTED, finished - timedelta(minutes=4))
            yield story.tell(Kind.SUPPLEMENT_RECEIVED, finished - timedelta(minutes=1))
    else:
        finished = _moment(promised, random)
    yield story.tell(Kind.FINISHED, finished, outcome=random.choices(tuple(Outcome), (96, 2, 1, 1))[0])
    if random.random() < 0.93:
        yield story.tell(Kind.DELIVERED, finished + timedelta(minutes=30))


def _days_of(when: str, random: Random) -> tuple[date, date]:
    """The day of acceptance and that of the promise."""
    if when == "carried":
        january = _working_days(date(2021, 1, 7), date(2021, 1, 15))
        return random.choice(_working_days(date(2020, 11, 16), date(2020, 12, 14))), random.choice(january)
    if when == "open":  # so late, or promised so far ahead, that the year ends before the promise
        ahead = _working_days(date(2022, 1, 10), date(2022, 2, 25))
        return random.choice(_working_days(date(2021, 10, 11), date(2021, 12, 14))), random.choice(ahead)
    first, last = {
        "before": (date(2020, 12, 15), date(2020, 12, 31)),
        "year": (date(2021, 1, 1), date(2021, 12, 14)),
        "turn": (date(2021, 12, 15), date(2021, 12, 31)),
    }[when]
    days = _working_days(first, last)
    place = random.randrange(len(days) - 1)
    return days[place], days[min(place + random.randint(1, 15), len(days) - 1)]


@dataclass(slots=True)
class _Story:
    dossier: str
    unit: str
    told: int = 0

    def tell(self, kind: Kind, moment: datetime, **data: object) -> Event:
        self.told += 1
        return new_event(
            kind,
            id=f"{self.dossier}.{self.told}",
            source=SOURCE,
            subject=self.dossier,
            time=moment,
            unit_id=self.unit,
            **data,
        )


def _moment(day: date, random: Random) -> datetime:
    """Some minute of the morning, 07:30 to 11:00: what follows within the hour stays inside office hours."""
    return datetime.combine(day, time(7, 30), OFFICE) + timedelta(minutes=random.randrange(210))


@cache
def _working_days(first: date, last: date) -> list[date]:
    return [day for day in _all_working_days() if first <= day <= last]


@cache
def _all_working_days() -> list[date]:
    calendar = Calendar.of(read_calendars()["vn-1"])
    return [day for day in calendar if 2020 <= day.year <= 2022]
