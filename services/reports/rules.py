"""Which rules a question goes by: those in force, or others put in their place to see what would be different."""

from dataclasses import replace
from pathlib import Path

from schemas.errors import SettingsError
from schemas.reference import read_calendars, read_policies, read_units
from schemas.settings import Settings
from streams.domain.deadline import Policy, Rulebook
from streams.domain.working_time import Calendar


def rules_in_force(settings: Settings) -> Rulebook:
    """The rulebook of the settings' reference data; `SettingsError` when it names what is not there."""
    try:
        return Rulebook.of(
            read_policies(settings.policies_file),
            read_calendars(settings.calendars_file),
            default=settings.policy,
            units=read_units(settings.units_file),
        )
    except KeyError as missing:
        raise SettingsError(
            f"the rules name {missing}, which is not there: see HOSO_POLICY, HOSO_POLICIES_FILE, HOSO_CALENDARS_FILE"
        ) from None


class UnknownRules(Exception):
    """A policy or calendar that was asked for is not there; the text lists those that are."""


def other_rules(
    settings: Settings,
    policy_ids: list[str],
    *,
    calendar_id: str | None = None,
    policies_file: Path | None = None,
    calendars_file: Path | None = None,
) -> dict[str, Rulebook]:
    """Rulebooks that judge every dossier by one policy, whatever its facts or its unit name; by the policy's id.

    Without a policy, `calendar_id` alone changes the calendar of every policy in force. `UnknownRules` when one is not
    there. The files default to those of the settings.
    """
    policies = read_policies(policies_file or settings.policies_file)
    calendars = read_calendars(calendars_file or settings.calendars_file)
    for id_ in policy_ids:
        if id_ not in policies:
            raise UnknownRules(f"there is no policy {id_}; there are: {', '.join(policies)}")
    if calendar_id is not None and calendar_id not in calendars:
        raise UnknownRules(f"there is no calendar {calendar_id}; there are: {', '.join(calendars)}")
    own = None if calendar_id is None else Calendar.of(calendars[calendar_id])
    laid_out = {id_: Calendar.of(record) for id_, record in calendars.items()}
    found = {}
    for id_ in policy_ids:
        record = policies[id_]
        if own is None and record.calendar_id and record.calendar_id not in laid_out:
            raise UnknownRules(f"policy {id_} goes by the calendar {record.calendar_id}, which is not there")
        found[id_] = only(Policy.of(record, own or laid_out.get(record.calendar_id or "")))
    if not policy_ids and own is not None:
        found[f"calendar {own.id}"] = with_calendar(rules_in_force(settings), own)
    return found


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
