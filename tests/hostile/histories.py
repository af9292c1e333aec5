"""A seeded generator of hostile histories: JSON events of one dossier in the order of their arrival. Synthetic.

Most steps are such as the lifecycle allows, the rest are any; then come repeats, reused ids, retractions (of
retractions too, and from units that may not), strangers' facts, and an order of arrival that is none. Moments crowd
where rules have edges: office hours, midnights, Tet, 31 December, 14 and 15 December.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from schemas.events import FACTS, Channel, DueCause, Kind, Mark, Outcome
from schemas.state import Status
from streams.domain.lifecycle import next_status
from tests.factories import OFFICE, OTHER_UNIT, SOURCE, UNIT

UNITS: Final = (UNIT, OTHER_UNIT)
STRANGER: Final = "06820"
POLICIES: Final = (
    *("vn-day-1", "vn-day-15dec-1", "vn-day-s3-1", "vn-day-reset-1", "vn-day-keep-1", "vn-day-1500-1"),
    *("vn-half-day-1", "vn-instant-1", "vn-766-1", "us-boston-instant-1", "test-run-on", "test-half-day"),
)
DAYS: Final = (
    "2020-12-14",
    "2020-12-31",
    "2021-02-06",
    "2021-02-09",
    "2021-04-29",
    "2021-07-14",
    "2021-12-13",
    "2021-12-30",
)
CLOCK: Final = (
    *("00:00:00", "06:59:59.999999", "07:00:00", "09:10:00", "11:30:00", "11:45:00", "13:00:00", "13:30:00"),
    *("14:59:59.999999", "15:00:00", "16:59:00", "17:00:00", "17:01:00", "23:59:59.999999"),
)
TYPE_OF_KIND: Final = {fact.kind: fact.type for fact in FACTS}
WITH_PROMISE: Final = {
    *(Kind.ACCEPTED, Kind.TRANSFERRED, Kind.SUPPLEMENT_RECEIVED, Kind.PAYMENT_RECEIVED, Kind.RESUMED, Kind.REOPENED)
}
ALLOWED_SHARE: Final = 0.85

Document = dict[str, Any]


def hostile(random: Random, dossier: str) -> list[Document]:
    """One dossier's events as they arrive: 1 to some 30."""
    history = list(_life(random, dossier))
    for _ in range(random.choice((0, 0, 0, 1, 2, 3))):
        _add_retraction(random, history)
    if random.random() < 0.2:
        history.append(_again_with_other_content(random, random.choice(history)))
    arrival = history + random.choices(history, k=random.choice((0, 0, 1, len(history))))
    match random.randrange(4):
        case 0:
            random.shuffle(arrival)
        case 1:  # one that comes late
            arrival.append(arrival.pop(random.randrange(len(arrival))))
        case 2:  # what corrects comes before what it corrects
            arrival.reverse()
    return arrival


def _life(random: Random, dossier: str) -> Iterator[Document]:
    """A walk through the lifecycle, with steps that it does not allow."""
    status: Status | None = None
    accepted = False
    unit = random.choice(UNITS)
    at = _moment(random, datetime.fromisoformat(random.choice(DAYS)))
    for number in range(random.randint(1, 14)):
        kinds = [kind for kind in Kind if next_status(status, kind, accepted=accepted)]
        kind = random.choice(kinds if kinds and random.random() < ALLOWED_SHARE else list(Kind))
        acting = unit if random.random() < 0.95 else random.choice((*UNITS, STRANGER))
        document = _document(random, kind, dossier, f"e{number}", at, acting)
        if kind is Kind.RETRACTED:
            document["data"] |= {"retracts_source": SOURCE, "retracts_id": f"e{random.randrange(14)}"}
        yield document
        step = next_status(status, kind, accepted=accepted)
        if step and acting == unit:
            status, accepted = step, accepted or kind is Kind.ACCEPTED
            unit = document["data"].get("to_unit_id", unit)
        at = _later(random, at)


def _document(random: Random, kind: Kind, dossier: str, id_: str, at: datetime, unit: str) -> Document:
    data: Document = {"unit_id": unit}
    if kind in (Kind.REGISTERED, Kind.ACCEPTED):
        data["procedure_id"] = random.choice(("1.001612", "2.000720"))
        if kind is Kind.ACCEPTED or random.random() < 0.5:
            data["channel"] = random.choice(list(Channel)).value
        if random.random() < 0.6:
            data["policy_id"] = random.choice(POLICIES)
        if random.random() < 0.15:
            data["root_id"] = f"root-{random.randrange(5)}"
    if kind is Kind.DUE_CHANGED or (
        kind in WITH_PROMISE and random.random() < (0.85 if kind is Kind.ACCEPTED else 0.25)
    ):
        data["due_at"] = _moment(random, at + timedelta(days=random.choice((-2, 0, 0, 1, 3, 5, 8, 20)))).isoformat()
    if kind is Kind.DUE_CHANGED:
        data["cause"] = random.choice(list(DueCause)).value
    if kind is Kind.TRANSFERRED:
        data["to_unit_id"] = random.choice(UNITS)
    if kind is Kind.FINISHED:
        data["outcome"] = random.choice(list(Outcome)).value
    if kind in (Kind.ACCEPTED, Kind.PAYMENT_RECEIVED, Kind.FINISHED) and random.random() < 0.3:
        data["marks"] = [mark.value for mark in random.sample(list(Mark), 2)]
    return {
        "specversion": "1.0",
        "id": id_,
        "source": SOURCE,
        "subject": dossier,
        "time": at.isoformat(),
        "type": TYPE_OF_KIND[kind],
        "data": data,
    }


def _add_retraction(random: Random, history: list[Document]) -> None:
    """Take back any event, another retraction included; mostly by the unit that sent it, before or after it."""
    target = random.choice(history)
    unit = target["data"]["unit_id"] if random.random() < 0.8 else random.choice((*UNITS, STRANGER))
    at = datetime.fromisoformat(target["time"]) + timedelta(days=random.choice((-1, 0, 0, 1, 40)))
    document = _document(random, Kind.RETRACTED, target["subject"], f"r{len(history)}", at, unit)
    document["data"] |= {"retracts_source": target["source"], "retracts_id": target["id"]}
    history.append(document)


def _again_with_other_content(random: Random, document: Document) -> Document:
    """The same source and id, another fact: at another time, or of another kind at the same one."""
    kind = random.choice(list(Kind))
    at = datetime.fromisoformat(document["time"]) + timedelta(hours=random.choice((-30, 0, 0, 30)))
    other = _document(random, kind, document["subject"], document["id"], at, document["data"]["unit_id"])
    if kind is Kind.RETRACTED:
        other["data"] |= {"retracts_source": SOURCE, "retracts_id": f"e{random.randrange(14)}"}
    return other


def _later(random: Random, at: datetime) -> datetime:
    """At the same moment, within the day, or days later at a time of day on an edge."""
    match random.randrange(5):
        case 0:
            return at
        case 1:
            return at + timedelta(minutes=random.choice((1, 30, 240)))
        case _:
            return _moment(random, at + timedelta(days=random.choice((0, 1, 1, 2, 3, 7, 12))))


def _moment(random: Random, day: datetime) -> datetime:
    return datetime.fromisoformat(f"{day.date().isoformat()}T{random.choice(CLOCK)}").replace(tzinfo=OFFICE)
