"""`DongBoHoSoMC`: what a snapshot of a dossier says that happened.

A snapshot tells what it has dates for. A status without its date (a wait for payment, a stop) is left to the step that
dates it, and 9 without a date of its end is no finish: systems in the field send 9 for dossiers that only wait.
"""

from datetime import datetime
from typing import Final

from schemas.errors import ContractError, Flaw, Reason
from schemas.events import Channel, Kind, Mark, Outcome
from services.portal.payloads import Snapshot
from services.portal.source import PortalSource, PortalStatus
from services.portal.told import Note, Told

# What is known when the papers come in; the rest comes with the finish, which repeats these for what was learnt later.
AT_ACCEPTANCE: Final = (Mark.DIGITISED, Mark.REUSED, Mark.NATIONAL_STORE, Mark.FEE)
_CHANNELS: Final = {1: Channel.DIRECT, 2: Channel.ONLINE, 3: Channel.POSTAL}
_POSTAL_FORM: Final = 1  # HinhThuc: 0 at the counter, 1 by post
_PAID_ONLINE: Final = (1, 2)  # at the national portal's gateway, at the province's
_NEVER_ACCEPTED: Final = (PortalStatus.REGISTERED, PortalStatus.REFUSED)
# A citizen may be asked for papers, or withdraw, before anybody accepted anything.
_MAYBE_ACCEPTED: Final = (PortalStatus.SUPPLEMENT, PortalStatus.WITHDRAWN)
_ENDED: Final = (PortalStatus.FINISHED, PortalStatus.DELIVERED)


def tell_snapshot(snapshot: Snapshot, reading: PortalSource, *, unit_id: str, source: str) -> Told:
    """The events of a snapshot; `ContractError` when it contradicts itself or says what nobody mapped."""
    status = reading.status(snapshot.status, "/TrangThaiHoSo")
    told = Told(dossier_id=snapshot.dossier_id, unit_id=unit_id, source=source, due_at=snapshot.due_at)
    channel = channel_of(snapshot)
    accepted_at = None if status in _NEVER_ACCEPTED else snapshot.accepted_at
    if accepted_at is None and status not in (*_NEVER_ACCEPTED, *_MAYBE_ACCEPTED):
        text = "expected the moment of acceptance, which this status implies"
        raise ContractError(Flaw("/NgayTiepNhan", Reason.MISSING_FIELD, text))
    filed_at = snapshot.filed_at or snapshot.filed_at_formerly
    if accepted_at is None:
        # The portal demands NgayTiepNhan of every dossier: of one that nobody accepted it is the day of filing.
        at = filed_at or snapshot.accepted_at
        told.opening = told.tell(Kind.REGISTERED, at, procedure_id=snapshot.procedure_id, channel=channel)
    elif filed_at is not None and channel is Channel.ONLINE:
        told.tell(Kind.REGISTERED, filed_at, procedure_id=snapshot.procedure_id, channel=channel)
    if accepted_at is not None:
        _accept(snapshot, told, channel, accepted_at)
    _supplements(snapshot, told, accepted_at, waits=status is PortalStatus.SUPPLEMENT)
    _end(snapshot, told, status, reading)
    return told


def channel_of(snapshot: Snapshot) -> Channel:
    """How it came in; neither field filled means at the counter. `ContractError` for another number."""
    if snapshot.channel is None:
        return Channel.POSTAL if snapshot.form == _POSTAL_FORM else Channel.DIRECT
    if snapshot.channel not in _CHANNELS:
        raise ContractError(Flaw("/KenhThucHien", Reason.INVALID_VALUE, "expected 1, 2 or 3, or nothing"))
    return _CHANNELS[snapshot.channel]


def marks_of(snapshot: Snapshot) -> tuple[Mark, ...]:
    """What the snapshot notes for QD 766/QD-TTg, in the order of `Mark`."""
    results = bool(snapshot.results)
    linked = any(result.is_linked for result in snapshot.results)
    found = {
        Mark.DIGITISED: snapshot.has_digitised or any(paper.is_digitised for paper in snapshot.papers),
        Mark.REUSED: any(paper.is_reused for paper in snapshot.papers),
        Mark.NATIONAL_STORE: any(paper.is_from_national_store for paper in snapshot.papers),
        Mark.FEE: any(fee.is_due for fee in snapshot.fees),
        Mark.PAID_ONLINE: snapshot.payment in _PAID_ONLINE,
        Mark.PAPER_RESULT: results,
        Mark.E_RESULT: linked,
        Mark.RESULT_DIGITISED: linked,
    }
    return tuple(mark for mark in Mark if found[mark])


def _accept(snapshot: Snapshot, told: Told, channel: Channel, at: datetime) -> None:
    """The acceptance, with the first promise: the one that the first round of papers replaced, if there was a round."""
    before = [each for each in _rounds(snapshot) if each[0] >= at and each[2] is not None]
    due_at = before[0][2] if before else snapshot.due_at
    if due_at is None:
        told.note(Note.UNDATED)
    told.opening = told.tell(
        Kind.ACCEPTED,
        at,
        procedure_id=snapshot.procedure_id,
        channel=channel,
        due_at=due_at,
        marks=tuple(mark for mark in marks_of(snapshot) if mark in AT_ACCEPTANCE),
    )
    told.due_told = due_at


def _rounds(snapshot: Snapshot) -> list[tuple[datetime, datetime | None, datetime | None, datetime | None]]:
    """Rounds that have a date, in its order: asked, answered, promise before, promise after."""
    dated = [
        (each.requested_at, each.received_at, each.due_before, each.due_after)
        for each in snapshot.rounds
        if each.requested_at is not None
    ]
    return sorted(dated, key=lambda each: each[0])


def _supplements(snapshot: Snapshot, told: Told, accepted_at: datetime | None, *, waits: bool) -> None:
    rounds = _rounds(snapshot)
    if len(rounds) < len(snapshot.rounds) or (waits and all(received for _, received, _, _ in rounds)):
        told.note(Note.NO_TIME)
    for place, (requested_at, received_at, before, after) in enumerate(rounds):
        counts = accepted_at is not None and requested_at >= accepted_at
        if counts and before is not None and before != told.due_told:
            told.correct(before, requested_at)
            told.due_told = before
        told.tell(Kind.SUPPLEMENT_REQUESTED, requested_at)
        if received_at is None:
            continue
        # A round that names no new promise: the one now in force, when no later round can have moved it.
        due_at = after or (snapshot.due_at if place == len(rounds) - 1 else None)
        told.tell(Kind.SUPPLEMENT_RECEIVED, received_at, due_at=due_at if counts else None)
        if counts:
            told.due_told = due_at or told.due_told


def _end(snapshot: Snapshot, told: Told, status: PortalStatus, reading: PortalSource) -> None:
    if status is PortalStatus.REFUSED:
        told.end_at = snapshot.refused_at or snapshot.ended_at
        told.tell(Kind.REFUSED, told.end_at)
    elif status is PortalStatus.WITHDRAWN:
        told.end_at = snapshot.ended_at
        told.tell(Kind.WITHDRAWN, told.end_at)
    elif status is PortalStatus.STOPPED:
        told.end_at = snapshot.ended_at
        told.tell(Kind.STOPPED, told.end_at)
    elif status in _ENDED:
        told.end_at = snapshot.ended_at or snapshot.delivered_at  # what was handed over was finished by then
        if told.end_at is not None:
            outcome = _outcome(snapshot, told, reading)
            told.tell(Kind.FINISHED, told.end_at, outcome=outcome, marks=marks_of(snapshot))
        else:
            told.note(Note.NO_TIME)
        if status is PortalStatus.DELIVERED:
            told.tell(Kind.DELIVERED, snapshot.delivered_at)
    elif status is PortalStatus.PAYMENT:
        told.note(Note.NO_TIME)


def _outcome(snapshot: Snapshot, told: Told, reading: PortalSource) -> Outcome:
    """What the finish means: 9 alone does not prove that a result was issued."""
    outcome = reading.outcome(snapshot.result_kind)
    if outcome is not None:
        return outcome
    if snapshot.result_kind is not None:
        told.note(Note.OUTCOME_UNKNOWN)
    elif not snapshot.results:
        told.note(Note.OUTCOME_ASSUMED)
    return Outcome.GRANTED
