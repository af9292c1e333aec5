"""Which rules a question goes by: those in force, or others put in their place to see what would be different.

In force is what the worker goes by (`streams/reference.py`): units, policies and calendars of their topics, here from
the tables that are filled from them; policies and calendars that come with Hoso hold until their topics say otherwise.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

from schemas.errors import SettingsError
from schemas.reference import CalendarRecord, PolicyRecord, Unit, read_calendars, read_policies
from schemas.settings import Settings
from schemas.tables import CORE_CALENDARS, CORE_POLICIES, CORE_UNITS
from services.reports.log import Ask
from streams.domain.deadline import Policy, Rulebook
from streams.domain.working_time import Calendar

_POLICY: Final = tuple(PolicyRecord.model_fields)
_CALENDAR: Final = tuple(CalendarRecord.model_fields)
_UNIT: Final = ("id", "name_vi", "name_en", "parent_id", "rules")


class UnknownRules(Exception):
    """A policy or calendar that was asked for is not there; the text lists those that are."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The reference data that rules are made of."""

    policies: Mapping[str, PolicyRecord]
    calendars: Mapping[str, CalendarRecord]
    units: Sequence[Unit]
    default: str

    @classmethod
    def read(cls, ask: Ask, settings: Settings) -> Self:
        """As they are in force."""
        policies = [PolicyRecord.model_validate(row) for row in _rows(ask, CORE_POLICIES, "policy_id", _POLICY)]
        calendars = [CalendarRecord.model_validate(row) for row in _rows(ask, CORE_CALENDARS, "calendar_id", _CALENDAR)]
        return cls(
            {**read_policies(settings.policies_file), **{each.id: each for each in policies}},
            {**read_calendars(settings.calendars_file), **{each.id: each for each in calendars}},
            [_unit(row) for row in _rows(ask, CORE_UNITS, "unit_id", _UNIT)],
            settings.policy,
        )

    def with_files(self, policies: Path | None, calendars: Path | None) -> Self:
        """With what files add or change: rules that are not in force yet."""
        return replace(
            self,
            policies={**self.policies, **(read_policies(policies) if policies else {})},
            calendars={**self.calendars, **(read_calendars(calendars) if calendars else {})},
        )

    def in_force(self) -> Rulebook:
        """The rulebook; `SettingsError` when it names what is not there."""
        try:
            return Rulebook.of(self.policies, self.calendars, default=self.default, units=self.units)
        except KeyError as missing:
            raise SettingsError(f"the rules name {missing}, which is not there: see HOSO_POLICY") from None

    def others(self, policy_ids: Iterable[str], calendar_id: str = "") -> dict[str, Rulebook]:
        """Rulebooks that judge every dossier by one policy, whatever its facts or its unit name; by the policy's id.

        Without a policy, `calendar_id` alone changes the calendar of every policy in force.
        """
        own = Calendar.of(self._calendar(calendar_id)) if calendar_id else None
        found = {}
        for id_ in policy_ids:
            if id_ not in self.policies:
                raise UnknownRules(f"there is no policy {id_}; there are: {', '.join(self.policies)}")
            record = self.policies[id_]
            calendar = own or (Calendar.of(self._calendar(record.calendar_id)) if record.calendar_id else None)
            found[id_] = only(Policy.of(record, calendar))
        if not found and own is not None:
            found[f"calendar {own.id}"] = with_calendar(self.in_force(), own)
        return found

    def _calendar(self, id_: str) -> CalendarRecord:
        if id_ not in self.calendars:
            raise UnknownRules(f"there is no calendar {id_}; there are: {', '.join(self.calendars)}")
        return self.calendars[id_]


def only(policy: Policy) -> Rulebook:
    """Rules by which this policy governs every dossier."""
    return Rulebook({(policy.id, policy.calendar_id): policy}, policy, {}, {}, f"only {policy.id} {policy.calendar_id}")


def with_calendar(rules: Rulebook, calendar: Calendar) -> Rulebook:
    """The same rules, all by this calendar."""

    def by_it(policy: Policy) -> Policy:
        return replace(policy, calendar=calendar)

    return Rulebook(
        {(id_, calendar.id): by_it(policy) for (id_, _), policy in rules.policies.items()},
        by_it(rules.default),
        dict.fromkeys(rules.own_calendar, calendar.id),
        {unit: (starts, tuple(map(by_it, policies))) for unit, (starts, policies) in rules.by_unit.items()},
        f"{rules.fingerprint} {calendar.id}",
    )


def _rows(ask: Ask, table: str, id_column: str, fields: Sequence[str]) -> list[dict[str, Any]]:
    """Records by field name; an absent reference is empty in a table."""
    columns = ", ".join(id_column if name == "id" else _COLUMNS.get(name, name) for name in fields)
    rows = ask(f"SELECT {columns} FROM {table} FINAL ORDER BY {id_column}", {})  # noqa: S608 - our own names
    return [
        {name: None if name.endswith("_id") and value == "" else value for name, value in zip(fields, row, strict=True)}
        for row in rows
    ]


_COLUMNS: Final = {"rules": "arrayMap(rule -> [toString(rule.1), rule.2, rule.3], rules)"}


def _unit(row: dict[str, Any]) -> Unit:
    rules = [{"valid_from": day, "policy_id": policy, "calendar_id": own or None} for day, policy, own in row["rules"]]
    return Unit.model_validate({**row, "rules": rules})
