"""The fold: a set of facts in, a dossier's state out.

`fold(history)` sorts the set by (`at`, lifecycle rank, identity), so the result does not depend on the order of
arrival and a repeat changes nothing. `append` is the same fold for the usual case, a fact newer than all others,
without reading the history again; any other fact folds the whole history anew. A retraction removes what it cites,
also when it comes first.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Final

import msgspec

from schemas.codec import Event
from schemas.events import Channel, Kind, Mark, Outcome
from schemas.reference import SecondSupplement
from schemas.state import (
    Anomaly,
    AnomalyCode,
    ChangeCause,
    Dossier,
    DueChange,
    Entry,
    Flow,
    Pause,
    Status,
    Timeliness,
)
from schemas.tallies import (
    APOLOGISED,
    OUTCOME,
    RECEIVED,
    REFUSED,
    REOPENED,
    RESOLVED,
    TRANSFERRED_IN,
    TRANSFERRED_OUT,
    WITHDRAWN,
)
from streams.domain.deadline import Policy, Rulebook, classify
from streams.domain.lifecycle import RANK, next_status

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ENCODER: Final = msgspec.json.Encoder()
_HISTORY: Final = msgspec.json.Decoder(list[Entry])

# Python 3.11 works out `Kind.ACCEPTED` anew each time: eight of these are a tenth of the fold of an event.
_REGISTERED: Final = Kind.REGISTERED
_ACCEPTED: Final = Kind.ACCEPTED
_TRANSFERRED: Final = Kind.TRANSFERRED
_SUPPLEMENT_REQUESTED: Final = Kind.SUPPLEMENT_REQUESTED
_DELIVERED: Final = Kind.DELIVERED
_RETRACTED: Final = Kind.RETRACTED


def micros(moment: datetime) -> int:
    """An aware moment as whole microseconds since 1970."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds  # exact, and faster than dividing


def identity_of(source: str, event_id: str) -> str:
    """64 bits of a fact's identity. Within one dossier's tens of facts a chance clash is beyond 1 in 10**16."""
    return blake2b(f"{source}\0{event_id}".encode(), digest_size=8).hexdigest()


def entry_of(event: Event) -> Entry:
    """What the history keeps of an event."""
    data = event.data
    due_at = data.due_at
    return Entry(
        at=micros(event.time),
        kind=data.kind,
        identity=identity_of(event.source, event.id),
        unit_id=data.unit_id,
        due_at=None if due_at is None else micros(due_at),
        procedure_id=data.procedure_id,
        channel=data.channel,
        policy_id=data.policy_id,
        to_unit_id=data.to_unit_id,
        cause=data.cause,
        outcome=data.outcome,
        retracts=identity_of(data.retracts_source, data.retracts_id or "") if data.retracts_source else None,
        root_id=data.root_id,
        marks=data.marks,
    )


def new_dossier(dossier_id: str, rules: Rulebook) -> Dossier:
    """A dossier of which nothing is known yet."""
    default = rules.default
    return Dossier(id=dossier_id, rules=rules.fingerprint, policy_id=default.id, calendar_id=default.calendar_id)


def history_of(dossier: Dossier) -> list[Entry]:
    """The dossier's facts, sorted; retracted ones included."""
    return _HISTORY.decode(dossier.history)


def fold(dossier_id: str, history: Iterable[Entry], rules: Rulebook) -> Dossier:
    """The state that any order and any repetition of these facts leads to."""
    entries = sorted(set(history), key=place)
    dossier = new_dossier(dossier_id, rules)
    removed = taken_back(entries, dossier)
    seen: set[str] = set()
    for entry in entries:
        if entry.identity in seen:
            mark(dossier, entry, AnomalyCode.ID_REUSED)
        elif entry.identity not in removed:
            step(dossier, entry, rules)
        seen.add(entry.identity)
        dossier.last_at, dossier.last_rank = entry.at, RANK[entry.kind]
    dossier.history = msgspec.Raw(_ENCODER.encode(entries))
    return dossier


def append(dossier: Dossier, entry: Entry, rules: Rulebook) -> Dossier:
    """The state after one more fact: `dossier` itself, moved on, or a new one when the past had to be folded again."""
    history = bytes(dossier.history)
    rank = RANK[entry.kind]
    is_newest = entry.at > dossier.last_at or (entry.at == dossier.last_at and rank > dossier.last_rank)
    # An identity that already occurs is a repeat, or was retracted before it came.
    if not is_newest or entry.kind is _RETRACTED or entry.identity.encode() in history:
        entries = _HISTORY.decode(history)
        if entry in entries:
            return dossier
        return fold(dossier.id, [*entries, entry], rules)
    step(dossier, entry, rules)
    dossier.last_at, dossier.last_rank = entry.at, rank
    opening = b"," if len(history) > len(b"[]") else b""
    # One copy of the history and a short tail: formatting costs twice as much, on long histories ten times.
    dossier.history = msgspec.Raw(history[:-1] + (opening + _ENCODER.encode(entry) + b"]"))
    return dossier


def place(entry: Entry) -> tuple[int, int, str, bytes]:
    """Where a fact stands in its history: by time, lifecycle rank, identity, and content when an identity is reused."""
    return entry.at, RANK[entry.kind], entry.identity, _ENCODER.encode(entry)


def taken_back(entries: list[Entry], dossier: Dossier) -> dict[str, str]:
    """Identities that a retraction in force removes, each with the retraction's own.

    Later retractions are heard first: one may take back another.
    """
    first: dict[str, Entry] = {}
    for entry in entries:
        first.setdefault(entry.identity, entry)
    removed: dict[str, str] = {}
    for entry in reversed(first.values()):  # what reuses an id says nothing, no retraction either
        if entry.retracts is None or entry.identity in removed:
            continue
        target = first.get(entry.retracts)
        if target is None or target.unit_id == entry.unit_id:
            removed[entry.retracts] = entry.identity
        else:
            mark(dossier, entry, AnomalyCode.FOREIGN_UNIT)
    return removed


def mark(dossier: Dossier, entry: Entry, code: AnomalyCode) -> None:
    """Keep a fact that moves nothing, with the status that it met."""
    dossier.anomalies = (*dossier.anomalies, Anomaly(entry.identity, entry.kind, code, dossier.status))


def step(dossier: Dossier, entry: Entry, rules: Rulebook) -> None:
    """Move the dossier by one fact, or mark why not."""
    if entry.kind is _RETRACTED:
        return
    status = next_status(dossier.status, entry.kind, accepted=dossier.accepted_at is not None)
    if dossier.unit_id is not None and entry.unit_id != dossier.unit_id:
        mark(dossier, entry, AnomalyCode.FOREIGN_UNIT)
    elif status is None:
        mark(dossier, entry, AnomalyCode.NOT_ALLOWED)
    else:
        _move(dossier, entry, status, rules)


def _move(dossier: Dossier, entry: Entry, status: Status, rules: Rulebook) -> None:
    if entry.kind is _REGISTERED or entry.kind is _ACCEPTED:
        _identify(dossier, entry, rules)
    policy = rules.policy(dossier.policy_id, dossier.calendar_id)
    was, dossier.status = dossier.status, status
    if entry.kind is _ACCEPTED:
        dossier.accepted_at = entry.at
        dossier.due_original = entry.due_at
        dossier.paused_at = None  # what was waited for before had no clock yet
        _count(dossier, entry.at, policy, RECEIVED[dossier.channel or Channel.DIRECT])
    elif entry.kind is _TRANSFERRED:
        _transfer(dossier, entry, policy)
    elif entry.kind is _SUPPLEMENT_REQUESTED and dossier.accepted_at is not None:
        _ask_again(dossier, entry, policy)
    if dossier.paused_at is not None or status in policy.pauses:
        _pause(dossier, entry, was, policy)
    if entry.due_at is not None:
        _letter(dossier, entry, policy)
    if entry.marks:
        dossier.marks = tuple(mark for mark in Mark if mark in dossier.marks or mark in entry.marks)
    was_ended, ended = was in policy.ends, status in policy.ends
    if ended and not was_ended:
        _close(dossier, entry, policy)
    elif was_ended and not ended:
        _reopen(dossier, entry, policy)
    if entry.kind is _DELIVERED:
        dossier.delivered_at = entry.at


def _identify(dossier: Dossier, entry: Entry, rules: Rulebook) -> None:
    """Whose the dossier is and under which rules: the acceptance has the last word."""
    if entry.kind is _REGISTERED:
        dossier.registered_at = entry.at
    dossier.unit_id = entry.unit_id
    dossier.procedure_id = entry.procedure_id
    dossier.channel = entry.channel
    dossier.root_id = entry.root_id or dossier.root_id
    dossier.named_policy = entry.policy_id or dossier.named_policy
    policy = rules.governing(entry.unit_id, entry.at, dossier.named_policy)
    dossier.policy_id, dossier.calendar_id = policy.id, policy.calendar_id


def _transfer(dossier: Dossier, entry: Entry, policy: Policy) -> None:
    """Another unit is accountable; a dossier not accepted yet was never in anybody's received count."""
    if dossier.accepted_at is not None:
        _count(dossier, entry.at, policy, TRANSFERRED_OUT)
    dossier.unit_id = entry.to_unit_id
    if dossier.accepted_at is not None:
        _count(dossier, entry.at, policy, TRANSFERRED_IN)


def _ask_again(dossier: Dossier, entry: Entry, policy: Policy) -> None:
    """Count a request for papers; a second one may forfeit the promise."""
    dossier.supplements += 1
    if not _is_forfeited(dossier, policy):
        return
    closes_at = entry.at - 1 if dossier.closes_at is None else min(dossier.closes_at, entry.at - 1)
    if closes_at != dossier.closes_at:
        _note_change(dossier, DueChange(entry.at, ChangeCause.SUPPLEMENT, dossier.due_at, closes_at))
    dossier.closes_at = dossier.due_soon_at = closes_at


def _is_forfeited(dossier: Dossier, policy: Policy) -> bool:
    return dossier.supplements > 1 and policy.second_supplement is SecondSupplement.OVERDUE


def _pause(dossier: Dossier, entry: Entry, was: Status | None, policy: Policy) -> None:
    """Start or end a pause; one pause that follows another without work between them is one pause."""
    pauses = dossier.status in policy.pauses
    if pauses and dossier.status is Status.SUPPLEMENT_REQUESTED and dossier.supplements > 1:
        pauses = policy.second_supplement is SecondSupplement.PAUSE
    if pauses:
        if dossier.paused_at is None:
            dossier.paused_at = entry.at
        return
    paused_at, dossier.paused_at = dossier.paused_at, None
    accepted_at, due_at = dossier.accepted_at, dossier.due_at
    if paused_at is None or accepted_at is None:
        return
    dossier.pauses = (*dossier.pauses, Pause(paused_at, entry.at))
    if entry.due_at is not None or due_at is None:
        return

    def moved(promise: int) -> int:
        return policy.promise_after_pause(
            accepted_at=accepted_at,
            due_original=due_at if dossier.due_original is None else dossier.due_original,
            due_at=promise,
            paused_at=paused_at,
            at=entry.at,
        )

    if dossier.due_announced is not None:
        dossier.due_announced = moved(dossier.due_announced)
    if (due := moved(due_at)) != due_at:
        _promise(dossier, due, at=entry.at, cause=_CAUSE_OF_WAIT[was], policy=policy)


def _letter(dossier: Dossier, entry: Entry, policy: Policy) -> None:
    """A promise that an event carries. An apology tells a new date and excuses nothing (ADR 0010)."""
    assert entry.due_at is not None
    cause = ChangeCause(entry.cause.value) if entry.cause else _CAUSE_OF_KIND[entry.kind]
    if cause is ChangeCause.APOLOGY:
        dossier.due_announced = entry.due_at
        _note_change(dossier, DueChange(entry.at, cause, entry.due_at, dossier.closes_at))
    else:
        _promise(dossier, entry.due_at, at=entry.at, cause=cause, policy=policy)


def _promise(dossier: Dossier, due_at: int, *, at: int, cause: ChangeCause, policy: Policy) -> None:
    is_forfeited = _is_forfeited(dossier, policy)
    closes_at = dossier.closes_at if is_forfeited else policy.on_time_band(due_at)[1]
    is_said_again = (due_at, closes_at) == (dossier.due_at, dossier.closes_at)
    # A promise that the acceptance gives is no change, unless there was one before the acceptance.
    if not is_said_again and (cause is not ChangeCause.GIVEN or dossier.due_changes):
        _note_change(dossier, DueChange(at, cause, due_at, closes_at))
    dossier.due_at, dossier.closes_at = due_at, closes_at
    if not is_forfeited and closes_at is not None:
        dossier.due_soon_at = policy.due_soon_at(closes_at)


def _note_change(dossier: Dossier, change: DueChange) -> None:
    """Keep a change of the promise, after the promise that was given."""
    changes = dossier.due_changes
    if not changes and dossier.due_at is not None:
        changes = (DueChange(dossier.accepted_at or 0, ChangeCause.GIVEN, dossier.due_at, dossier.closes_at),)
    dossier.due_changes = (*changes, change)


def _close(dossier: Dossier, entry: Entry, policy: Policy) -> None:
    dossier.ended_at = entry.at
    if dossier.accepted_at is None:
        _count(dossier, entry.at, policy, WITHDRAWN if dossier.status is Status.WITHDRAWN else REFUSED)
        return
    if dossier.status is Status.FINISHED:
        dossier.finished_at = entry.at
        if dossier.first_finished_at is None:
            dossier.first_finished_at = entry.at
    dossier.outcome = entry.outcome or _OUTCOME_OF_END[dossier.status]
    dossier.timeliness = (
        Timeliness.OVERDUE
        if _is_forfeited(dossier, policy)
        else classify(due_at=dossier.due_at, ended_at=entry.at, as_of=entry.at, policy=policy)
    )
    _count(dossier, entry.at, policy, RESOLVED[dossier.timeliness])
    _count(dossier, entry.at, policy, OUTCOME[dossier.outcome])
    if dossier.timeliness is Timeliness.OVERDUE and dossier.due_announced is not None:
        _count(dossier, entry.at, policy, APOLOGISED)


def _reopen(dossier: Dossier, entry: Entry, policy: Policy) -> None:
    """Open again. What was counted on earlier days stays: on those days it was so."""
    dossier.ended_at = dossier.finished_at = dossier.delivered_at = None
    dossier.outcome = dossier.timeliness = None
    if dossier.accepted_at is not None:
        _count(dossier, entry.at, policy, REOPENED)


def _count(dossier: Dossier, at: int, policy: Policy, counter: str) -> None:
    dossier.flows = (*dossier.flows, Flow(policy.day_of(at), dossier.unit_id or "", counter))


_OUTCOME_OF_END: Final[Mapping[Status | None, str]] = {
    Status.WITHDRAWN: Outcome.WITHDRAWN.value,
    Status.STOPPED: "stopped",
    Status.DELIVERED: Outcome.GRANTED.value,  # handed over without a reported finish
}
_CAUSE_OF_WAIT: Final[Mapping[Status | None, ChangeCause]] = {
    Status.SUPPLEMENT_REQUESTED: ChangeCause.SUPPLEMENT,
    Status.PAYMENT_REQUESTED: ChangeCause.PAYMENT,
    Status.STOPPED: ChangeCause.STOP,
}
_CAUSE_OF_KIND: Final[Mapping[Kind, ChangeCause]] = {
    Kind.ACCEPTED: ChangeCause.GIVEN,
    Kind.TRANSFERRED: ChangeCause.TRANSFER,
    Kind.SUPPLEMENT_RECEIVED: ChangeCause.SUPPLEMENT,
    Kind.PAYMENT_RECEIVED: ChangeCause.PAYMENT,
    Kind.RESUMED: ChangeCause.STOP,
    Kind.REOPENED: ChangeCause.REOPENING,
}
