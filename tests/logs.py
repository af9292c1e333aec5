"""A log in ClickHouse: records with the time at which they came, stored by the sink's own mapping, and their states."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import uuid4

import msgspec

from schemas.codec import Event, encode
from schemas.state import Dossier
from schemas.tables import CORE_DOSSIERS, RAW_EVENTS
from services.sink.batches import Batch
from services.sink.clickhouse import Warehouse
from services.sink.event_rows import event_columns
from services.sink.upsert_rows import dossier_columns
from streams.domain.deadline import Rulebook
from streams.domain.dossier import append, entry_of, new_dossier
from tests.unit.sink.make import FakeRecord

PARTITION: Final = 3


class Logged(NamedTuple):
    """An event and when it came into the log."""

    event: Event
    recorded_at: datetime


def store(warehouse: Warehouse, logged: Sequence[Logged], *, rules: Rulebook | None = None, first: int = 0) -> None:
    """Store records from offset `first` on; with `rules` also the states that the processor would conclude."""
    for table in (RAW_EVENTS, CORE_DOSSIERS) if first == 0 else ():
        warehouse.command(f"TRUNCATE TABLE {table}")
    records = [
        FakeRecord(
            first + number,
            key=event.subject.encode(),
            value=encode(event),
            timestamp=round(recorded_at.timestamp() * 1000),
        )
        for number, (event, recorded_at) in enumerate(logged)
    ]
    batch = Batch(topic="t", partition=PARTITION, records=records, prev_offset=first - 1)
    warehouse.insert(RAW_EVENTS, event_columns(batch).columns, token=uuid4().hex)
    if rules is not None:
        _store_states(
            warehouse, [(record.offset, event) for record, (event, _) in zip(records, logged, strict=True)], rules
        )


def _store_states(warehouse: Warehouse, events: Iterable[tuple[int, Event]], rules: Rulebook) -> None:
    states: dict[str, Dossier] = {}
    for offset, event in events:
        dossier = states.get(event.subject) or new_dossier(event.subject, rules)
        history = dossier.history
        dossier = append(dossier, entry_of(event), rules)
        if dossier.history is not history:
            dossier.offset = offset
        states[event.subject] = dossier
    values = [
        FakeRecord(number, key=id_.encode(), value=msgspec.json.encode(state))
        for number, (id_, state) in enumerate(states.items())
    ]
    rows = dossier_columns(Batch(topic="s", partition=PARTITION, records=values, prev_offset=-1))
    warehouse.insert(CORE_DOSSIERS, rows.columns, token=uuid4().hex)
