"""Records of `dossier-states` and `unit-tallies` to columns: upserts, in which the highest offset wins.

Moments stay whole microseconds: they are what a DateTime64(6) holds.

Only our own processor and tools write these topics. A record that cannot be read is therefore our fault or a foreign
record: it is skipped, and handed back so that someone hears of it.
"""

from collections.abc import Callable, Sequence
from datetime import date
from functools import lru_cache
from typing import Any, Final, TypeVar

import msgspec
from pydantic import ValidationError

from schemas.state import Dossier
from schemas.tallies import FLOW, STOCK, Progress, Tally, progress_key
from services.sink.batches import Batch, Record, Rows
from services.sink.clickhouse import Columns

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
T = TypeVar("T")


def dossier_columns(batch: Batch) -> Rows:
    """The columns of `core.dossiers`."""
    dossiers, stored, unreadable = _read(batch, _dossier)
    columns: dict[str, Sequence[Any]] = {
        "dossier_id": [each.id for each in dossiers],
        "event_offset": [each.offset for each in dossiers],
        "due_original_at": [each.due_original for each in dossiers],
        "due_announced_at": [each.due_announced for each in dossiers],
        "supplements": [each.supplements for each in dossiers],
        "marks": [each.marks for each in dossiers],
        "change_ats": [[change.at for change in each.due_changes] for each in dossiers],
        "change_causes": [[change.cause for change in each.due_changes] for each in dossiers],
        "change_due_ats": [[change.due_at for change in each.due_changes] for each in dossiers],
        "change_closes_ats": [[change.closes_at for change in each.due_changes] for each in dossiers],
        "pause_starts": [[pause.start for pause in each.pauses] for each in dossiers],
        "pause_ends": [[pause.end for pause in each.pauses] for each in dossiers],
        **{name: [getattr(each, name) for each in dossiers] for name in MOMENTS},
        **{name: [getattr(each, name) or "" for each in dossiers] for name in CODES},
        "flow_days": [[_day(flow.day) for flow in each.flows] for each in dossiers],
        "flow_units": [[flow.unit_id for flow in each.flows] for each in dossiers],
        "flow_counters": [[flow.counter for flow in each.flows] for each in dossiers],
        "anomaly_identities": [[anomaly.identity for anomaly in each.anomalies] for each in dossiers],
        "anomaly_kinds": [[anomaly.kind for anomaly in each.anomalies] for each in dossiers],
        "anomaly_codes": [[anomaly.code for anomaly in each.anomalies] for each in dossiers],
        "anomaly_statuses": [[anomaly.status or "" for anomaly in each.anomalies] for each in dossiers],
    }
    return _rows(batch, columns, stored, unreadable)


def _dossier(key: str, value: bytes | None) -> Dossier:
    """Without value the dossier was deleted."""
    dossier = Dossier(id=key) if value is None else _DOSSIER.decode(value)
    check_key(key, dossier.id)
    for flow in dossier.flows:
        _day(flow.day)  # raises here, where it costs one record and not its batch
    return dossier


def tally_columns(batch: Batch) -> Rows:
    """The columns of `core.tallies`."""
    return row_columns(batch, _tally_row)


def _tally_row(key: str, value: bytes | None) -> Row:
    """A row of `core.tallies` without its address: a unit's share, or a heartbeat, whose key names no unit."""
    unit_id, partition, day, subset = [*key.split("/"), "", ""][:4]
    row: Row = {
        "scope": "progress" if not unit_id else "flow" if day else "stock",
        "unit_id": unit_id,
        "subset": subset,
        "day": _day(day) if day else _NO_DAY,
        "partition": int(partition),
        "next_offset": 0,
        "as_of": 0,
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
    return row | {"next_offset": share.offset, "as_of": share.as_of} | counts


def row_columns(batch: Batch, to_row: Callable[[str, bytes | None], Row]) -> Rows:
    """The rows that `to_row` makes of keys and values, as columns."""
    rows, stored, unreadable = _read(batch, to_row)
    columns = {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
    return _rows(batch, columns, stored, unreadable)


def _read(batch: Batch, read: Callable[[str, bytes | None], T]) -> tuple[list[T], list[Record], list[Record]]:
    """What `read` makes of keys and values, the records it was made of, and those that it could not read."""
    made: list[T] = []
    stored: list[Record] = []
    unreadable: list[Record] = []
    for record in batch.records:
        try:
            made.append(read((record.key or b"").decode(), record.value))
        except (msgspec.MsgspecError, ValidationError, ValueError, OverflowError):
            unreadable.append(record)
        else:
            stored.append(record)
    return made, stored, unreadable


def _rows(batch: Batch, columns: Columns, stored: Sequence[Record], unreadable: Sequence[Record]) -> Rows:
    """The columns with the address of each row."""
    if not stored:
        return Rows({}, unreadable)
    address: Columns = {
        "kpart": [batch.partition] * len(stored),
        "koffset": [record.offset for record in stored],
        "is_deleted": [record.value is None for record in stored],
    }
    return Rows({**columns, **address}, unreadable)


def check_key(key: str, key_of_value: str) -> None:
    """`ValueError` when a value lies under the key of another."""
    if key != key_of_value:
        raise ValueError("the value belongs to another key")


@lru_cache(maxsize=4096)
def _day(text: str) -> date:
    return date.fromisoformat(text)
