"""Which policy and which office hours govern a dossier, looked up anew each time."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.reference import CalendarRecord, PolicyRecord, Unit
from services.audit.calendar import OfficeHours, midnight


@dataclass(frozen=True)
class Governing:
    """A policy with the office hours it is applied by; None: every hour counts."""

    policy: PolicyRecord
    hours: OfficeHours | None

    @property
    def calendar_id(self) -> str:
        """Empty when every hour counts."""
        return self.hours.record.id if self.hours else ""


@dataclass(frozen=True)
class Rules:
    """The reference data as it stands. `KeyError` for a policy or calendar that is named and missing."""

    policies: Mapping[str, PolicyRecord]
    calendars: Mapping[str, CalendarRecord]
    units: Mapping[str, Unit]
    default: str

    def governing(self, unit_id: str | None, at: int, named: str | None) -> Governing:
        """The policy that the facts name, else that of the unit, or of the nearest above it with rules, on that day."""
        of_unit = self._of_unit(unit_id, at) or self._bind(self.default)
        if named is None or named == of_unit.policy.id or named not in self.policies:
            return of_unit
        return self._bind(named)

    def _of_unit(self, unit_id: str | None, at: int) -> Governing | None:
        passed: set[str] = set()
        while unit_id is not None and unit_id in self.units and unit_id not in passed:
            passed.add(unit_id)
            unit = self.units[unit_id]
            for entry in sorted(unit.rules, key=lambda entry: entry.valid_from, reverse=True):
                if midnight(entry.valid_from, self.policies[entry.policy_id].zone) <= at:
                    return self._bind(entry.policy_id, entry.calendar_id)
            if unit.rules:
                return None  # its first rule is not in force yet
            unit_id = unit.parent_id
        return None

    def _bind(self, policy_id: str, calendar_id: str | None = None) -> Governing:
        policy = self.policies[policy_id]
        calendar_id = calendar_id or policy.calendar_id
        return Governing(policy, OfficeHours(self.calendars[calendar_id]) if calendar_id else None)
