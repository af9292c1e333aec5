"""The rules that figures go by, as ClickHouse has them: what its topics say over what comes with Hoso.

The worker reads them the same way; a report must not know another calendar than the one that judged its dossiers.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Final

from schemas.reference import (
    CalendarRecord,
    PolicyRecord,
    ProcessingTime,
    Unit,
    UnitRules,
    read_calendars,
    read_policies,
    read_units,
)
from schemas.settings import Settings
from services.reports.as_of import OFFICE
from services.reports.log import Ask
from streams.domain.deadline import Rulebook
from streams.domain.dossier import micros
from streams.domain.working_time import Calendar

_CALENDAR: Final = ("calendar_id", "zone", "weekend", "hours", "days_off", "make_up_days", "source")
_POLICY: Final = (
    *("policy_id", "zone", "on_time", "pauses", "resume", "second_supplement", "calendar_id", "reception_closes"),
    *("due_soon_days", "year_begins", "source"),
)
_UNIT: Final = ("unit_id", "name_vi", "name_en", "parent_id", "rules")
_LIMITS: Final = """\
SELECT procedure_id, processing_time_amount, processing_time_unit
FROM mart.procedures
WHERE isNotNull(processing_time_amount)"""


def calendars_of(ask: Ask, settings: Settings) -> Mapping[str, Calendar]:
    """All calendars by id, laid out."""
    return {id_: Calendar.of(record) for id_, record in _calendars(ask, settings).items()}


def limits_of(ask: Ask) -> Mapping[str, ProcessingTime]:
    """The statutory processing times by procedure, where the catalogue has them."""
    return {id_: ProcessingTime(amount=amount, unit=unit) for id_, amount, unit in ask(_LIMITS, {})}


def year_begins(ask: Ask, settings: Settings, unit_id: str, year: int) -> str:
    """When the reporting year begins by the policy that governs the unit on New Year's Day; empty id: by default."""
    at = micros(datetime(year, 1, 1, tzinfo=OFFICE))
    return _policies(ask, settings)[rulebook_of(ask, settings).governing(unit_id, at, None).id].year_begins


def rulebook_of(ask: Ask, settings: Settings) -> Rulebook:
    """The rules in force."""
    units = {**{unit.id: unit for unit in read_units(settings.units_file)}, **_units(ask)}
    return Rulebook.of(
        _policies(ask, settings), _calendars(ask, settings), default=settings.policy, units=units.values()
    )


def _calendars(ask: Ask, settings: Settings) -> Mapping[str, CalendarRecord]:
    sql = f"SELECT {', '.join(_CALENDAR)} FROM core.calendars FINAL"  # noqa: S608 - our own names
    rows = (dict(zip(("id", *_CALENDAR[1:]), row, strict=True)) for row in ask(sql, {}))
    return {**read_calendars(settings.calendars_file), **{row["id"]: CalendarRecord(**row) for row in rows}}


def _policies(ask: Ask, settings: Settings) -> Mapping[str, PolicyRecord]:
    sql = f"SELECT {', '.join(_POLICY)} FROM core.policies FINAL"  # noqa: S608 - our own names
    found = {}
    for row in ask(sql, {}):
        values = dict(zip(("id", *_POLICY[1:]), row, strict=True))
        found[values["id"]] = PolicyRecord(**{**values, "calendar_id": values["calendar_id"] or None})
    return {**read_policies(settings.policies_file), **found}


def _units(ask: Ask) -> Mapping[str, Unit]:
    sql = f"SELECT {', '.join(_UNIT)} FROM core.units FINAL"  # noqa: S608 - our own names
    return {
        id_: Unit(id=id_, name_vi=vi, name_en=en, parent_id=parent or None, rules=tuple(map(_rules, rules)))
        for id_, vi, en, parent, rules in ask(sql, {})
    }


def _rules(given: tuple[date, str, str] | dict[str, str]) -> UnitRules:
    valid_from, policy_id, calendar_id = given.values() if isinstance(given, dict) else given
    return UnitRules.model_validate(
        {"valid_from": valid_from, "policy_id": policy_id, "calendar_id": calendar_id or None}
    )
