"""The rules that figures go by, as ClickHouse has them (`rulebooks`): a report must not know another calendar than the
one that judged its dossiers.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from schemas.reference import ProcessingTime
from schemas.settings import Settings
from services.reports.as_of import OFFICE
from services.reports.log import Ask
from services.reports.rulebooks import Rules
from streams.domain.dossier import micros
from streams.domain.working_time import Calendar

_LIMITS: Final = """\
SELECT procedure_id, processing_time_amount, processing_time_unit
FROM mart.procedures
WHERE isNotNull(processing_time_amount)"""


def calendars_of(ask: Ask, settings: Settings) -> Mapping[str, Calendar]:
    """All calendars by id, laid out."""
    return {id_: Calendar.of(record) for id_, record in Rules.read(ask, settings).calendars.items()}


def limits_of(ask: Ask) -> Mapping[str, ProcessingTime]:
    """The statutory processing times by procedure, where the catalogue has them."""
    return {id_: ProcessingTime(amount=amount, unit=unit) for id_, amount, unit in ask(_LIMITS, {})}


def year_begins(ask: Ask, settings: Settings, unit_id: str, year: int) -> str:
    """When the reporting year begins by the policy that governs the unit on New Year's Day; empty id: by default."""
    rules = Rules.read(ask, settings)
    governing = rules.in_force().governing(unit_id, micros(datetime(year, 1, 1, tzinfo=OFFICE)), None)
    return rules.policies[governing.id].year_begins
