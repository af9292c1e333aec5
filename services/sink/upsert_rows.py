"""Records of `dossier-states` and `unit-tallies` to columns: upserts, in which the highest offset wins.

Only our own processor and tools write these topics. A record that cannot be read is therefore our fault or a foreign
record: it is skipped, and handed back so that someone hears of it.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import msgspec
from pydantic import ValidationError

from schemas.state import Dossier
from schemas.tallies import FLOW, STOCK, Progress, Tally, progress_key
from services.sink.batches import Batch, Record, Rows

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NO_DAY: Final = date(1970, 1, 1)

MOMENTS: Final = (
    *("registered_at", "accepted_at", "due_at", "due_soon_at", "closes_at", "paused_at"),
    *("finished_at", "first_finished_at", "delivered_at", "ended_at"),
)
CODES: Final = (
    *("rules", "policy_id", "calendar_id", "status", "unit_id", "procedure_id", "channel", "root_id"),
    *("outcome", "timeliness"),
)
COUNTERS: Final = (*STOCK, *FLOW)
PROGRESS: Final = ("dossiers", "anomalies", "parked")

_DOSSIER: Final = msgspec.json.Decoder(Dossier)
_TALLY: Final = msgspec.json.Decoder(Tally)
_PROGRESS: Final = msgspec.json.Decoder(Progress)

Row = dict[str, Any]


def dossier_row(key: str, value: bytes | None) -> Row:
    """A row of `core.dossiers` without its address; without value the dossier was deleted."""
    dossier = Dossier(id=key) if value is None else _DOSSIER.decode(value)
    check_key(key, dossier.id)
    return {
        "dossier_id": dossier.id,
        "event_offset": dossier.offset,
        "due_original_at": _moment(dossier.due_original),
        "due_announced_at": _moment(dossier.due_announced),
        "supplements": dossier.supplements,
        "marks": list(dossier.marks),
        "change_ats": [_moment(change.at) for change in dossier.due_changes],
        "change_causes": [change.cause for change in dossier.due_changes],
        "change_due_ats": [_moment(change.due_at) for change in dossier.due_changes],
        "change_closes_ats": [_moment(change.closes_at) for change in dossier.due_changes],
        "pause_starts": [_moment(pause.start) for pause in dossier.pauses],
        "pause_ends": [_moment(pause.end) for pause in dossier.pauses],
        **{name: _moment(getattr(dossier, name)) for name in MOMENTS},
        **{name: getattr(dossier, name) or "" for name in CODES},
        "flow_days": [_day(flow.day) for flow in dossier.flows],
        "flow_units": [flow.unit_id for flow in dossier.flows],
        "flow_counters": [flow.counter for flow in dossier.flows],
        "anomaly_identities": [anomaly.identity for anomaly in dossier.anomalies],
        "anomaly_kinds": [anomaly.kind for anomaly in dossier.anomalies],
        "anomaly_codes": [anomaly.code for anomaly in dossier.anomalies],
        "anomaly_statuses": [anomaly.status or "" for anomaly in dossier.anomalies],
    }


def tally_row(key: str, value: bytes | None) -> Row:
    """A row of `core.tallies` without its address: a unit's share, or a heartbeat, whose key names no unit."""
    unit_id, partition, day, subset = [*key.split("/"), "", ""][:4]
    row: Row = {
        "scope": "progress" if not unit_id else "flow" if day else "stock",
        "unit_id": unit_id,
        "subset": subset,
        "day": _day(day) if day else _NO_DAY,
        "partition": int(partition),
        "next_offset": 0,
        "as_of": _EPOCH,
        **dict.fromkeys((*COUNTERS, *PROGRESS), 0),
    }
    if value is None:
        return row
    share: Tally | Progress
    if unit_id:
        share = _TALLY.decode(value)
        counts, key_of_value = share.counts, share.key
    else:
        share = _PROGRESS.decode(value)
        counts, key_of_value = {name: getattr(share, name) for name in PROGRESS}, progress_key(share.partition)
    check_key(key, key_of_value)
    if not counts.keys() <= row.keys():
        raise ValueError("a counter that this release does not know")
    return row | {"next_offset": share.offset, "as_of": _moment(share.as_of)} | counts


def upsert_columns(batch: Batch, to_row: Callable[[str, bytes | None], Row]) -> Rows:
    """All rows of a batch as columns, each with its address."""
    rows: list[Row] = []
    unreadable: list[Record] = []
    for record in batch.records:
        try:
            row = to_row((record.key or b"").decode(), record.value)
        except (msgspec.MsgspecError, ValidationError, ValueError, OverflowError):
            unreadable.append(record)
            continue
        rows.append(row | {"kpart": batch.partition, "koffset": record.offset, "is_deleted": record.value is None})
    columns = {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
    return Rows(columns, unreadable)


def check_key(key: str, key_of_value: str) -> None:
    """`ValueError` when a value lies under the key of another."""
    if key != key_of_value:
        raise ValueError("the value belongs to another key")


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else _EPOCH + timedelta(microseconds=micros)


@lru_cache(maxsize=4096)
def _day(text: str) -> date:
    return date.fromisoformat(text)
