"""The first reading of the files: how many rows, and which units and codes they bring.

It is done before anything is sent, so that units are published before the events that name them, and a clash of codes
or a file that breaks off stops the import while nothing has happened yet.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from schemas.reference import Unit
from services.importer.errors import CannotImport, Refusal
from services.importer.facts import Books, first_filled
from services.importer.mapping import AnyMapping, EventsMapping
from services.importer.rows import Row, Table


@dataclass(slots=True)
class Survey:
    """What a first reading found. `units` are the units with a name of their own, and the places above them."""

    rows: int = 0  # refused ones included
    units: list[Unit] = field(default_factory=list)
    unfilled: list[str] = field(default_factory=list)  # columns without a single text: perhaps a wrong name


def survey(mapping: AnyMapping, table: Table, files: Iterable[Path], books: Books) -> Survey:
    """Read all files once and enter their codes into `books`; `CannotImport` when they cannot be imported."""
    found = Survey()
    units = _Units(mapping, books)
    unfilled = set(table.columns)
    for path in files:
        for row in table.rows(path):
            found.rows += 1
            if isinstance(row, Row):
                if unfilled:
                    unfilled.difference_update([column for column, text in row.values.items() if text])
                if not (isinstance(mapping, EventsMapping) and row.values[mapping.kind.column] in mapping.kind.ignore):
                    units.enter(row.values)
    found.units = units.all()
    found.unfilled = sorted(unfilled)
    return found


class _Units:
    """Collects units; what cannot be a code is left to the second reading, which refuses the row."""

    def __init__(self, mapping: AnyMapping, books: Books) -> None:
        self._mapping = mapping
        self._books = books
        self._texts: dict[str, str] = {}  # by code, as the names: the first in the alphabet
        self._names: dict[str, str] = {}
        self._parent_of: dict[str, str | None] = {}
        if mapping.unit.default is not None:
            self._named(mapping.unit.default, "unit.default")

    def enter(self, values: dict[str, str]) -> None:
        """The codes of one row."""
        mapping = self._mapping
        try:
            if mapping.procedure and (found := first_filled(values, mapping.procedure.columns)):
                self._books.procedures.code(found[1], found[0])
            if found := first_filled(values, mapping.unit.columns):
                self._unit(found, values)
            if isinstance(mapping, EventsMapping) and (found := first_filled(values, mapping.to_unit or ())):
                self._named(found[1], found[0])
        except Refusal:
            return

    def all(self) -> list[Unit]:
        """The units, parents first; a unit without a name is called by the text that its code was made from."""
        units = []
        for code, text in sorted(self._texts.items()):
            name = self._names.get(code, text)
            units.append(Unit(id=code, name_vi=name, name_en=name, parent_id=self._parent_of.get(code)))
            self._check_tree(code)
        return sorted(units, key=lambda unit: unit.parent_id is not None)

    def _unit(self, found: tuple[str, str], values: dict[str, str]) -> None:
        column, text = found
        spec = self._mapping.unit
        code = self._named(text, column, values[spec.name] if spec.name else "")
        if not spec.parent or not (above := values[spec.parent]):
            return
        parent = self._named(above, spec.parent)
        if parent == code:
            return
        known = self._parent_of.setdefault(code, parent)
        if known != parent:
            raise CannotImport(f"unit: {code} has two parents, {known} and {parent}; leave unit.parent out")

    def _named(self, text: str, column: str, name: str = "") -> str:
        code = self._books.units.code(text, column)
        self._texts[code] = min(text, self._texts.get(code, text))
        if name:
            self._names[code] = min(name, self._names.get(code, name))
        return code

    def _check_tree(self, code: str) -> None:
        above = self._parent_of.get(code)
        for _ in range(len(self._texts)):
            if above is None:
                return
            above = self._parent_of.get(above)
        raise CannotImport(f"unit: {code} is above itself; leave unit.parent out")
