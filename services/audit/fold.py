"""What the facts about one dossier say, concluded a second time: short, slow, and sharing no code with the processor.

Written from docs/glossary.md, the policies' own words and the transitions between the ten statuses. Only names and
records come from `schemas`. Moments are microseconds since 1970 UTC.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, Final

import msgspec

from schemas import tallies
from schemas.events import FACT_OF_TYPE, Channel, DueCause, Kind, Mark
from schemas.reference import OnTime, Resume, SecondSupplement
from schemas.state import AnomalyCode, ChangeCause, Entry, Status, Timeliness
from services.audit.calendar import DAY, MICROSECOND, day_of, micros, midnight
from services.audit.rules import Governing, Rules

K: Final = Kind
S: Final = Status

_LEAVES: Final = {K.TRANSFERRED, K.DUE_CHANGED, K.STOPPED, K.WITHDRAWN, K.FINISHED, K.DELIVERED}
_ASKS: Final = {K.SUPPLEMENT_REQUESTED, K.PAYMENT_REQUESTED}
ALLOWED: Final[Mapping[Status | None, set[Kind]]] = {
    None: {K.REGISTERED, K.ACCEPTED},
    S.REGISTERED: {K.ACCEPTED, K.REFUSED, K.SUPPLEMENT_REQUESTED, K.WITHDRAWN, K.TRANSFERRED},
    S.ACCEPTED: {K.PROCESSING_STARTED} | _ASKS | _LEAVES,
    S.PROCESSING: _ASKS | _LEAVES,
    S.SUPPLEMENT_REQUESTED: {K.SUPPLEMENT_RECEIVED, K.PAYMENT_REQUESTED, K.PROCESSING_STARTED, K.ACCEPTED, K.REFUSED}
    | _LEAVES,
    S.PAYMENT_REQUESTED: {K.PAYMENT_RECEIVED, K.SUPPLEMENT_REQUESTED, K.PROCESSING_STARTED} | _LEAVES,
    S.STOPPED: {K.RESUMED, K.REOPENED, K.DUE_CHANGED},
    S.WITHDRAWN: {K.RESUMED, K.REOPENED},
    S.REFUSED: {K.REOPENED},
    S.FINISHED: {K.DELIVERED, K.REOPENED},
    S.DELIVERED: {K.REOPENED},
}
ONLY_BEFORE_ACCEPTANCE: Final = {K.REGISTERED, K.ACCEPTED, K.REFUSED}
ALSO_BEFORE_ACCEPTANCE: Final = {
    *(K.SUPPLEMENT_REQUESTED, K.SUPPLEMENT_RECEIVED, K.TRANSFERRED, K.WITHDRAWN, K.RESUMED, K.REOPENED)
}
LEADS_TO: Final = {
    **{kind: Status(kind.value) for kind in Kind if kind.value in list(Status)},
    K.PROCESSING_STARTED: S.PROCESSING,
}
BACK: Final = {K.SUPPLEMENT_RECEIVED, K.PAYMENT_RECEIVED, K.RESUMED, K.REOPENED}
CAUSE: Final = {
    K.ACCEPTED: ChangeCause.GIVEN,
    K.TRANSFERRED: ChangeCause.TRANSFER,
    K.SUPPLEMENT_RECEIVED: ChangeCause.SUPPLEMENT,
    K.PAYMENT_RECEIVED: ChangeCause.PAYMENT,
    K.RESUMED: ChangeCause.STOP,
    K.REOPENED: ChangeCause.REOPENING,
}
WAITED_FOR: Final = {
    S.SUPPLEMENT_REQUESTED: ChangeCause.SUPPLEMENT,
    S.PAYMENT_REQUESTED: ChangeCause.PAYMENT,
    S.STOPPED: ChangeCause.STOP,
}
OUTCOME: Final = {S.WITHDRAWN: "withdrawn", S.STOPPED: "stopped", S.DELIVERED: "granted"}


@dataclass
class Conclusion:
    """What holds about a dossier; names as in `schemas.state.Dossier`."""

    status: Status | None = None
    unit_id: str | None = None
    procedure_id: str | None = None
    channel: Channel | None = None
    root_id: str | None = None
    policy_id: str = ""
    calendar_id: str = ""
    marks: tuple[Mark, ...] = ()
    registered_at: int | None = None
    accepted_at: int | None = None
    due_original: int | None = None
    due_at: int | None = None
    due_announced: int | None = None
    due_changes: list[tuple[int, ChangeCause, int | None, int | None]] = field(default_factory=list)
    due_soon_at: int | None = None
    closes_at: int | None = None
    paused_at: int | None = None
    pauses: list[tuple[int, int]] = field(default_factory=list)
    supplements: int = 0
    finished_at: int | None = None
    first_finished_at: int | None = None
    delivered_at: int | None = None
    ended_at: int | None = None
    outcome: str | None = None
    timeliness: Timeliness | None = None
    flows: list[tuple[str, str, str]] = field(default_factory=list)  # day, unit, counter
    anomalies: list[tuple[str, AnomalyCode]] = field(default_factory=list)  # identity; sorted

    def bucket(self, as_of: int) -> str | None:
        """The stock counter it adds to at an instant; None: it is closed, or nothing is known of it."""
        if self.status is None or self.ended_at is not None:
            return None
        if self.accepted_at is None:
            return tallies.OPEN_REGISTERED
        if self.paused_at is not None:
            return tallies.OPEN_PAUSED
        if self.closes_at is None or self.due_soon_at is None:
            return tallies.OPEN_UNDATED
        if as_of > self.closes_at:
            return tallies.OPEN_OVERDUE
        return tallies.OPEN_DUE_SOON if as_of >= self.due_soon_at else tallies.OPEN_WITHIN_DUE


def identity(source: str, event_id: str) -> str:
    """A fact's identity as states name it: 64 bits of BLAKE2b over source and id."""
    return blake2b(f"{source}\0{event_id}".encode(), digest_size=8).hexdigest()


def read_fact(document: Mapping[str, Any]) -> Entry:
    """One event, as its JSON says."""
    data = document["data"]
    due_at, retracts_source = data.get("due_at"), data.get("retracts_source")
    return Entry(
        at=_moment(document["time"]),
        kind=FACT_OF_TYPE[document["type"]].kind,
        identity=identity(document["source"], document["id"]),
        unit_id=data["unit_id"],
        due_at=None if due_at is None else _moment(due_at),
        procedure_id=data.get("procedure_id"),
        channel=Channel(data["channel"]) if data.get("channel") else _CHANNEL_UNSAID.get(document["type"]),
        policy_id=data.get("policy_id"),
        to_unit_id=data.get("to_unit_id"),
        cause=DueCause(data["cause"]) if "cause" in data else None,
        outcome=data.get("outcome"),
        retracts=identity(retracts_source, data["retracts_id"]) if retracts_source else None,
        root_id=data.get("root_id"),
        marks=tuple(map(Mark, data.get("marks", ()))),
    )


_CHANNEL_UNSAID: Final = {"vn.hoso.dossier.registered.v1": Channel.ONLINE}


def _moment(text: str) -> int:
    return micros(msgspec.convert(text, datetime))


def conclude(facts: Iterable[Entry], rules: Rules, *, until: int | None = None) -> Conclusion:
    """What a set of facts about one dossier says, whatever their order and however often each was sent.

    `until`: only what had happened by then; a retraction is knowledge and holds whenever it was sent.
    """
    ordered = sorted(
        set(facts), key=lambda fact: (fact.at, list(Kind).index(fact.kind), fact.identity, msgspec.json.encode(fact))
    )
    first: dict[str, Entry] = {}
    anomalies: list[tuple[str, AnomalyCode]] = []
    for fact in ordered:
        if first.setdefault(fact.identity, fact) is not fact:
            anomalies.append((fact.identity, AnomalyCode.ID_REUSED))
    gone: set[str] = set()
    for fact in reversed(first.values()):
        if fact.retracts is None or fact.identity in gone:
            continue
        target = first.get(fact.retracts)
        if target is None or target.unit_id == fact.unit_id:
            gone.add(fact.retracts)
        else:
            anomalies.append((fact.identity, AnomalyCode.FOREIGN_UNIT))
    folding = _Folding(rules, anomalies)
    for fact in first.values():
        if fact.kind is not Kind.RETRACTED and fact.identity not in gone and (until is None or fact.at <= until):
            folding.take(fact)
    folding.found.anomalies = sorted(anomalies)
    return folding.found


class _Folding:
    """A dossier on its way through its facts."""

    def __init__(self, rules: Rules, anomalies: list[tuple[str, AnomalyCode]]) -> None:
        self.rules, self.anomalies, self.found = rules, anomalies, Conclusion()
        self.named: str | None = None
        self._go_by(rules.governing(None, 0, None))

    def _go_by(self, governing: Governing) -> None:
        self.policy, self.hours = governing.policy, governing.hours
        self.found.policy_id, self.found.calendar_id = governing.policy.id, governing.calendar_id

    def take(self, fact: Entry) -> None:
        """Let one fact move the dossier, or note why it does not."""
        found, kind, accepted = self.found, fact.kind, self.found.accepted_at is not None
        fits = (
            kind not in ONLY_BEFORE_ACCEPTANCE if accepted else kind in ONLY_BEFORE_ACCEPTANCE | ALSO_BEFORE_ACCEPTANCE
        )
        if found.unit_id is not None and fact.unit_id != found.unit_id:
            self.anomalies.append((fact.identity, AnomalyCode.FOREIGN_UNIT))
        elif kind not in ALLOWED[found.status] or not fits:
            self.anomalies.append((fact.identity, AnomalyCode.NOT_ALLOWED))
        else:
            self._move(fact)

    def _move(self, fact: Entry) -> None:
        found, kind, was = self.found, fact.kind, self.found.status
        if kind in (K.REGISTERED, K.ACCEPTED):
            found.unit_id, found.procedure_id, found.channel = fact.unit_id, fact.procedure_id, fact.channel
            found.root_id = fact.root_id or found.root_id
            self.named = fact.policy_id or self.named
            self._go_by(self.rules.governing(fact.unit_id, fact.at, self.named))
        if kind is K.REGISTERED:
            found.registered_at = fact.at
        if kind is K.ACCEPTED:
            found.accepted_at, found.due_original, found.paused_at = fact.at, fact.due_at, None
            self._count(fact, f"received_{fact.channel}")
        if kind in BACK:
            found.status = S.REGISTERED if found.accepted_at is None else S.PROCESSING
        else:
            found.status = LEADS_TO.get(kind, was)
        if kind is K.TRANSFERRED:
            self._count(fact, tallies.TRANSFERRED_OUT)
            found.unit_id = fact.to_unit_id
            self._count(fact, tallies.TRANSFERRED_IN)
        if kind is K.SUPPLEMENT_REQUESTED and found.accepted_at is not None:
            found.supplements += 1
            if self._is_forfeited():  # overdue from before this request on, whatever is promised
                closes_at = fact.at - 1 if found.closes_at is None else min(found.closes_at, fact.at - 1)
                if closes_at != found.closes_at:
                    self._note(fact.at, ChangeCause.SUPPLEMENT, found.due_at, closes_at)
                found.closes_at = found.due_soon_at = closes_at
        self._pause(fact, was)
        if fact.due_at is not None and fact.cause is DueCause.APOLOGY:
            self._note(fact.at, ChangeCause.APOLOGY, fact.due_at, found.closes_at)
            found.due_announced = fact.due_at
        elif fact.due_at is not None:
            self._promise(fact.at, ChangeCause(fact.cause) if fact.cause else CAUSE[kind], fact.due_at)
        found.marks = tuple(mark for mark in Mark if mark in {*found.marks, *fact.marks})
        if self._is_end(found.status) and not self._is_end(was):
            self._close(fact)
        elif self._is_end(was) and not self._is_end(found.status):
            found.ended_at = found.finished_at = found.delivered_at = found.outcome = found.timeliness = None
            self._count(fact, tallies.REOPENED)
        if kind is K.DELIVERED:
            found.delivered_at = fact.at

    def _is_end(self, status: Status | None) -> bool:
        ends = (S.REFUSED, S.WITHDRAWN, S.STOPPED, S.FINISHED, S.DELIVERED)
        return status in ends and status not in self.policy.pauses

    def _is_forfeited(self) -> bool:
        return self.found.supplements > 1 and self.policy.second_supplement is SecondSupplement.OVERDUE

    def _pause(self, fact: Entry, was: Status | None) -> None:
        found = self.found
        asked_again = found.status is S.SUPPLEMENT_REQUESTED and found.supplements > 1
        if found.status in self.policy.pauses and (
            not asked_again or self.policy.second_supplement is SecondSupplement.PAUSE
        ):
            found.paused_at = found.paused_at or fact.at
            return
        paused_at, found.paused_at = found.paused_at, None
        if paused_at is None or found.accepted_at is None:
            return
        found.pauses.append((paused_at, fact.at))
        if fact.due_at is None and found.due_at is not None:
            original = found.due_at if found.due_original is None else found.due_original
            if found.due_announced is not None:
                found.due_announced = self._resumed(found.due_announced, original, paused_at, fact.at)
            due_at = self._resumed(found.due_at, original, paused_at, fact.at)
            if due_at != found.due_at:
                assert was is not None
                self._promise(fact.at, WAITED_FOR[was], due_at)

    def _resumed(self, due_at: int, original: int, paused_at: int, at: int) -> int:
        """The promise after a pause that ended without a new one."""
        how, hours, accepted_at = self.policy.resume, self.hours, self.found.accepted_at or 0
        if how is Resume.KEEP:
            return due_at
        if how is Resume.RESET and hours is None:
            return at + max(0, original - accepted_at)
        if hours is None:
            return due_at + at - paused_at
        if how is Resume.RESET:
            closes = self.policy.reception_closes
            period = hours.between(hours.work_begins(accepted_at, closes), original)
            return hours.after(hours.work_begins(at, closes), period)
        if how is Resume.SHIFT_DAYS:
            return hours.next_working_day(due_at, hours.days_between(paused_at, at) - 1)
        return hours.after(due_at, hours.between(paused_at, at))

    def _promise(self, at: int, cause: ChangeCause, due_at: int) -> None:
        found = self.found
        closes_at: int | None = self._on_time(due_at)[1]
        if self._is_forfeited():
            closes_at = found.closes_at
        changed = due_at != found.due_at or closes_at != found.closes_at
        if changed and (cause is not ChangeCause.GIVEN or found.due_changes):
            self._note(at, cause, due_at, closes_at)
        found.due_at = due_at
        if not self._is_forfeited() and closes_at is not None:
            days, found.closes_at = self.policy.due_soon_days, closes_at
            found.due_soon_at = (
                self.hours.working_days_before(closes_at, days)
                if self.hours
                else closes_at - days * (DAY // MICROSECOND)
            )

    def _note(self, at: int, cause: ChangeCause, due_at: int | None, closes_at: int | None) -> None:
        found = self.found
        if not found.due_changes and found.due_at is not None:
            found.due_changes.append((found.accepted_at or 0, ChangeCause.GIVEN, found.due_at, found.closes_at))
        found.due_changes.append((at, cause, due_at, closes_at))

    def _on_time(self, due_at: int) -> tuple[int, int]:
        """The first and the last moment that are on time."""
        zone, how = self.policy.zone, self.policy.on_time
        today = midnight(day := day_of(due_at, zone), zone)
        if how is OnTime.INSTANT:
            return due_at, due_at
        if how is OnTime.DAY:
            return today, midnight(day + DAY, zone) - 1
        if self.hours:
            return self.hours.half_day_begins(due_at), due_at
        noon = today + timedelta(hours=12) // MICROSECOND
        return (noon if due_at >= noon else today), due_at

    def _close(self, fact: Entry) -> None:
        found = self.found
        assert found.status is not None
        found.ended_at = fact.at
        if found.accepted_at is None:
            self._add(fact, tallies.WITHDRAWN if found.status is S.WITHDRAWN else tallies.REFUSED)
            return
        if found.status is S.FINISHED:
            found.finished_at = fact.at
            found.first_finished_at = found.first_finished_at or fact.at
        found.outcome = str(fact.outcome or OUTCOME[found.status])
        found.timeliness = self._judge(fact.at)
        self._count(fact, f"resolved_{found.timeliness}")
        self._count(fact, f"outcome_{found.outcome}")
        if found.timeliness is Timeliness.OVERDUE and found.due_announced is not None:
            self._count(fact, tallies.APOLOGISED)

    def _judge(self, at: int) -> Timeliness:
        if self._is_forfeited():
            return Timeliness.OVERDUE
        if self.found.due_at is None:
            return Timeliness.UNDATED
        first, last = self._on_time(self.found.due_at)
        return Timeliness.EARLY if at < first else Timeliness.ON_TIME if at <= last else Timeliness.OVERDUE

    def _count(self, fact: Entry, counter: str) -> None:
        """Count what only an accepted dossier is counted for."""
        if self.found.accepted_at is not None:
            self._add(fact, counter)

    def _add(self, fact: Entry, counter: str) -> None:
        day = day_of(fact.at, self.policy.zone).isoformat()
        self.found.flows.append((day, self.found.unit_id or "", counter))
