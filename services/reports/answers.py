"""The questions of the reports process, each from what was asked to the answer's model; blocking, for a thread.

A question is asked to ClickHouse over a client of its own. `TooMuch` when it would read more of the log than one answer
may: then a smaller unit, or the command line, which has no limit.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from schemas.settings import Settings
from schemas.tallies import FLOW
from services.reports.as_of import OFFICE, View, state_of
from services.reports.cells import Cells
from services.reports.documents import as_document
from services.reports.form import By
from services.reports.lineage import digest_of, folded_members, stored_members, story_of
from services.reports.log import Ask, Known, Selection, count_records, read_known
from services.reports.periods import days_between
from services.reports.reading import read_report
from services.reports.rulebooks import Rules
from services.reports.views import CellAnswer, DossierAnswer, EventsAnswer, ReportAnswer, WhatIfAnswer
from services.reports.what_if import compare, comparison_document
from streams.domain.deadline import Rulebook

RECORDS_MAX: Final = 1_000_000  # about 20 s of reading and folding, measured on two busy cores
MEMBERS_MAX: Final = 1000


class TooMuch(Exception):
    """The question would read more records than one answer may."""

    def __init__(self, records: int) -> None:
        super().__init__(
            f"it would read {records} records of the log, and one answer may read {RECORDS_MAX}: "
            "ask for a smaller unit, or use the command `hoso`, which has no limit"
        )


class NothingKnown(Exception):
    """Nothing was known of such a dossier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What most questions have: a unit, a period, and the two instants."""

    unit: str
    first_on: date
    last_on: date
    at: datetime | None = None
    known_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers from what `open_` opens, under the rules of the settings."""

    settings: Settings
    open_: Callable[[], AbstractContextManager[Ask]]

    def dossier(self, code: str, at: datetime | None, known_at: datetime | None) -> DossierAnswer:
        """How a dossier stood."""
        return DossierAnswer.model_validate(self._story(code, at, known_at))

    def events(self, code: str, at: datetime | None, known_at: datetime | None) -> EventsAnswer:
        """What each of its events did."""
        return EventsAnswer.model_validate(self._story(code, at, known_at))

    def cell(self, asked: Asked, *, counter: str, procedure: str) -> CellAnswer:
        """The dossiers behind a number."""
        with self.open_() as ask:
            rules = Rules.read(ask, self.settings).in_force()
            view, cells = self._period(ask, asked)
            if counter in FLOW and asked.at is None and asked.known_at is None:
                members = stored_members(ask, cells, unit=asked.unit, counter=counter, procedure=procedure)
            else:
                states = (state_of(known, rules, view.at) for known in _read(ask, [asked.unit], view))
                members = folded_members(states, cells, unit=asked.unit, counter=counter, procedure=procedure)
        return CellAnswer.model_validate(
            {
                **_of_itself(view, rules),
                **_of_period(asked),
                "counter": counter,
                "procedure_id": procedure or None,
                "count": sum(member.count for member in members),
                "dossiers": len(members),
                "digest": digest_of(members),
                "members": [
                    {"dossier_id": each.dossier_id, "event_offset": each.event_offset, "count": each.count}
                    for each in members[:MEMBERS_MAX]
                ],
            }
        )

    def report(self, asked: Asked, *, by: By | None) -> ReportAnswer:
        """Form II.06a of a unit and those below it: as concluded now or, with K, folded from the log."""
        with self.open_() as ask:
            found = read_report(
                ask,
                unit_id=asked.unit,
                period=days_between(asked.first_on, asked.last_on),
                by=by or (By.FIELD if asked.unit else By.UNIT),
                returned_on_time=False,
                settings=self.settings,
                known_at=asked.known_at,
                started=_check_records,
            )
            rules = Rules.read(ask, self.settings).in_force()
        view = View(at=found.moments.as_of, known_at=found.moments.known_at or found.moments.as_of)
        return ReportAnswer.model_validate({**_of_itself(view, rules), "report": as_document(found)})

    def what_if(self, asked: Asked, *, policies: Sequence[str], calendar: str, limit: int) -> WhatIfAnswer:
        """Counts under other rules; `UnknownRules` when they are not there."""
        units = [asked.unit] if asked.unit else []
        with self.open_() as ask:
            records = Rules.read(ask, self.settings)
            rules, others = records.in_force(), records.others(policies, calendar)
            view, cells = self._period(ask, asked)
            found = compare(_read(ask, units, view), rules, others, cells, units=units, limit=limit)
        document = comparison_document(found)
        return WhatIfAnswer.model_validate({**_of_itself(view, rules), **_of_period(asked), **document})

    def _story(self, code: str, at: datetime | None, known_at: datetime | None) -> dict[str, Any]:
        with self.open_() as ask:
            rules = Rules.read(ask, self.settings).in_force()
            view = View.of(ask, now=self.settings.now(), at=at, known_at=known_at)
            known = next(read_known(ask, Selection(dossiers=[code], known_at=view.known_at)), None)
        if known is None:
            raise NothingKnown
        return {**_of_itself(view, rules), **story_of(known, rules, view.at)}

    def _period(self, ask: Ask, asked: Asked) -> tuple[View, Cells]:
        now = self.settings.now()
        if asked.at is None:
            view = View.of_period(ask, asked.last_on, now=now, known_at=asked.known_at)
        else:
            view = View.of(ask, now=now, at=asked.at, known_at=asked.known_at)
        return view, Cells(asked.first_on, asked.last_on, view.at)


def _read(ask: Ask, units: Sequence[str], view: View) -> Iterator[Known]:
    selection = Selection(units=units, known_at=view.known_at)
    counts = count_records(ask, selection)
    _check_records(sum(counts.values()))
    return read_known(ask, selection, counts=counts)


def _check_records(records: int) -> None:
    if records > RECORDS_MAX:
        raise TooMuch(records)


def _of_itself(view: View, rules: Rulebook) -> dict[str, Any]:
    return {
        "as_of": view.at.astimezone(OFFICE),
        "known_at": view.known_at.astimezone(OFFICE),
        "policy": rules.default.id,
        "rules": rules.fingerprint,
    }


def _of_period(asked: Asked) -> dict[str, Any]:
    return {"unit_id": asked.unit, "first_on": asked.first_on, "last_on": asked.last_on}
