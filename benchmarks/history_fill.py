"""Two years of a country's dossiers, made by ClickHouse itself: `core.dossiers`, `core.tallies` and `core.units`.

A dossier is a pure function of its number, so rows and tallies come from one definition (`_FACTS`) and agree without
being made from each other. Both are inserted in the order of time, as the sink does: parts overlap in their keys, and
FINAL has its real work to do.

12,000 units, because a hundred million dossiers are two years of a country, and of a province a century: in 2021 there
were 63 provinces, about 700 districts and 10,600 communes. Here 50 provinces have 20 cities of 12 units, unequal in
size: a tenth of the units has a third of the dossiers. Eight partitions, as docs/scale.md advises for a country. Not
filled: `raw.events` (six times as many rows) and reference data other than units.
"""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Final

from schemas.tables import CORE_DOSSIERS, CORE_TALLIES, CORE_UNITS
from schemas.tallies import FLOW, OPEN_OVERDUE, OPEN_PAUSED, OPEN_WITHIN_DUE
from services.sink.clickhouse import Warehouse

FIRST: Final = date(2020, 1, 6)  # a Monday; days below are working days since
DAYS: Final = 520  # of five a week, to Friday 31 December 2021
YEAR: Final = 2021
PROVINCES: Final = 50
CITIES: Final = 20  # of a province
UNITS: Final = 12_000
PROCEDURES: Final = 40  # that one unit handles
PARTITIONS: Final = 8
SLICE_DAYS: Final = 26
LONGEST: Final = 30  # working days from reception to resolution, at most
_INSERT: Final = (
    "SETTINGS max_insert_threads = 2, min_insert_block_size_rows = 2000000, min_insert_block_size_bytes = 0, "
    "max_block_size = 500000, optimize_on_insert = 0, insert_deduplicate = 0"
)

_TWO_DIGITS: Final = "leftPad(toString({0}), 2, '0')"
_CITY: Final = (
    f"concat('H', {_TWO_DIGITS.format(f'{{0}} % {PROVINCES} + 1')}, "
    f"'.', {_TWO_DIGITS.format(f'intDiv({{0}}, {PROVINCES}) % {CITIES}')})"
)
_UNIT: Final = f"concat({_CITY}, '.', {_TWO_DIGITS.format(f'intDiv({{0}}, {PROVINCES * CITIES})')})"
_DAY: Final = f"toDate('{FIRST}') + intDiv({{0}}, 5) * 7 + ({{0}}) % 5"
_UTC: Final = "toDateTime64({0}, 6, 'UTC') + toIntervalMicrosecond({1})"
_OFFICE_DAY_ENDS_US: Final = 17 * 3_600_000_000 - 1  # in Asia/Ho_Chi_Minh, as microseconds of the day in UTC

_FACTS: Final = f"""
SELECT
    number,
    intDiv(number * {DAYS}, {{total}}) AS received_k,
    cityHash64(number) AS h,
    toUInt32({UNITS} * pow((h % 1000003) / 1000003, 2)) AS unit_number,
    {_UNIT.format("unit_number")} AS unit_id,
    {_DAY.format("received_k")} AS received_on,
    concat(unit_id, '-', toString(toYYYYMMDD(received_on)), '-',
        leftPad(toString(number % 10000000), 7, '0')) AS dossier_id,
    toUInt32(cityHash64(dossier_id) % {PARTITIONS}) AS kpart,
    concat('1.', toString(100000 + unit_number % 7 * 100 + bitShiftRight(h, 8) % {PROCEDURES})) AS procedure_id,
    if(bitShiftRight(h, 16) % 50 = 0, concat(substring(unit_id, 1, 3), substring(dossier_id, 10)), '') AS root_id,
    bitShiftRight(h, 20) % 10 AS way,
    multiIf(way < 6, 'online', way < 9, 'direct', 'postal') AS channel,
    bitShiftRight(h, 24) % 20 + 1 AS promised_days,
    bitShiftRight(h, 32) % 1000 AS fate,
    multiIf(fate < 930, 'early', fate < 980, 'on_time', fate < 995, 'overdue', 'paused') AS verdict,
    toInt64(received_k + multiIf(
        verdict = 'early', bitShiftRight(h, 44) % promised_days,
        verdict = 'on_time', promised_days,
        promised_days + 1 + bitShiftRight(h, 44) % ({LONGEST} - 20))) AS resolved_k,
    verdict != 'paused' AND resolved_k < {DAYS} AS is_closed,
    {_DAY.format("resolved_k")} AS resolved_on,
    is_closed AND verdict = 'overdue' AND fate < 985 AS is_apologised,
    if(bitShiftRight(h, 50) % 50 = 0, 'returned', 'granted') AS outcome,
    arrayConcat(
        [concat('received_', channel)],
        if(is_closed, [concat('resolved_', verdict), concat('outcome_', outcome)], []),
        if(is_apologised, ['overdue_apologised'], [])) AS counters,
    arrayMap((_, at) -> if(at = 1, received_on, resolved_on), counters, arrayEnumerate(counters)) AS days
FROM numbers({{first}}, {{count}})
"""

_DOSSIERS: Final = f"""
INSERT INTO {CORE_DOSSIERS} (
    dossier_id, kpart, koffset, event_offset, rules, policy_id, calendar_id,
    status, unit_id, procedure_id, channel, root_id,
    registered_at, accepted_at, due_original_at, due_at, due_soon_at, closes_at, paused_at, pause_starts, pause_ends,
    supplements, finished_at, first_finished_at, delivered_at, ended_at, outcome, timeliness,
    flow_days, flow_units, flow_counters)
SELECT
    dossier_id, kpart, number, number, 'a1b2c3d4', 'vn-day-1', 'vn-1',
    multiIf(is_closed, 'delivered', verdict = 'paused', 'supplement_requested', 'processing'),
    unit_id, procedure_id, channel, root_id,
    if(channel = 'online', {_UTC.format("received_on", "1700000000")}, NULL),
    {_UTC.format("received_on", "1800000000 + bitShiftRight(h, 12) % 28000 * 1000000")} AS accepted_at,
    {_UTC.format(_DAY.format("received_k + promised_days") + " AS due_on", "36000000000")} AS due_at,
    due_at,
    due_at - toIntervalDay(3),
    {_UTC.format("due_on", _OFFICE_DAY_ENDS_US)},
    if(verdict = 'paused', accepted_at + toIntervalHour(1), NULL),
    if(verdict != 'paused' AND bitShiftRight(h, 54) % 10 = 0, [accepted_at + toIntervalMinute(5)], []) AS pauses,
    arrayMap(at -> at + toIntervalMinute(5), pauses),
    length(pauses) + (verdict = 'paused'),
    if(is_closed, {_UTC.format("resolved_on", "32400000000")}, NULL) AS finished_at,
    finished_at,
    finished_at + toIntervalMinute(30),
    finished_at,
    if(is_closed, outcome, ''),
    if(is_closed, verdict, ''),
    days, arrayResize([unit_id], length(days), unit_id), counters
FROM ({_FACTS})
{_INSERT}
"""

_SHARE: Final = "scope, unit_id, subset, day, partition, kpart, koffset, next_offset, as_of"
_FLOWS: Final = f"""
INSERT INTO {CORE_TALLIES} ({_SHARE}, {", ".join(FLOW)})
SELECT 'flow', unit_id, subset, day, kpart, 0, max(number), max(number) + 1, {_UTC.format("day", "0")},
    {", ".join(f"countIf(counter = '{counter}')" for counter in FLOW)}
FROM (SELECT number, unit_id, root_id, kpart, days, counters FROM ({_FACTS}))
ARRAY JOIN days AS day, counters AS counter
ARRAY JOIN if(root_id = '', [''], ['', 'linked']) AS subset
WHERE day BETWEEN '{{since}}' AND '{{until}}'
GROUP BY unit_id, subset, day, kpart
{_INSERT}
"""

_PROCEDURES: Final = f"""
INSERT INTO {CORE_TALLIES} ({_SHARE}, {", ".join(FLOW)})
SELECT 'flow', unit_id, subset, toStartOfYear(day) AS year, kpart, 0, max(koffset), max(koffset) + 1,
    {_UTC.format("year", "0")},
    {", ".join(f"countIf(counter = '{counter}')" for counter in FLOW)}
FROM {CORE_DOSSIERS}
ARRAY JOIN flow_days AS day, flow_counters AS counter
ARRAY JOIN arrayMap(tail -> concat('procedure=', procedure_id, tail), if(root_id = '', [''], ['', ',linked'])) AS subset
WHERE dossier_id >= '{{first}}' AND dossier_id < '{{last}}'
GROUP BY unit_id, subset, year, kpart
{_INSERT}
"""

_STOCK: Final = f"""
INSERT INTO {CORE_TALLIES} ({_SHARE}, {OPEN_PAUSED}, {OPEN_OVERDUE}, {OPEN_WITHIN_DUE})
SELECT 'stock', unit_id, subset, toDate(0), kpart, 0, max(koffset), max(koffset) + 1,
    toDateTime64('{YEAR + 1}-01-01', 6, 'Asia/Ho_Chi_Minh') - toIntervalMicrosecond(1) AS instant,
    countIf(isNotNull(paused_at)), countIf(isNull(paused_at) AND closes_at < instant),
    countIf(isNull(paused_at) AND closes_at >= instant)
FROM {CORE_DOSSIERS}
ARRAY JOIN if(root_id = '', [''], ['', 'linked']) AS subset
WHERE isNull(ended_at)
GROUP BY unit_id, subset, kpart
{_INSERT}
"""

_UNITS: Final = f"""
INSERT INTO {CORE_UNITS} (unit_id, name_vi, name_en, parent_id, level, koffset)
SELECT unit_id, concat('Đơn vị ', unit_id), concat('Unit ', unit_id), parent_id, level, 0 FROM
(
    SELECT 'VN' AS unit_id, '' AS parent_id, '' AS level
    UNION ALL
    SELECT concat('H', {_TWO_DIGITS.format("number + 1")}), 'VN', 'province' FROM numbers({PROVINCES})
    UNION ALL
    SELECT {_CITY.format("number")} AS city, substring(city, 1, 3), 'district' FROM numbers({PROVINCES * CITIES})
    UNION ALL
    SELECT {_UNIT.format("number")}, {_CITY.format("number")}, 'commune' FROM numbers({UNITS})
)
"""


def fill(warehouse: Warehouse, dossiers: int, *, progress: Callable[[float], None]) -> None:
    """Fill the empty core tables; `progress` hears the share that is done."""
    warehouse.command(_UNITS)
    slices = [(start, min(start + SLICE_DAYS, DAYS)) for start in range(0, DAYS, SLICE_DAYS)]
    for done, (start, end) in enumerate(slices, 1):
        warehouse.command(_DOSSIERS.format(**_numbers(dossiers, start, end)))
        days = {"since": day_of(start), "until": day_of(end - 1)}
        warehouse.command(_FLOWS.format(**_numbers(dossiers, max(0, start - LONGEST), end), **days))
        progress(0.9 * done / len(slices))
    warehouse.command(_STOCK)
    for first, last in _ranges():
        warehouse.command(_PROCEDURES.format(first=first, last=last))
    progress(1.0)


def day_of(k: int) -> date:
    """The date of a working day."""
    return FIRST + timedelta(days=k // 5 * 7 + k % 5)


def _numbers(dossiers: int, start: int, end: int) -> dict[str, int]:
    """The numbers of the dossiers received on the working days from `start` to before `end`."""
    first, last = (-(-k * dossiers // DAYS) for k in (start, end))
    return {"total": dossiers, "first": first, "count": last - first}


def _ranges() -> Iterator[tuple[str, str]]:
    """Ranges of dossier codes of five provinces each: their groups fit in memory."""
    for start in range(1, PROVINCES + 1, 5):
        yield f"H{start:02d}", f"H{start + 5:02d}"
