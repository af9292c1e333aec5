"""Publishes the units that a file brings. Promise: a unit that is known already is never changed by an import."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aiokafka.errors import KafkaError
from pydantic import ValidationError

from schemas.errors import Unavailable
from schemas.reference import Unit
from schemas.settings import Settings
from schemas.topics import UNITS
from services.topics import publish_units


@dataclass(frozen=True, slots=True)
class Published:
    """What became of the units of a file."""

    new: int = 0
    known: int = 0
    kept: list[str] = field(default_factory=list)  # known ones under another name or parent: those stay


async def publish_new_units(settings: Settings, units: Sequence[Unit], known: Mapping[str, bytes]) -> Published:
    """Write those units to the `units` topic that it does not hold; `known` is what it holds, by id."""
    new = [unit for unit in units if unit.id not in known]
    if new:
        try:
            await publish_units(settings, new)
        except KafkaError as error:
            name, kind = settings.topics[UNITS], type(error).__name__
            raise Unavailable(f"the topic {name} cannot be written ({kind}); see `hoso doctor`") from error
    kept = [unit.id for unit in units if unit.id in known and _differs(unit, known[unit.id])]
    return Published(new=len(new), known=len(units) - len(new), kept=kept)


def _differs(unit: Unit, value: bytes) -> bool:
    """Whether the file says something else. A unit whose name is its code says nothing about its name."""
    try:
        known = Unit.model_validate_json(value)
    except ValidationError:
        return True
    is_renamed = unit.name_vi not in (unit.id, known.name_vi, known.name_en)
    return is_renamed or (unit.parent_id is not None and unit.parent_id != known.parent_id)
