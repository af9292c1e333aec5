"""The log as ClickHouse keeps it: the facts of chosen dossiers, dossier by dossier, as far as they were known at K.

K is compared with the record's own timestamp in Kafka (`recorded_at`), which every rebuild of the tables brings back.
Memory is bounded: a partition is read in parts by a hash of the dossier, so that a part holds whole dossiers and is
small, whatever the table holds.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from schemas.codec import Event, decode_record
from schemas.state import Entry
from schemas.tables import RAW_EVENTS
from streams.domain.dossier import entry_of, micros

Ask = Callable[[str, Mapping[str, Any]], Sequence[Sequence[Any]]]
"""Runs one SELECT with parameters and gives its rows; `Warehouse.query` is one."""

ROWS_OF_PART: Final = 50_000  # about 25 MB: an answer of the SQL door may be 128 MiB
FOREVER: Final = datetime(2299, 12, 31, tzinfo=UTC)  # the last moment that `recorded_at` holds


@dataclass(frozen=True, slots=True)
class Record:
    """One record of `dossier-events` that is an event, with its address."""

    partition: int
    offset: int
    recorded_at: int  # microseconds, as all moments of the core
    event: Event
    entry: Entry


@dataclass(frozen=True, slots=True)
class Known:
    """What was known of a dossier: its records in the order of the log, each fact once, where it first came."""

    dossier_id: str
    records: Sequence[Record]

    @property
    def entries(self) -> list[Entry]:
        """Its history for the fold."""
        return [record.entry for record in self.records]

    @property
    def event_offset(self) -> int:
        """Offset of the last record that brought something new: what the state carries as `offset`."""
        return self.records[-1].offset

    def until(self, known_at: int) -> "Known | None":
        """The same dossier as it was known earlier; None: nothing was."""
        records = [record for record in self.records if record.recorded_at <= known_at]
        return Known(self.dossier_id, records) if records else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which dossiers: those that some event says to be of one of `units`, or those listed; both empty: all."""

    units: Sequence[str] = ()
    dossiers: Sequence[str] = ()
    known_at: datetime = field(default=FOREVER)

    @property
    def parameters(self) -> dict[str, Any]:
        """What fills the placeholders of `where`."""
        return {
            "units": [*self.units],
            "dossiers": [*self.dossiers],
            "known_at": micros(self.known_at) // 1000,
        }


# A unit's dossiers are those that it took in or was handed; the fold decides whether they are still its own.
_WHERE: Final = f"""
WHERE status = 'ok'
    AND recorded_at <= fromUnixTimestamp64Milli({{known_at:Int64}}, 'UTC')
    AND (empty({{dossiers:Array(String)}}) OR dossier_id IN {{dossiers:Array(String)}})
    AND (empty({{units:Array(String)}}) OR dossier_id IN (
        SELECT dossier_id FROM {RAW_EVENTS}
        WHERE status = 'ok' AND (unit_id IN {{units:Array(String)}} OR to_unit_id IN {{units:Array(String)}})
    ))"""  # noqa: S608 - our own names
_COUNT: Final = f"SELECT kpart, count() FROM {RAW_EVENTS}{_WHERE} GROUP BY kpart ORDER BY kpart"  # noqa: S608 - our own names
_PART: Final = f"""
SELECT
    dossier_id, kpart, koffset, toUnixTimestamp64Milli(recorded_at), key, value,
    arrayMap(header -> (header.1, ifNull(header.2, '')), headers) AS texts
FROM {RAW_EVENTS}{_WHERE}
    AND kpart = {{kpart:UInt32}} AND cityHash64(dossier_id) % {{parts:UInt32}} = {{part:UInt32}}
ORDER BY dossier_id, koffset
LIMIT 1 BY dossier_id, koffset"""  # noqa: S608 - our own names
_LAST: Final = f"""\
SELECT toUnixTimestamp64Milli(max(recorded_at)), count() FROM {RAW_EVENTS} WHERE status = 'ok'"""  # noqa: S608 - our own names


def count_records(ask: Ask, selection: Selection) -> dict[int, int]:
    """How many records a reading would take, by partition."""
    return {row[0]: row[1] for row in ask(_COUNT, selection.parameters)}


def last_recorded(ask: Ask) -> datetime | None:
    """When the newest event was recorded: up to then everything is known; None: the log is empty."""
    [(at, count)] = ask(_LAST, {})
    return datetime.fromtimestamp(at / 1000, UTC) if count else None


def read_known(
    ask: Ask,
    selection: Selection,
    *,
    counts: Mapping[int, int] | None = None,
    advance: Callable[[int], None] = lambda _records: None,
) -> Iterator[Known]:
    """Dossiers with what was known of them; `advance` hears how many records were read since its last call."""
    for partition, count in (count_records(ask, selection) if counts is None else counts).items():
        parts = 1 + count // ROWS_OF_PART
        for part in range(parts):
            rows = ask(_PART, {**selection.parameters, "kpart": partition, "parts": parts, "part": part})
            yield from _dossiers(rows)
            advance(len(rows))


def _dossiers(rows: Sequence[Sequence[Any]]) -> Iterator[Known]:
    dossier_id, records, seen = "", list[Record](), set[Entry]()
    for row in rows:
        if row[0] != dossier_id:
            if records:
                yield Known(dossier_id, records)
            dossier_id, records, seen = row[0], [], set()
        record = _record(row)
        if record.entry not in seen:  # sent twice: the first one is the fact
            seen.add(record.entry)
            records.append(record)
    if records:
        yield Known(dossier_id, records)


def _record(row: Sequence[Any]) -> Record:
    _, partition, offset, recorded_ms, key, value, headers = row
    event = decode_record(
        key=key.encode(), value=value.encode(), headers=[(name, text.encode()) for name, text in headers]
    )
    return Record(partition, offset, recorded_ms * 1000, event, entry_of(event))
