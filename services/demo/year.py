"""The synthetic year: a deterministic stream of events whose totals are the article's, dossier by dossier invented.

Nothing here is a record of a real dossier. Only these sums come from the article (docs/demo.md): the centre solved
128,539 of 129,023 dossiers, 580 of them carried over from 2020, 95.35 % early and the rest on time; ten communes solved
28,373 of 38,303, none late. Every breakdown below that (unit, day, channel, procedure, waiting) is synthetic.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from schemas.codec import Event, new_event
from schemas.events import Channel, Kind, Outcome

SOURCE: Final = "https://motcua.uongbi.example/demo"
SEED: Final = 2021
OFFICE: Final = ZoneInfo("Asia/Ho_Chi_Minh")
YEAR_END: Final = datetime(2021, 12, 31, 23, 59, 59, tzinfo=OFFICE)

CENTRE: Final = "196.TTHCC"
COMMUNES: Final = ("06808", "06811", "06814", "06817", "06820", "06823", "06826", "06829", "06832", "06835")

# Public holidays of 2021 on weekdays: New Year, Tet, Hung Kings, Reunification and Labour Day, National Day.
HOLIDAYS: Final = frozenset(
    date(2021, month, day)
    for month, day in (
        (1, 1),
        (2, 10),
        (2, 11),
        (2, 12),
        (2, 15),
        (2, 16),
        (4, 21),
        (4, 30),
        (5, 3),
        (9, 2),
        (9, 3),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How many dossiers of a group of units end how."""

    units: tuple[str, ...]
    carried_over: int  # of the solved ones: accepted in December 2020
    early: int
    on_time: int
    open: int


PLANS: Final = (
    Plan(units=(CENTRE,), carried_over=580, early=122_562, on_time=5_977, open=484),
    Plan(units=COMMUNES, carried_over=0, early=26_000, on_time=2_373, open=9_930),
)


def events(plans: tuple[Plan, ...] = PLANS, *, seed: int = SEED) -> list[Event]:
    """The whole year in order of time; the same for the same seed."""
    random = Random(seed)  # noqa: S311 - invented dossiers, not secrets
    numbers: Counter[tuple[str, date]] = Counter()
    found = [event for plan in plans for event in _group(plan, random, numbers)]
    found.sort(key=lambda event: event.time)
    return found


def _group(plan: Plan, random: Random, numbers: Counter[tuple[str, date]]) -> Iterator[Event]:
    ends = ["early"] * plan.early + ["on_time"] * plan.on_time + ["open"] * plan.open
    random.shuffle(ends)
    carried = plan.carried_over
    for end in ends:
        carry = carried > 0 and end == "early"
        carried -= carry
        yield from _dossier(random.choice(plan.units), end, carry=carry, random=random, numbers=numbers)


def _dossier(
    unit: str, end: str, *, carry: bool, random: Random, numbers: Counter[tuple[str, date]]
) -> Iterator[Event]:
    """One dossier's events. Promised for 17:00 of a working day; early is any day before, on time that day."""
    if carry:
        accepted, promised = random.choice(_DAYS_2020), random.choice(_DAYS[4:10])
    elif end == "open":
        # Accepted so late, or promised so far ahead, that the year ends before the promise.
        accepted, promised = random.choice(_DAYS[190:]), random.choice(_DAYS_2022)
    else:
        first = random.randrange(len(_DAYS) - 1)
        accepted, promised = _DAYS[first], _DAYS[min(first + random.randint(1, 15), len(_DAYS) - 1)]
    numbers[unit, accepted] += 1
    dossier = f"{_CODES[unit]}-{accepted:%y%m%d}-{numbers[unit, accepted]:04d}"
    story = _Story(dossier, unit)
    start = _moment(accepted, random)
    channel = random.choices((Channel.DIRECT, Channel.ONLINE, Channel.POSTAL), (60, 35, 5))[0]
    procedure = {"procedure_id": random.choice(_PROCEDURES), "channel": channel}
    if channel is Channel.ONLINE and random.random() < 0.2:
        yield story.tell(Kind.REGISTERED, start - timedelta(hours=1), **procedure)
    yield story.tell(Kind.ACCEPTED, start, due_at=datetime.combine(promised, time(17), OFFICE), **procedure)
    if unit == CENTRE:  # communes mostly certify on the spot
        yield story.tell(Kind.PROCESSING_STARTED, start + timedelta(minutes=20))
    if end == "open":
        if random.random() < 0.1:
            yield story.tell(Kind.SUPPLEMENT_REQUESTED, start + timedelta(minutes=30))
        return
    if end == "on_time":
        finished = _moment(promised, random)
    else:
        after = _DAYS[0] if carry else accepted
        finished = _moment(random.choice(_days_from(after, promised)), random)
        finished = max(finished, start + timedelta(minutes=25))
        if random.random() < 0.02:  # waits a little while, within the day: the promise moves by as much
            yield story.tell(Kind.SUPPLEMENT_REQUESTED, finished - timedelta(minutes=4))
            yield story.tell(Kind.SUPPLEMENT_RECEIVED, finished - timedelta(minutes=1))
    yield story.tell(Kind.FINISHED, finished, outcome=random.choices(tuple(Outcome), (96, 2, 1, 1))[0])
    if random.random() < 0.93:
        yield story.tell(Kind.DELIVERED, finished + timedelta(minutes=30))


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


def _days_from(start: date, before: date) -> list[date]:
    """Working days from `start` to the day before `before`; at least `start`."""
    first = _INDEX.get(start, 0)
    return _DAYS[first : _INDEX[before]] or [start]


def _working_days(start: date, end: date) -> list[date]:
    found = (start + timedelta(days=days) for days in range((end - start).days + 1))
    return [day for day in found if day.weekday() < 5 and day not in HOLIDAYS]


_DAYS_2020: Final = _working_days(date(2020, 12, 15), date(2020, 12, 31))
_DAYS: Final = _working_days(date(2021, 1, 1), date(2021, 12, 31))
_DAYS_2022: Final = _working_days(date(2022, 1, 10), date(2022, 2, 25))
_INDEX: Final = {day: number for number, day in enumerate(_DAYS)}
# Agency codes below H49.20 are invented: no public source gives them.
_CODES: Final = {CENTRE: "000.00.20.H49"} | {
    unit: f"000.{number:02d}.20.H49" for number, unit in enumerate(COMMUNES, 1)
}
_PROCEDURES: Final = tuple(f"9.{number:06d}" for number in range(1, 41))  # invented: no procedure code begins with 9
