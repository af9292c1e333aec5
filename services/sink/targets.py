"""Which topic fills which table, and how."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from schemas.tables import CORE_DOSSIERS, CORE_TALLIES, CORE_UNITS, RAW_EVENTS
from schemas.topics import EVENTS, STATES, TALLIES, UNITS, Topic
from services.sink.batches import Batch, Rows
from services.sink.checkpoint import Mark
from services.sink.clickhouse import Warehouse
from services.sink.event_rows import event_columns
from services.sink.marks import event_marks, upsert_marks
from services.sink.upsert_rows import dossier_row, tally_row, unit_row, upsert_columns


@dataclass(frozen=True, slots=True)
class Target:
    """A topic and the table that it fills."""

    topic: Topic
    table: str
    read: Callable[[Batch], Rows]
    marks: Callable[[Warehouse], dict[int, Mark]]


TARGETS: Final = (
    Target(EVENTS, RAW_EVENTS, event_columns, event_marks),
    Target(
        STATES, CORE_DOSSIERS, partial(upsert_columns, to_row=dossier_row), partial(upsert_marks, table=CORE_DOSSIERS)
    ),
    Target(TALLIES, CORE_TALLIES, partial(upsert_columns, to_row=tally_row), partial(upsert_marks, table=CORE_TALLIES)),
    Target(UNITS, CORE_UNITS, partial(upsert_columns, to_row=unit_row), partial(upsert_marks, table=CORE_UNITS)),
)
