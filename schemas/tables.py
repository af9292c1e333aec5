"""Every ClickHouse table and view, once. Layers: `raw` as it came, `core` typed, `mart` what analysts see (views only).

`deploy/clickhouse/` makes them; a test holds both lists equal.
"""

from typing import Final

RAW: Final = "raw"
CORE: Final = "core"
MART: Final = "mart"
DATABASES: Final = (RAW, CORE, MART)

RAW_MIGRATIONS: Final = "raw.migrations"  # which numbered files were applied, with their checksum
RAW_TOPICS: Final = "raw.topics"  # which Kafka topic, by its id, each table is filled from
RAW_EVENTS: Final = "raw.events"  # every record of `dossier-events` with its address: the sink's own checkpoint

CORE_EVENTS: Final = "core.events"  # the facts among them, each once
CORE_DOSSIERS: Final = "core.dossiers"  # the state of every dossier, as the processor concluded it
CORE_TALLIES: Final = "core.tallies"  # shares of the counters and the processor's heartbeats
CORE_UNITS: Final = "core.units"
CORE_PROCEDURES: Final = "core.procedures"
CORE_CALENDARS: Final = "core.calendars"
CORE_POLICIES: Final = "core.policies"

MART_DOSSIERS: Final = "mart.dossiers"
MART_UNIT_DAILY: Final = "mart.unit_daily"
MART_FRESHNESS: Final = "mart.freshness"
MART_UNITS: Final = "mart.units"  # with the places above them, and where their figures are shown today
MART_PROCEDURES: Final = "mart.procedures"
MART_UNIT_DAILY_NOW: Final = "mart.unit_daily_now"  # `unit_daily` under today's units
MART_PROCEDURE_YEARLY: Final = "mart.procedure_yearly"
MART_UNIT_STOCK: Final = "mart.unit_stock"
MART_PROCEDURE_STOCK: Final = "mart.procedure_stock"
MART_UNIT_MEMBERS: Final = "mart.unit_members"
MART_BACK_DATED: Final = "mart.back_dated"
MART_BACK_DATED_FACTS: Final = "mart.back_dated_facts"
MART_DOSSIER_CODES: Final = "mart.dossier_codes"
MART_SEQUENCE_GAPS: Final = "mart.sequence_gaps"
MART_CODE_DATE_MISMATCHES: Final = "mart.code_date_mismatches"
MART_IMPOSSIBLE_ORDERS: Final = "mart.impossible_orders"
MART_UNIT_DAILY_ROLLED: Final = "mart.unit_daily_rolled"  # with the units below, linked dossiers once (ADR 0012)
MART_FLOW_DOSSIERS: Final = "mart.flow_dossiers"  # one row per count: every sum of flows, opened
MART_CORRECTIONS: Final = "mart.corrections"  # what changed figures of days that had passed
MART_DOSSIERS_AS_OF: Final = "mart.dossiers_as_of"  # (day)
MART_REPORT_06A_DOSSIERS: Final = "mart.report_06a_dossiers"  # (first, last)
MART_REPORT_06A: Final = "mart.report_06a"  # (first, last)
MART_UNIT_REPORT: Final = "mart.unit_report"  # (unit, first, last): the form from counters

TABLES: Final = (
    RAW_MIGRATIONS,
    RAW_TOPICS,
    RAW_EVENTS,
    CORE_DOSSIERS,
    CORE_TALLIES,
    CORE_UNITS,
    CORE_PROCEDURES,
    CORE_CALENDARS,
    CORE_POLICIES,
)
VIEWS: Final = (
    CORE_EVENTS,
    MART_DOSSIERS,
    MART_UNIT_DAILY,
    MART_FRESHNESS,
    MART_UNITS,
    MART_PROCEDURES,
    MART_UNIT_DAILY_NOW,
    MART_PROCEDURE_YEARLY,
    MART_UNIT_STOCK,
    MART_PROCEDURE_STOCK,
    MART_UNIT_MEMBERS,
    MART_UNIT_DAILY_ROLLED,
    MART_BACK_DATED,
    MART_BACK_DATED_FACTS,
    MART_DOSSIER_CODES,
    MART_SEQUENCE_GAPS,
    MART_CODE_DATE_MISMATCHES,
    MART_IMPOSSIBLE_ORDERS,
    MART_FLOW_DOSSIERS,
    MART_CORRECTIONS,
    MART_DOSSIERS_AS_OF,
    MART_REPORT_06A_DOSSIERS,
    MART_REPORT_06A,
    MART_UNIT_REPORT,
)
