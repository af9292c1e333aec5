"""What ClickHouse holds: `raw.events` row by row beside the log, dossiers as claims, shares beside their topic.

Questions are asked in pages, by offset or by dossier, so that no answer grows with the table.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from schemas import tables, topics
from schemas.tallies import FLOW, STOCK
from services.audit.findings import Difference, Findings
from services.audit.spill import Spill
from services.sink.clickhouse import Warehouse

PAGE: Final = 20_000
FACTS_PAGE: Final = 200_000  # the view looks through all facts for each page

DIGEST: Final = (
    "lower(hex(MD5(arrayStringConcat(arrayConcat("
    "arrayMap(part -> if(isNull(part), '-', concat('+', assumeNotNull(part))), [key, value]), "
    "arrayMap(header -> concat(header.1, '=', ifNull(header.2, '')), headers)), '\\0'))))"
)
ROW: Final = (
    "digest",
    "recorded_at",
    "flaw",
    "dossier_id",
    "source",
    "event_id",
    "kind",
    "unit_id",
    "occurred_at",
    "due_at",
)
RAW: Final = (
    f"SELECT koffset, prev_offset, {DIGEST}, toUnixTimestamp64Milli(recorded_at), flaw, dossier_id, source, event_id, "  # noqa: S608
    "kind, unit_id, if(flaw = '', toUnixTimestamp64Micro(occurred_at), 0), toUnixTimestamp64Micro(due_at) "
    f"FROM {tables.RAW_EVENTS} WHERE kpart = {{p:UInt32}} AND koffset >= {{from:Int64}} AND koffset < {{to:Int64}} "
    "ORDER BY koffset"
)
LOGGED: Final = (
    "SELECT koffset, digest, written_ms, flaw, coalesce(dossier, ''), source, id, kind, unit, at, due FROM records "
    "WHERE partition = ? AND koffset >= ? AND koffset < ? ORDER BY koffset"
)

_MICROS: Final = "toUnixTimestamp64Micro"
_MOMENTS: Final = {
    **{name: name for name in ("registered_at", "accepted_at", "due_at", "due_soon_at", "closes_at", "paused_at")},
    **{name: name for name in ("finished_at", "first_finished_at", "delivered_at", "ended_at")},
    "due_original": "due_original_at",
    "due_announced": "due_announced_at",
}
_CODES: Final = ("status", "unit_id", "procedure_id", "channel", "root_id", "outcome", "timeliness")
_MICROS_OF: Final = f"arrayMap(each -> {_MICROS}(each), "
CORE: Final = {
    "offset": "event_offset",
    **{name: f"{_MICROS}({column})" for name, column in _MOMENTS.items()},
    **{name: f"nullIf(toString({name}), '')" for name in _CODES},
    **{name: f"toString({name})" for name in ("policy_id", "calendar_id")},
    "supplements": "supplements",
    "marks": "marks",
    "due_changes": f"arrayZip({_MICROS_OF}change_ats), change_causes, {_MICROS_OF}change_due_ats), "
    f"{_MICROS_OF}change_closes_ats))",
    "pauses": f"arrayZip({_MICROS_OF}pause_starts), {_MICROS_OF}pause_ends))",
    "flows": "arrayZip(arrayMap(each -> toString(each), flow_days), flow_units, flow_counters)",
    "anomalies": "arraySort(arrayZip(anomaly_identities, anomaly_codes))",
}
_MART_CODES: Final = ("status", "unit_id", "procedure_id", "channel", "root_id", "outcome")
MART: Final = {
    "offset": "event_offset",
    **{
        name: f"{_MICROS}({_MOMENTS[name]})"
        for name in ("accepted_at", "due_original", "due_at", "closes_at", "ended_at")
    },
    **{name: f"nullIf({name}, '')" for name in _MART_CODES},
    "timeliness": "if(is_open OR status IN ('', 'refused') OR accepted_at IS NULL, NULL, nullIf(timeliness, ''))",
    "supplements": "supplements",
}
CLAIMED: Final = (
    (f"{tables.CORE_DOSSIERS} FINAL", tables.CORE_DOSSIERS, CORE),
    (tables.MART_DOSSIERS, tables.MART_DOSSIERS, MART),
)


class Tables:
    """The warehouse beside what was read from the log."""

    def __init__(self, warehouse: Warehouse, spill: Spill, findings: Findings) -> None:
        self._warehouse, self._spill, self._findings = warehouse, spill, findings

    def marks(self, table: str) -> dict[int, int]:
        """The last offset of each partition that the table has."""
        rows = self._warehouse.query(f"SELECT kpart, max(koffset) FROM {table} GROUP BY kpart")  # noqa: S608
        return {int(kpart): int(koffset) for kpart, koffset in rows}

    def spill_claims(self) -> None:
        """What core and mart say about each dossier."""
        for source, place, columns in CLAIMED:
            address = "kpart, koffset" if place == tables.CORE_DOSSIERS else "0, event_offset"
            last = ""
            while True:
                rows = self._warehouse.query(
                    f"SELECT dossier_id, {address}, {', '.join(columns.values())} FROM {source} "  # noqa: S608
                    f"WHERE dossier_id > {{last:String}} ORDER BY dossier_id LIMIT {PAGE}",
                    {"last": last},
                )
                said = (dict(zip(columns, row[3:], strict=True)) for row in rows)
                self._spill.add(
                    "claims",
                    [
                        (place, row[1], row[2], row[0], values["offset"], msgspec.json.encode(values))
                        for row, values in zip(rows, said, strict=True)
                    ],
                )
                if len(rows) < PAGE:
                    break
                last = rows[-1][0]

    def compare_raw(self, partition: int, end: int) -> Iterator[int]:
        """`raw.events` below `end` beside the log, row by row; yields how many rows were compared."""
        before = -1
        for first in range(0, end, PAGE):
            window = {"p": partition, "from": first, "to": min(first + PAGE, end)}
            rows = self._warehouse.query(RAW, window)
            logged = list(self._spill.ask(LOGGED, partition, first, window["to"]))
            before = self._compare_page(partition, before, logged, rows)
            yield len(logged)

    def _compare_page(self, partition: int, before: int, logged: list[Any], rows: list[Any]) -> int:
        stored: dict[int, list[Any]] = {}
        for row in rows:
            stored.setdefault(row[0], []).append(row)
        for offset, *wanted in logged:
            found = stored.pop(offset, [])
            dossier = wanted[3]
            if not found:
                self._raw("missing", dossier, partition, offset)
            if len(found) > 1:
                self._raw("duplicate", dossier, partition, offset, expected=1, found=len(found))
            for _, prev_offset, *values in found[:1]:
                said = dict(zip(ROW, values, strict=True)) | {"prev_offset": prev_offset}
                expected = dict(zip(ROW, wanted, strict=True)) | {"prev_offset": before}
                names = [name for name in expected if expected[name] != said[name]]
                if names:
                    self._raw(
                        "differs",
                        dossier,
                        partition,
                        offset,
                        expected={name: expected[name] for name in names},
                        found={name: said[name] for name in names},
                    )
            before = offset
        for offset, found in stored.items():
            self._raw("foreign", found[0][5], partition, offset)
        self._findings.compared[tables.RAW_EVENTS] += len(logged)
        return before

    def _raw(
        self, what: str, dossier: str, partition: int, offset: int, *, expected: Any = None, found: Any = None
    ) -> None:
        self._findings.add(
            Difference(
                place=tables.RAW_EVENTS,
                what=what,
                subject=dossier,
                topic=topics.EVENTS.name,
                partition=partition,
                offset=offset,
                expected=expected,
                found=found,
            )
        )

    def compare_facts(self, partition: int, end: int) -> None:
        """`core.events` below `end`: each fact once, at the first offset that brought it."""
        firsts = self._spill.ask(
            "SELECT min(koffset), dossier FROM records WHERE partition = ? AND koffset < ? AND dossier IS NOT NULL "
            "GROUP BY dossier, source, id ORDER BY 1",
            partition,
            end,
        )
        found = self._facts(partition, end)
        one, other = next(firsts, None), next(found, None)
        while one or other:
            if one == other:
                self._findings.compared[tables.CORE_EVENTS] += 1
                one, other = next(firsts, None), next(found, None)
                continue
            is_missing = other is None or (one is not None and one[0] <= other[0])
            offset, dossier = (one if is_missing else other) or (0, "")
            self._findings.add(
                Difference(
                    place=tables.CORE_EVENTS,
                    what="missing" if is_missing else "foreign",
                    subject=dossier,
                    topic=topics.EVENTS.name,
                    partition=partition,
                    offset=offset,
                )
            )
            if is_missing:
                one = next(firsts, None)
            else:
                other = next(found, None)

    def _facts(self, partition: int, end: int) -> Iterator[tuple[Any, ...]]:
        query = (
            f"SELECT koffset, dossier_id FROM {tables.CORE_EVENTS} "  # noqa: S608
            "WHERE kpart = {p:UInt32} AND koffset >= {from:Int64} AND koffset < {to:Int64} ORDER BY koffset"
        )
        for first in range(0, end, FACTS_PAGE):
            window = {"p": partition, "from": first, "to": min(first + FACTS_PAGE, end)}
            yield from self._warehouse.query(query, window)

    def shares(self) -> Iterator[tuple[str, int, int, int, int, dict[str, int]]]:
        """`core.tallies`: key, partition and offset on `unit-tallies`, next offset, as-of, counts without zeros."""
        counters = (*STOCK, *FLOW)
        rows = self._warehouse.query(
            f"SELECT unit_id, partition, if(scope = 'stock', '', toString(day)), subset, kpart, koffset, next_offset, "  # noqa: S608
            f"{_MICROS}(as_of), {', '.join(counters)} FROM {tables.CORE_TALLIES} FINAL WHERE scope != 'progress'"
        )
        for unit, partition, day, subset, kpart, koffset, until, as_of, *counts in rows:
            key = "/".join([unit, str(partition), *([day, subset] if subset else [day] if day else [])])
            yield key, kpart, koffset, until, as_of, {n: c for n, c in zip(counters, counts, strict=True) if c}

    def daily(self) -> Iterator[tuple[str, str, dict[str, int]]]:
        """`mart.unit_daily`: unit, day, flows without zeros."""
        for unit, day, *counts in self._warehouse.query(
            f"SELECT unit_id, toString(day), {', '.join(FLOW)} FROM {tables.MART_UNIT_DAILY}"  # noqa: S608
        ):
            yield unit, day, {name: count for name, count in zip(FLOW, counts, strict=True) if count}
