"""Why a number is so: from a cell to its dossiers, and from a dossier to its records in the log.

A set of dossiers has a digest: SHA-256 over its sorted lines `dossier offset` (that of its last event). As long as both
are the same, so is the figure.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from schemas.state import AnomalyCode, Dossier, Status, Timeliness
from schemas.tables import MART_FLOW_DOSSIERS
from schemas.tallies import FLOW
from services.reports.as_of import moment_of
from services.reports.cells import Cells
from services.reports.log import Ask, Known, Record
from streams.domain.deadline import Rulebook
from streams.domain.dossier import micros
from streams.domain.story import Step, happened_by, steps
from streams.domain.tally import standing

WHY_NOT: Final[Mapping[AnomalyCode, str]] = {
    AnomalyCode.NOT_ALLOWED: "the lifecycle has no such step from the status that it met",
    AnomalyCode.FOREIGN_UNIT: "the unit that acted is not the one accountable for it",
    AnomalyCode.ID_REUSED: "its source and id had been used for another content",
}
_FORFEITED: Final = "overdue whenever it ends, for papers were asked for {} times"
SPANS: Final = {"day": "the promised day", "half_day": "the half-day of the promise", "instant": "up to the promise"}

_FLOWS: Final = f"""\
SELECT dossier_id, event_offset, count() AS times
FROM {MART_FLOW_DOSSIERS}
WHERE unit_id = {{unit:String}} AND counter = {{counter:String}} AND day BETWEEN {{first:Date}} AND {{last:Date}}
    AND ({{procedure:String}} = '' OR procedure_id = {{procedure:String}})
GROUP BY dossier_id, event_offset
ORDER BY dossier_id"""  # noqa: S608 - our own names


@dataclass(frozen=True, slots=True)
class Member:
    """A dossier of a cell: the offset of its last event in `dossier-events`, and how much it adds."""

    dossier_id: str
    event_offset: int
    count: int


def digest_of(members: Iterable[Member]) -> str:
    """The digest of a set of dossiers."""
    return sha256("\n".join(sorted(f"{each.dossier_id} {each.event_offset}" for each in members)).encode()).hexdigest()


def stored_members(ask: Ask, cells: Cells, *, unit: str, counter: str, procedure: str = "") -> list[Member]:
    """The dossiers of a flow counter by the tables' present conclusions."""
    assert counter in FLOW
    parameters = {
        "unit": unit, "counter": counter, "procedure": procedure, "first": cells.first, "last": cells.last,
    }  # fmt: skip
    return [Member(*row) for row in ask(_FLOWS, parameters)]


def folded_members(
    dossiers: Iterable[Dossier], cells: Cells, *, unit: str, counter: str, procedure: str = ""
) -> list[Member]:
    """The dossiers of any cell by dossiers folded for some T and K."""
    found = [
        Member(dossier.id, dossier.offset, count)
        for dossier in dossiers
        if (not procedure or dossier.procedure_id == procedure)
        and (count := cells.of(dossier).get(unit, {}).get(counter, 0))
    ]
    return sorted(found, key=lambda each: each.dossier_id)


def story_of(known: Known, rules: Rulebook, at: datetime) -> dict[str, Any]:
    """A dossier as of `at`, what each record did, and why it stands as it does."""
    by_entry = {record.entry: record for record in known.records}
    by_identity = {record.entry.identity: record for record in reversed(known.records)}
    told = steps(known.dossier_id, happened_by(known.entries, micros(at)), rules)
    dossier = told[-1].after if told else None
    left_out = len(known.records) - len(told)
    return {
        "dossier_id": known.dossier_id,
        "event_offset": known.event_offset,
        "events": [_event(each, by_entry[each.entry], by_identity, rules) for each in told],
        "happened_later": left_out,
        "state": None if dossier is None or dossier.status is None else _state(dossier, rules, at),
    }


def address_of(record: Record) -> dict[str, Any]:
    """Where a record lies, and when it came there."""
    return {
        "partition": record.partition,
        "offset": record.offset,
        "recorded_at": moment_of(record.recorded_at),
    }


def _event(each: Step, record: Record, by_identity: Mapping[str, Record], rules: Rulebook) -> dict[str, Any]:
    entry = each.entry
    taker = by_identity.get(each.taken_back_by or "")
    found: dict[str, Any] = {
        "at": moment_of(entry.at),
        "kind": entry.kind.value,
        "unit_id": entry.unit_id,
        "source": record.event.source,
        "event_id": record.event.id,
        **address_of(record),
        "did": list(_did(each, rules)),
        "anomaly": each.anomaly.value if each.anomaly else None,
        "taken_back_by": None if taker is None else {"event_id": taker.event.id, **address_of(taker)},
    }
    if taker is not None:
        found["did"] = [f"nothing: taken back by {taker.event.id} ({taker.partition}/{taker.offset})"]
    elif entry.retracts is not None and each.anomaly is None:
        taken = by_identity.get(entry.retracts)
        what = f"{taken.event.id} ({taken.partition}/{taken.offset})" if taken else "an event that has not come"
        found["did"] = [f"takes back {what}"]
    return found


def _did(each: Step, rules: Rulebook) -> Iterator[str]:
    before, after = each.before, each.after
    if each.anomaly is not None:
        yield f"nothing: {WHY_NOT[each.anomaly]}"
        return
    policy = rules.policy(after.policy_id, after.calendar_id)
    if after.status is not before.status:
        yield f"status {_status(before.status)} to {_status(after.status)}"
    if after.unit_id != before.unit_id and before.unit_id is not None:
        yield f"unit {before.unit_id} to {after.unit_id}"
    if (after.policy_id, after.calendar_id) != (before.policy_id, before.calendar_id) or before.status is None:
        yield f"policy {after.policy_id}, calendar {after.calendar_id or 'none'}"
    if after.due_at != before.due_at:
        cause = after.due_changes[-1].cause.value if after.due_changes else "given"
        by = cause if each.entry.due_at is not None else f"{cause}, {policy.resume.value}"
        moved = _text(after.due_at) if before.due_at is None else f"{_text(before.due_at)} to {_text(after.due_at)}"
        yield f"promise {moved} ({by})"
    elif after.closes_at != before.closes_at:
        yield f"the promise is forfeited: papers were asked for {after.supplements} times"
    if after.due_announced != before.due_announced and each.entry.due_at == after.due_announced:
        yield f"apology: announces {_text(after.due_announced)}, the promise stays"
    if after.paused_at is not None and before.paused_at is None:
        yield "the clock stands"
    elif after.paused_at is None and before.paused_at is not None:
        yield f"the clock runs again, it stood since {_text(before.paused_at)}"
    for flow in after.flows[len(before.flows) :]:
        yield f"counts as {flow.counter} of {flow.unit_id} on {flow.day}"


def _state(dossier: Dossier, rules: Rulebook, at: datetime) -> dict[str, Any]:
    policy = rules.policy(dossier.policy_id, dossier.calendar_id)
    band = None if dossier.due_at is None else policy.on_time_band(dossier.due_at)
    bucket = standing(dossier, micros(at)).bucket
    return {
        "status": dossier.status.value if dossier.status else None,
        "unit_id": dossier.unit_id,
        "procedure_id": dossier.procedure_id,
        "channel": dossier.channel.value if dossier.channel else None,
        "policy_id": policy.id,
        "calendar_id": policy.calendar_id,
        "registered_at": moment_of(dossier.registered_at),
        "accepted_at": moment_of(dossier.accepted_at),
        "due_original_at": moment_of(dossier.due_original),
        "due_at": moment_of(dossier.due_at),
        "due_announced_at": moment_of(dossier.due_announced),
        "on_time_from": moment_of(band[0]) if band else None,
        "on_time_to": moment_of(band[1]) if band else None,
        "paused_at": moment_of(dossier.paused_at),
        "ended_at": moment_of(dossier.ended_at),
        "outcome": dossier.outcome,
        "timeliness": dossier.timeliness.value if dossier.timeliness else None,
        "stock": bucket,
        "why": _why(dossier, policy.on_time.value, band, bucket, at),
    }


def _why(dossier: Dossier, on_time: str, band: tuple[int, int] | None, bucket: str | None, at: datetime) -> str:
    if dossier.accepted_at is None:
        return "never accepted: it counts neither as received nor as resolved"
    if band is None:
        forfeited = dossier.supplements > 1 and (
            dossier.timeliness is Timeliness.OVERDUE or dossier.closes_at is not None
        )
        return _FORFEITED.format(dossier.supplements) if forfeited else "no promise was made: undated, not a guess"
    span = f"on time is {SPANS[on_time]}: {_text(band[0])} to {_text(band[1])}"
    if dossier.timeliness is None:
        if dossier.paused_at is not None:
            return f"the clock stands since {_text(dossier.paused_at)}; {span}"
        if dossier.closes_at != band[1]:
            return f"{_FORFEITED.format(dossier.supplements)}; {span}"
        return f"open at {_text(micros(at))} ({bucket}); {span}"
    if dossier.timeliness is Timeliness.OVERDUE and dossier.ended_at is not None and dossier.ended_at <= band[1]:
        return f"{_FORFEITED.format(dossier.supplements)}; {span}"
    return f"ended at {_text(dossier.ended_at)}: {dossier.timeliness.value}; {span}"


def _status(status: Status | None) -> str:
    return "none" if status is None else status.value


def _text(at: int | None) -> str:
    moment = moment_of(at)
    return "none" if moment is None else moment.isoformat(sep=" ", timespec="minutes").removesuffix("+07:00")
