"""Records of `dossier-events` to columns of `raw.events`: verbatim, with their address, and typed.

Total: whatever a record holds becomes a row. What is no event keeps its bytes and says why it is none.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, Final

from schemas.codec import Event, decode_record
from schemas.errors import ContractError
from schemas.events import FACTS
from services.sink.batches import Batch, Record, Rows

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Whoever writes a record may choose its timestamp: keep it within what the column holds.
_TIMESTAMP_MS_MIN: Final = -2_208_988_800_000  # 1900-01-01
_TIMESTAMP_MS_MAX: Final = 10_413_791_999_999  # 2299-12-31


# Only some kinds carry a reason; asking the others would cost an exception each.
_WITH_REASON: Final = frozenset(fact.kind for fact in FACTS if "reason" in fact.model_fields)

_FACT_FIELDS: Final = (
    *("procedure_id", "channel", "policy_id", "root_id", "to_unit_id", "cause", "outcome"),
    *("retracts_source", "retracts_id"),
)
_NO_EVENT: Final = SimpleNamespace(
    id="",
    source="",
    subject="",
    type="",
    time=_EPOCH,
    data=SimpleNamespace(kind="", unit_id="", due_at=None, marks=(), **dict.fromkeys(_FACT_FIELDS)),
)
"""Stands for what is no event."""


def event_columns(batch: Batch) -> Rows:
    """The columns of `raw.events`, in offset order."""
    records = batch.records
    offsets = [record.offset for record in records]
    events: list[Any] = []
    flaws: dict[int, ContractError] = {}
    for index, record in enumerate(records):
        try:
            events.append(_decode(record))
        except ContractError as error:
            events.append(_NO_EVENT)
            flaws[index] = error
    facts = [event.data for event in events]
    flaw, flaw_detail = [""] * len(records), [""] * len(records)
    for index, refusal in flaws.items():
        flaw[index], flaw_detail[index] = refusal.reason, str(refusal)
    columns: dict[str, Sequence[Any]] = {
        "kpart": [batch.partition] * len(records),
        "koffset": offsets,
        "batch_first": [offsets[0]] * len(records),
        "prev_offset": [batch.prev_offset, *offsets[:-1]],
        "recorded_at": [_recorded_at(record.timestamp) for record in records],
        "key": [record.key for record in records],
        "headers": [record.headers for record in records],
        "value": [record.value for record in records],
        "flaw": flaw,
        "flaw_detail": flaw_detail,
        "source": [event.source for event in events],
        "event_id": [event.id for event in events],
        "type": [event.type for event in events],
        "kind": [fact.kind for fact in facts],
        "dossier_id": [event.subject for event in events],
        "unit_id": [fact.unit_id for fact in facts],
        "occurred_at": [event.time for event in events],
        "due_at": [fact.due_at for fact in facts],
        "marks": [fact.marks for fact in facts],
        "reason": [fact.reason if fact.kind in _WITH_REASON else "" for fact in facts],
        **{name: [getattr(fact, name) or "" for fact in facts] for name in _FACT_FIELDS},
    }
    return Rows(columns)


def _decode(record: Record) -> Event:
    headers: Any = record.headers
    for _, text in headers:
        if text is None:  # Kafka allows a header without a value; to the codec it is one that says nothing
            headers = [(name, text or b"") for name, text in headers]
            break
    return decode_record(key=record.key, value=record.value, headers=headers)


@lru_cache(maxsize=4096)  # records of one produced batch share it
def _recorded_at(timestamp_ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=min(max(timestamp_ms, _TIMESTAMP_MS_MIN), _TIMESTAMP_MS_MAX))
