"""Builds test data that shows only what matters. All of it is synthetic."""

from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final
from zoneinfo import ZoneInfo

from schemas.codec import Event, new_event
from schemas.events import Channel, Kind
from schemas.reference import PolicyRecord, read_calendars, read_policies
from schemas.state import Entry
from streams.domain.deadline import Rulebook
from streams.domain.dossier import entry_of

OFFICE: Final = ZoneInfo("Asia/Ho_Chi_Minh")
UNIT: Final = "06808"
OTHER_UNIT: Final = "06811"
DOSSIER: Final = "000.00.20.H49-210301-9001"
SOURCE: Final = "urn:hoso:test"

_ids = count()


def at(text: str) -> datetime:
    """`2021-03-01 08:30` on the office's clock."""
    return datetime.fromisoformat(text).replace(tzinfo=OFFICE)


def rules(default: str = "vn-day-1", **changes: Any) -> Rulebook:
    """The rulebook that comes with Hoso, its default policy changed at will."""
    records = dict(read_policies())
    if changes:
        records[default] = PolicyRecord(**{**records[default].model_dump(), **changes})
    return Rulebook.of(records, read_calendars(), default=default)


def event(kind: Kind, time: datetime | str, *, id: str | None = None, **data: Any) -> Event:
    """An event of `UNIT` on `DOSSIER`; an acceptance gets a procedure and a channel."""
    if kind in (Kind.REGISTERED, Kind.ACCEPTED):
        data = {"procedure_id": "1.001612", "channel": Channel.DIRECT, **data}
    return new_event(
        kind,
        id=id or f"e{next(_ids)}",
        source=data.pop("source", SOURCE),
        subject=data.pop("dossier", DOSSIER),
        time=at(time) if isinstance(time, str) else time,
        **{"unit_id": UNIT, **{key: at(value) if key == "due_at" else value for key, value in data.items()}},
    )


def entry(kind: Kind, time: datetime | str, **data: Any) -> Entry:
    """The same as the history keeps it."""
    return entry_of(event(kind, time, **data))


def days(count_: float) -> int:
    """Microseconds of so many days of 24 hours."""
    return round(timedelta(days=count_).total_seconds()) * 1_000_000
