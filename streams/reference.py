"""The reference data that the fold goes by: which units there are, and the rulebook, read from their topics.

Who adds a unit writes it before any event that names it. Policies and calendars that come with Hoso hold until their
topics say otherwise. When rules change, states are folded anew from their histories (`Shard.go_by`).
"""

from typing import Any, Final

import structlog
from pydantic import ValidationError

from schemas.reference import CalendarRecord, PolicyRecord, ReferenceRecord, Unit, read_calendars, read_policies
from schemas.settings import Settings
from schemas.topics import CALENDARS, POLICIES, UNITS, Topic
from streams.domain.deadline import Rulebook
from streams.kafka import Log

log = structlog.get_logger()

PARTITION: Final = 0
MODELS: Final[tuple[tuple[Topic, type[ReferenceRecord]], ...]] = (
    (UNITS, Unit),
    (CALENDARS, CalendarRecord),
    (POLICIES, PolicyRecord),
)


class Reference:
    """Units and rules as last read. `KeyError` when the default policy, or what the rules name, is missing."""

    def __init__(self, settings: Settings, log: Log) -> None:
        self._settings = settings
        self._log = log
        self._ends: list[int] = []
        self._policies = read_policies(settings.policies_file)
        self._calendars = read_calendars(settings.calendars_file)
        self.units: frozenset[str] = frozenset()
        self.rules = self._rulebook({}, {}, {})

    @property
    def is_read(self) -> bool:
        """Whether the topics were read at all."""
        return bool(self._ends)

    async def has_moved(self) -> bool:
        """Whether something was written since the last reading."""
        return self._ends != await self._present_ends()

    async def refresh(self) -> None:
        """Read the topics to their present ends. Rules that name what is not there leave the last good in force."""
        ends = await self._present_ends()
        units, calendars, policies = [await self._read(topic, model) for topic, model in MODELS]
        self._ends = ends
        self.units = frozenset(units)
        try:
            rules = self._rulebook(units, calendars, policies)
        except KeyError as missing:
            log.error(
                "the rules name what the reference data does not have; the last good ones hold", missing=str(missing)
            )
            return
        if rules.fingerprint != self.rules.fingerprint:
            log.info("rules", fingerprint=rules.fingerprint, policies=len(rules.own_calendar))
            self.rules = rules

    def _rulebook(self, units: dict[str, Any], calendars: dict[str, Any], policies: dict[str, Any]) -> Rulebook:
        return Rulebook.of(
            {**self._policies, **policies},
            {**self._calendars, **calendars},
            default=self._settings.policy,
            units=units.values(),
        )

    async def _present_ends(self) -> list[int]:
        return await self._log.end_offsets([(self._settings.topics[topic], PARTITION) for topic, _ in MODELS])

    async def _read(self, topic: Topic, model: type[ReferenceRecord]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        async for records in self._log.read_to_end(self._settings.topics[topic], PARTITION):
            for record in records:
                id_ = (record.key or b"").decode(errors="replace")
                if record.value is None:
                    found.pop(id_, None)
                    continue
                try:
                    found[id_] = model.model_validate_json(record.value)
                except ValidationError:
                    log.warning("no reference record, skipped", topic=record.topic, offset=record.offset)
        return found
