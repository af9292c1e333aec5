"""What the indicators of QD 766 are counted from, read from ClickHouse: picked there, divided and judged elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from services.reports.log import Ask
from services.reports.periods import Period

COUNTS: Final = (
    *("handled", "kept", "undated", "received", "online", "fee", "paid_online", "paper", "paper_and_e"),
    *("resolved", "digitised", "reused", "shared"),
)

_SCOPE: Final = """(empty({units:Array(String)}) OR has({units:Array(String)}, unit_id))
    AND NOT ({sums_levels:Bool} AND root_id != '')"""
# Handled: received in the period, or open when it began. `is_kept` is indicator 2.1 for those that have a promise.
_COUNTS: Final = f"""\
SELECT
    count() AS handled,
    countIf(is_kept) AS kept,
    countIf(is_undated) AS undated,
    countIf(received_on >= {{first:Date}}) AS received,
    countIf(received_on >= {{first:Date}} AND channel = 'online'
        AND (NOT has(marks, 'paper_result') OR has(marks, 'e_result'))) AS online,
    countIf(has(marks, 'fee')) AS fee,
    countIf(has(marks, 'fee') AND has(marks, 'paid_online')) AS paid_online,
    countIf(NOT is_open AND has(marks, 'paper_result')) AS paper,
    countIf(NOT is_open AND has(marks, 'paper_result') AND has(marks, 'e_result')) AS paper_and_e,
    countIf(NOT is_open) AS resolved,
    countIf(NOT is_open AND has(marks, 'digitised') AND has(marks, 'result_digitised')) AS digitised,
    countIf(received_on >= {{first:Date}} AND has(marks, 'reused')) AS reused,
    countIf(received_on >= {{first:Date}} AND has(marks, 'national_store')) AS shared
FROM
(
    SELECT
        *,
        supplements < 2 AND (timeliness = 'undated' OR (timeliness = 'paused' AND isNull(closes_at))) AS is_undated,
        supplements < 2 AND (timeliness IN ('early', 'on_time', 'within_due')
            OR (timeliness = 'paused' AND ifNull(paused_at <= closes_at, 0))) AS is_kept
    FROM mart.dossiers_as_of(day = {{last:Date}})
    WHERE (is_open OR resolved_on >= {{first:Date}}) AND {_SCOPE}
)"""  # noqa: S608 - our own text
_MICROS: Final = "toUnixTimestamp64Micro"
_UNDATED: Final = f"""\
SELECT
    procedure_id, calendar_id, {_MICROS}(assumeNotNull(accepted_at)),
    {_MICROS}(assumeNotNull(coalesce(ended_at, paused_at, as_of))),
    arrayMap(at -> {_MICROS}(at), pause_starts), arrayMap(at -> {_MICROS}(at), pause_ends)
FROM mart.dossiers_as_of(day = {{last:Date}})
WHERE (is_open OR resolved_on >= {{first:Date}}) AND {_SCOPE} AND (is_open OR isNotNull(ended_at)) AND supplements < 2
    AND (timeliness = 'undated' OR (timeliness = 'paused' AND isNull(closes_at)))"""  # noqa: S608 - our own text
_FINISHED: Final = f"""\
SELECT
    CAST(procedure_id, 'String'), CAST(calendar_id, 'String'), {_MICROS}(assumeNotNull(accepted_at)),
    {_MICROS}(assumeNotNull(ended_at)),
    arrayMap(at -> {_MICROS}(at), pause_starts), arrayMap(at -> {_MICROS}(at), pause_ends)
FROM core.dossiers FINAL
WHERE status IN ('finished', 'delivered') AND isNotNull(accepted_at) AND {_SCOPE}
    AND flow_days[arrayFirstIndex(counter -> startsWith(counter, 'received_'), flow_counters)]
        BETWEEN {{first:Date}} AND {{last:Date}}"""  # noqa: S608 - our own text


class Handling(NamedTuple):
    """A dossier's time at the office, in microseconds since 1970."""

    procedure_id: str
    calendar_id: str
    start: int
    end: int
    pause_starts: Sequence[int]
    pause_ends: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Counts by the names of `COUNTS`, the handled dossiers without a promise, and the finished ones of the period."""

    counts: dict[str, int]
    undated: Sequence[Handling]
    finished: Sequence[Handling]


def read_facts(ask: Ask, period: Period, scope: Sequence[str], *, sums_levels: bool) -> Facts:
    """The facts of a period and of the units in scope; an empty scope means every unit."""
    parameters: dict[str, Any] = {
        "first": period.first,
        "last": period.last,
        "units": [*scope],
        "sums_levels": sums_levels,
    }
    [counts] = ask(_COUNTS, parameters)
    return Facts(
        counts=dict(zip(COUNTS, counts, strict=True)),
        undated=[Handling(*row) for row in ask(_UNDATED, parameters)],
        finished=[Handling(*row) for row in ask(_FINISHED, parameters)],
    )
