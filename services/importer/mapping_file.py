"""A TOML file as a mapping.

Promises a mapping that can yield every event it speaks of; else `CannotImport` names the key and what to do.
"""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from schemas.events import FACTS, Kind
from schemas.reference import PolicyRecord
from services.importer.errors import CannotImport
from services.importer.mapping import AnyMapping

# What the data of each kind holds, and whether it must: read off the event models, so that the two cannot differ.
FIELDS: Final[Mapping[Kind, tuple[tuple[str, bool], ...]]] = {
    fact.kind: tuple((name, field.is_required()) for name, field in fact.model_fields.items()) for fact in FACTS
}

_MAPPING: Final[TypeAdapter[AnyMapping]] = TypeAdapter(Annotated[AnyMapping, Field(discriminator="shape")])

# The key that gives an event's field, where the names differ.
_KEY_OF_FIELD: Final = {"unit_id": "unit", "procedure_id": "procedure", "due_at": "due", "to_unit_id": "to_unit"}


def read_mapping(path: Path, policies: Mapping[str, PolicyRecord]) -> AnyMapping:
    """The mapping in a file; `CannotImport` names what is wrong with it."""
    try:
        document = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise CannotImport(f"{path}: {error.strerror}; expected a mapping file (docs/import.md)") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CannotImport(f"{path} is no TOML in UTF-8: {error}") from None
    try:
        mapping = _MAPPING.validate_python(document)
    except ValidationError as error:
        raise CannotImport("; ".join(_lines(path, error))) from None
    if mapping.policy not in policies:
        raise CannotImport(f"{path}: policy: expected one of {', '.join(policies)}")
    for problem in _gaps(mapping):
        raise CannotImport(f"{path}: {problem}")
    return mapping


def _lines(path: Path, error: ValidationError) -> Iterable[str]:
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        if detail["type"].startswith("union_tag"):
            yield f'{path}: shape: expected "dossier" (a row is a dossier) or "events" (a row is an action)'
            continue
        key = ".".join(str(part) for part in detail["loc"][1:])  # the first part is the shape
        yield f"{path}: {key}: {detail['msg'].removeprefix('Value error, ')}"


def _gaps(mapping: AnyMapping) -> Iterable[str]:
    """What kinds of the mapping need and it does not give."""
    kinds = sorted(mapping.kinds(), key=list(Kind).index)
    if not kinds:
        yield "times: expected at least one date, such as [times.accepted]"
    given = mapping.fields()
    for kind in kinds:
        for name, is_required in FIELDS[kind]:
            if is_required and given.get(name) is None:
                yield f"{_KEY_OF_FIELD.get(name, name)}: missing, and {kind.value} events need it"


def columns_of(mapping: AnyMapping) -> dict[str, str]:
    """Every column that the mapping speaks of, with the key that does."""
    found: dict[str, str] = {}

    def walk(value: object, key: str) -> None:
        if isinstance(value, BaseModel):
            for name in type(value).model_fields:
                walk(getattr(value, name), f"{key}.{name}" if key else name)
        elif value is not None and key.rpartition(".")[2] in _COLUMN_KEYS:
            for column in (value,) if isinstance(value, str) else value:  # type: ignore[attr-defined]
                found.setdefault(column, key)

    walk(mapping, "")
    return found


_COLUMN_KEYS: Final = frozenset({"column", "columns", "name", "parent", "dossier", "to_unit", "retracts_id"})
