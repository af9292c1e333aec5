"""An independent recount from the log: its own reading of the rules, plain and slow, sharing no code with the fold.

Knows the kinds that the synthetic year uses. The rules: docs/glossary.md, policy `vn-day-1`.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

OFFICE = timezone(timedelta(hours=7))  # Vietnam has had no other offset in these years
ORDER = [
    "registered",
    "accepted",
    "processing_started",
    "supplement_requested",
    "supplement_received",
    "finished",
    "delivered",
]


@dataclass
class Recount:
    """What the log says: flows by (unit, day, counter), stock by (unit, bucket), (status, timeliness) by dossier."""

    flows: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    stock: Counter[tuple[str, str]] = field(default_factory=Counter)
    dossiers: dict[str, tuple[str, str | None]] = field(default_factory=dict)


def recount(values: Iterable[bytes], as_of: datetime) -> Recount:
    """Fold everything anew."""
    facts = {}
    for value in values:
        fact = json.loads(value)
        facts[fact["source"], fact["id"]] = fact
    by_dossier: dict[str, list[dict]] = {}
    for fact in facts.values():
        by_dossier.setdefault(fact["subject"], []).append(fact)
    result = Recount()
    for dossier, history in by_dossier.items():
        history.sort(key=lambda fact: (_moment(fact["time"]), ORDER.index(_kind(fact))))
        _count(dossier, history, as_of, result)
    return result


def _count(dossier: str, history: list[dict], as_of: datetime, result: Recount) -> None:
    status, unit, due, asked, ended, timeliness = None, "", None, None, None, None
    accepted = False
    for fact in history:
        kind, moment, data = _kind(fact), _moment(fact["time"]), fact["data"]
        day = moment.astimezone(OFFICE).date()
        unit = data["unit_id"]
        if kind == "registered":
            status = "registered"
        elif kind == "accepted":
            status, accepted, due = "accepted", True, _moment(data["due_at"])
            result.flows[unit, day.isoformat(), f"received_{data['channel']}"] += 1
        elif kind == "processing_started":
            status = "processing"
        elif kind == "supplement_requested":
            status, asked = "supplement_requested", moment
        elif kind == "supplement_received":
            status, due, asked = "processing", due + (moment - asked), None
        elif kind == "finished":
            status, ended = "finished", moment
            promised = due.astimezone(OFFICE).date()
            timeliness = "early" if day < promised else "on_time" if day == promised else "overdue"
            result.flows[unit, day.isoformat(), f"resolved_{timeliness}"] += 1
            result.flows[unit, day.isoformat(), f"outcome_{data['outcome']}"] += 1
        elif kind == "delivered":
            status = "delivered"
    result.dossiers[dossier] = (status, timeliness)
    if ended is None:
        result.stock[unit, _bucket(accepted, asked, due, as_of)] += 1


def _bucket(accepted: bool, asked: datetime | None, due: datetime | None, as_of: datetime) -> str:
    if not accepted:
        return "open_registered"
    if asked is not None:
        return "open_paused"
    closes = datetime.combine(due.astimezone(OFFICE).date() + timedelta(days=1), datetime.min.time(), OFFICE)
    if as_of >= closes:
        return "open_overdue"
    return "open_due_soon" if as_of >= closes - timedelta(hours=24, microseconds=1) else "open_within_due"


def _kind(fact: dict) -> str:
    return fact["type"].removeprefix("vn.hoso.dossier.").removesuffix(".v1")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
