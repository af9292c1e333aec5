"""Rows as events.

An event's id is a hash of all that the event says (dossier, kind, time, unit and the other data), under the mapping's
source. So a row imported again is the same facts, in any file and any order, and a row that was changed is new facts.
Every event has passed the codec's own check before it leaves this module.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from schemas.codec import Event, decode, encode, new_event
from schemas.errors import ContractError
from schemas.events import Kind
from services.importer.codes import CodeBook, dossier_code
from services.importer.errors import Fault, Refusal
from services.importer.mapping import AnyMapping, Choice, Codes, DossierMapping, EventsMapping
from services.importer.mapping_file import FIELDS
from services.importer.rows import Row

ID_BYTES: Final = 16

Values = Mapping[str, str]
_CANONICAL: Final = msgspec.json.Encoder(order="sorted")


@dataclass(frozen=True, slots=True)
class Retimed:
    """A step whose time was moved to that of the step before, because two clocks of the source differ."""

    file: str
    line: int
    dossier: str
    kind: Kind
    seconds: float


@dataclass(slots=True)
class Said:
    """What one row says."""

    events: list[Event] = field(default_factory=list)
    values: list[bytes] = field(default_factory=list)  # the events, encoded
    irregular: int = 0  # times in an hour that comes twice or never
    retimed: list[Retimed] = field(default_factory=list)

    def add(self, event: Event, value: bytes) -> None:
        """One event more."""
        self.events.append(event)
        self.values.append(value)


@dataclass(frozen=True, slots=True)
class Books:
    """The codes in use; units and the places above them share one book."""

    units: CodeBook
    procedures: CodeBook

    @classmethod
    def of(cls, mapping: AnyMapping) -> "Books":
        """Books that hold what the mapping writes out."""
        procedures = mapping.procedure.codes if mapping.procedure else {}
        return cls(CodeBook("unit", mapping.unit.codes), CodeBook("procedure", procedures))

    def close(self) -> None:
        """Take no new text from now on."""
        self.units.close()
        self.procedures.close()


class Facts:
    """Turns the rows of one mapping into events."""

    def __init__(self, mapping: AnyMapping, books: Books) -> None:
        self._mapping = mapping
        self._zone = ZoneInfo(mapping.zone)
        self._readers = self._make_readers(books)
        self._dated: list[tuple[Kind, Any]] = []
        if isinstance(mapping, DossierMapping):
            self._dated = [(kind, column.clock(self._zone)) for kind, column in mapping.times.by_kind().items()]
            self._skew = timedelta(seconds=mapping.clock_skew_s_max)
        else:
            self._clock = mapping.time.clock(self._zone)

    def of(self, row: Row) -> Said | None:
        """The events of a row; None when the mapping passes it over, `Refusal` when it cannot be an event."""
        said = Said()
        mapping = self._mapping
        if isinstance(mapping, EventsMapping):
            text = _needed(row.values, mapping.kind.column)
            if text in mapping.kind.ignore:
                return None
            kind = mapping.kind.map.get(text)
            if kind is None:
                raise Refusal(Fault.UNKNOWN_VALUE, mapping.kind.column)
            reading = self._clock.read(_needed(row.values, self._clock.column))
            said.irregular += reading.is_irregular
            said.add(*self._event(kind, reading.at, row.values, said))
        else:
            self._tell(row, said)
        return said

    def _tell(self, row: Row, said: Said) -> None:
        """Each filled date of a row that is a dossier, in lifecycle order."""
        before: datetime | None = None
        for kind, clock in self._dated:
            text = row.values[clock.column]
            if not text:
                continue
            reading = clock.read(text)
            said.irregular += reading.is_irregular
            at = reading.at
            if before is not None and timedelta(0) < before - at <= self._skew:
                event, value = self._event(kind, before, row.values, said)
                said.retimed.append(Retimed(row.file, row.line, event.subject, kind, (before - at).total_seconds()))
                at = before
            else:
                event, value = self._event(kind, at, row.values, said)
            said.add(event, value)
            before = at
        if not said.events:
            raise Refusal(Fault.NO_EVENT)

    def _event(self, kind: Kind, at: datetime, values: Values, said: Said) -> tuple[Event, bytes]:
        subject = dossier_code(_needed(values, self._mapping.dossier))
        if not subject:
            raise Refusal(Fault.NO_CODE, self._mapping.dossier)
        data: dict[str, Any] = {}
        for name, is_required in FIELDS[kind]:
            reader = self._readers.get(name)
            value = reader.read(values, said) if reader else None
            if value is not None:
                data[name] = value
            elif is_required:
                raise Refusal(Fault.MISSING, reader.column if reader else None)
        draft = new_event(kind, id="", source=self._mapping.source, subject=subject, time=at, **data)
        digest = blake2b(_CANONICAL.encode(draft), digest_size=ID_BYTES).hexdigest()
        value = encode(msgspec.structs.replace(draft, id=f"{kind.value}-{digest}"))
        try:
            return decode(value), value
        except ContractError:
            raise Refusal(Fault.NOT_AN_EVENT) from None

    def _make_readers(self, books: Books) -> dict[str, "_Reader"]:
        mapping = self._mapping
        readers = {
            "unit_id": _code_reader(mapping.unit, books.units),
            "policy_id": _constant(mapping.policy),
            "procedure_id": _code_reader(mapping.procedure, books.procedures),
            "channel": _choice_reader(mapping.channel),
            "outcome": _choice_reader(mapping.outcome),
        }
        if isinstance(mapping, EventsMapping):
            readers |= {
                "to_unit_id": _code_reader(Codes(columns=mapping.to_unit), books.units) if mapping.to_unit else None,
                "cause": _choice_reader(mapping.cause),
                "reason": _choice_reader(mapping.reason),
                "retracts_id": _text_reader(mapping.retracts_id),
                "retracts_source": _constant(mapping.source),
            }
        due = mapping.times.due if isinstance(mapping, DossierMapping) else mapping.due
        if due is not None:
            readers["due_at"] = _time_reader(due.clock(self._zone))
        return {name: reader for name, reader in readers.items() if reader is not None}


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one field of an event's data; None when the row holds nothing for it."""

    column: str | None  # where to look when the field is missing
    read: Callable[[Values, Said], Any]


def _needed(values: Values, column: str) -> str:
    text = values[column]
    if not text:
        raise Refusal(Fault.MISSING, column)
    return text


def first_filled(values: Values, columns: Iterable[str]) -> tuple[str, str] | None:
    """The first column that holds something, with its text."""
    for column in columns:
        if values[column]:
            return column, values[column]
    return None


def _constant(value: str) -> _Reader:
    return _Reader(None, lambda _values, _said: value)


def _text_reader(column: str | None) -> _Reader | None:
    return None if column is None else _Reader(column, lambda values, _said: values[column] or None)


def _code_reader(spec: Codes | None, book: CodeBook) -> _Reader | None:
    if spec is None:
        return None

    def read(values: Values, _said: Said) -> str | None:
        found = first_filled(values, spec.columns)
        return spec.default if found is None else book.code(found[1], found[0])

    return _Reader(spec.columns[0] if spec.columns else None, read)


def _choice_reader(choice: Choice[Any] | None) -> _Reader | None:
    if choice is None:
        return None

    def read(values: Values, _said: Said) -> Any:
        text = values[choice.column] if choice.column else ""
        found = choice.map.get(text, choice.default)
        if found is None and text:
            raise Refusal(Fault.UNKNOWN_VALUE, choice.column)
        return found

    return _Reader(choice.column, read)


def _time_reader(clock: Any) -> _Reader:
    def read(values: Values, said: Said) -> datetime | None:
        text = values[clock.column]
        if not text:
            return None
        reading = clock.read(text)
        said.irregular += reading.is_irregular
        moment: datetime = reading.at
        return moment

    return _Reader(clock.column, read)
