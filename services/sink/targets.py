"""Which topic fills which table, and how."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from schemas.tables import (
    CORE_CALENDARS,
    CORE_DOSSIERS,
    CORE_POLICIES,
    CORE_PROCEDURES,
    CORE_TALLIES,
    CORE_UNITS,
    RAW_EVENTS,
)
from schemas.topics import CALENDARS, EVENTS, POLICIES, PROCEDURES, STATES, TALLIES, UNITS, Topic
from services.sink.batches import Batch, Rows
from services.sink.checkpoint import Mark
from services.sink.clickhouse import Warehouse
from services.sink.event_rows import event_columns
from services.sink.marks import event_marks, upsert_marks
from services.sink.reference_rows import calendar_columns, policy_columns, procedure_columns, unit_columns
from services.sink.upsert_rows import dossier_columns, tally_columns


@dataclass(frozen=True, slots=True)
class Target:
    """A topic and the table that it fills."""

    topic: Topic
    table: str
    read: Callable[[Batch], Rows]
    marks: Callable[[Warehouse], dict[int, Mark]]


def _upserts(topic: Topic, table: str, read: Callable[[Batch], Rows]) -> Target:
    return Target(topic, table, read, partial(upsert_marks, table=table))


TARGETS: Final = (
    Target(EVENTS, RAW_EVENTS, event_columns, event_marks),
    _upserts(STATES, CORE_DOSSIERS, dossier_columns),
    _upserts(TALLIES, CORE_TALLIES, tally_columns),
    _upserts(UNITS, CORE_UNITS, unit_columns),
    _upserts(PROCEDURES, CORE_PROCEDURES, procedure_columns),
    _upserts(CALENDARS, CORE_CALENDARS, calendar_columns),
    _upserts(POLICIES, CORE_POLICIES, policy_columns),
)
