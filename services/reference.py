"""The files of reference data: read them all, and find what is wrong in them before they reach a topic."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any, Final

import msgspec
from pydantic import ValidationError

from schemas.errors import SettingsError
from schemas.reference import RECORDS, CalendarRecord, PolicyRecord, ProcedureRecord, Unit, read_records
from schemas.settings import Settings

Records = Mapping[str, list[Any]]  # by kind, as in `RECORDS`
DAY: Final = timedelta(days=1)


class Flaw(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with one record."""

    kind: str
    id: str
    what: str


def read_files(settings: Settings) -> Records:
    """All reference data by kind; `SettingsError` when a file cannot be read or breaks the schema."""
    found: dict[str, list[Any]] = {}
    for kind in RECORDS:
        setting = f"HOSO_{kind.upper()}_FILE"
        try:
            found[kind] = read_records(kind, getattr(settings, f"{kind}_file"))
        except OSError as error:
            raise SettingsError(f"{error.filename}: {error.strerror}; set {setting}") from None
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            place = "/".join(map(str, first["loc"]))
            raise SettingsError(f"{kind}: wrong at /{place}: {first['msg']}; see {setting}") from None
    return found


def read_sound_files(settings: Settings) -> Records:
    """The same; `SettingsError` also when something in them is wrong."""
    found = read_files(settings)
    if flaws := find_flaws(found):
        first = flaws[0]
        raise SettingsError(
            f"reference data: {first.kind} {first.id} {first.what}; `hoso reference check` lists all {len(flaws)}"
        )
    return found


def find_flaws(records: Records) -> list[Flaw]:
    """Everything that is wrong: doubled ids, names of what is not there, cycles, days that do not fit."""
    units: dict[str, Unit] = {unit.id: unit for unit in records["units"]}
    calendars: dict[str, CalendarRecord] = {calendar.id: calendar for calendar in records["calendars"]}
    policies: dict[str, PolicyRecord] = {policy.id: policy for policy in records["policies"]}
    procedures: list[ProcedureRecord] = records["procedures"]
    found = [
        Flaw(kind=kind, id=id_, what=f"is there {count} times")
        for kind in records
        for id_, count in Counter(record.id for record in records[kind]).items()
        if count > 1
    ]
    for unit in units.values():
        whats = (*_places(unit, units), *_validity(unit, units), *_successors(unit, units))
        found += [Flaw(kind="units", id=unit.id, what=what) for what in whats]
        found += [Flaw(kind="units", id=unit.id, what=what) for what in _rules(unit, policies, calendars)]
    for policy in policies.values():
        found += [Flaw(kind="policies", id=policy.id, what=what) for what in _zone(policy, calendars)]
    for calendar in calendars.values():
        found += [Flaw(kind="calendars", id=calendar.id, what=what) for what in _days(calendar)]
    fields: dict[str, tuple[str, str]] = {}
    for each in procedures:
        names = each.field_vi, each.field_en
        if fields.setdefault(each.field_id, names) != names:
            found.append(Flaw(kind="procedures", id=each.id, what=f"names field {each.field_id} differently"))
    return found


def _places(unit: Unit, units: Mapping[str, Unit]) -> Iterator[str]:
    if unit.parent_id is not None and unit.parent_id not in units:
        yield f"has the parent {unit.parent_id}, which is not there"
    passed = {unit.id}
    above = unit.parent_id
    while above is not None and above in units:
        if above == unit.id:
            yield "is above itself"
        if above in passed:
            return
        passed.add(above)
        above = units[above].parent_id


def _validity(unit: Unit, units: Mapping[str, Unit]) -> Iterator[str]:
    if _first(unit) > _last(unit):
        yield "ends before it begins"
    parent = units.get(unit.parent_id or "")
    if parent is not None and (_first(unit) < _first(parent) or _last(unit) > _last(parent)):
        yield f"is there on days on which its parent {parent.id} is not"


def _successors(unit: Unit, units: Mapping[str, Unit]) -> Iterator[str]:
    if unit.successor_ids and unit.valid_to is None:
        yield "has successors and no last day"
    for id_ in unit.successor_ids:
        successor = units.get(id_)
        if successor is None:
            yield f"has the successor {id_}, which is not there"
        # Later and later last days: so there is no cycle either.
        elif unit.valid_to and not _first(successor) <= unit.valid_to + DAY <= _last(successor):
            yield f"has the successor {id_}, which is not there on the day after"


def _rules(unit: Unit, policies: Mapping[str, PolicyRecord], calendars: Mapping[str, CalendarRecord]) -> Iterator[str]:
    for entry in unit.rules:
        if entry.policy_id not in policies:
            yield f"goes by the policy {entry.policy_id}, which is not there"
        if entry.calendar_id is not None and entry.calendar_id not in calendars:
            yield f"goes by the calendar {entry.calendar_id}, which is not there"
    if len({entry.valid_from for entry in unit.rules}) < len(unit.rules):
        yield "has two rules from the same day on"


def _zone(policy: PolicyRecord, calendars: Mapping[str, CalendarRecord]) -> Iterator[str]:
    if policy.calendar_id is None:
        return
    calendar = calendars.get(policy.calendar_id)
    if calendar is None:
        yield f"goes by the calendar {policy.calendar_id}, which is not there"
    elif calendar.zone != policy.zone:
        yield f"has another zone than its calendar {calendar.id}"


def _days(calendar: CalendarRecord) -> Iterator[str]:
    for name, days, are_weekend in (("off", calendar.days_off, False), ("made up", calendar.make_up_days, True)):
        for day, count in Counter(days).items():
            if count > 1:
                yield f"has {day} {name} {count} times"
            if (day.weekday() in calendar.weekend) != are_weekend:
                yield f"has {day} {name}, which is {'no ' if are_weekend else ''}weekend"


def _first(unit: Unit) -> date:
    return unit.valid_from or date.min


def _last(unit: Unit) -> date:
    return unit.valid_to or date.max - DAY
