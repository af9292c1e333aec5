"""A province of four levels with random dossiers, some linked to a root further down. All of it is synthetic."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Final, NamedTuple

from schemas.events import Channel, Kind, Outcome
from schemas.reference import Level, ProcedureRecord, Unit
from schemas.state import Dossier
from streams.domain.dossier import fold
from streams.domain.tally import TallyBook, recount
from tests.factories import OFFICE, entry, rules

AS_OF: Final = int(datetime(2021, 12, 31, 17, tzinfo=OFFICE).timestamp()) * 1_000_000
PROVINCE: Final = Unit(id="22", name_vi="Tỉnh", name_en="Province", level=Level.PROVINCE)
CITY: Final = Unit(id="196", name_vi="Thành phố", name_en="City", level=Level.DISTRICT, parent_id="22")
CENTRE: Final = Unit(id="196.C", name_vi="Trung tâm", name_en="Centre", parent_id="196")
COMMUNES: Final = tuple(
    Unit(id=id_, name_vi=f"Phường {id_}", name_en=f"Ward {id_}", level=Level.COMMUNE, parent_id="196")
    for id_ in ("06808", "06811")
)
UNITS: Final = (PROVINCE, CITY, CENTRE, *COMMUNES)
ABOVE: Final = {unit.id: unit.parent_id for unit in UNITS}
PROCEDURES: Final = tuple(
    ProcedureRecord(
        id=f"9.00000{number}", name_vi=f"Thủ tục {number}", name_en=f"Procedure {number}", desk="commune",
        field_id=f"L{number % 2}", field_vi=f"Lĩnh vực {number % 2}", field_en=f"Field {number % 2}",
    )
    for number in range(3)
)  # fmt: skip
UNKNOWN_PROCEDURE: Final = "9.999999"
RULES: Final = rules()


class World(NamedTuple):
    """Dossiers and their counters."""

    dossiers: list[Dossier]
    book: TallyBook


def world(seed: int, *, applications: int = 60) -> World:
    """So many applications of two years, a third of which goes up one or two levels."""
    random = Random(seed)
    dossiers: list[Dossier] = []
    for number in range(applications):
        root = f"D{number}"
        filed = random.choice([*COMMUNES, CENTRE]).id
        procedure = random.choice([*(each.id for each in PROCEDURES), UNKNOWN_PROCEDURE])
        dossiers.append(_dossier(root, filed, procedure, random))
        handling = random.choice([(), (), (CITY.id,), (CITY.id, PROVINCE.id), (PROVINCE.id,), (CENTRE.id,)])
        for level, unit in enumerate(handling, 1):
            if unit != filed:
                dossiers.append(_dossier(f"{root}.{level}", unit, procedure, random, root_id=root))
    return World(dossiers, recount(dossiers, AS_OF))


def at_or_below(unit_id: str) -> set[str]:
    """The unit and those below it."""
    found = {unit_id}
    for _ in UNITS:
        found |= {unit for unit, above in ABOVE.items() if above in found}
    return found


def counted(dossiers: Sequence[Dossier], unit_id: str) -> list[Dossier]:
    """The dossiers that a unit's figures may hold: with units below it, no linked ones."""
    has_levels = len(at_or_below(unit_id)) > 1
    return [dossier for dossier in dossiers if not (has_levels and dossier.root_id)]


def _dossier(id_: str, unit: str, procedure: str, random: Random, *, root_id: str | None = None) -> Dossier:
    start = _moment(date(2020, 11, 1) + timedelta(days=random.randrange(420)), random)
    due = start + timedelta(days=random.randint(1, 20))
    facts = [
        entry(Kind.ACCEPTED, start, unit_id=unit, procedure_id=procedure, channel=random.choice(list(Channel)),
              **({"due_at": f"{due:%Y-%m-%d} 17:00"} if random.random() < 0.9 else {}),
              **({"root_id": root_id} if root_id else {}))
    ]  # fmt: skip
    if random.random() < 0.2 and root_id is None:
        to = random.choice([each.id for each in (*COMMUNES, CENTRE) if each.id != unit])
        facts.append(entry(Kind.TRANSFERRED, start + timedelta(hours=1), unit_id=unit, to_unit_id=to))
        unit = to
    if random.random() < 0.75:
        end = start + timedelta(days=random.randint(1, 30))
        facts.append(entry(Kind.FINISHED, end, unit_id=unit, outcome=random.choice(list(Outcome))))
        if random.random() < 0.1:
            facts.append(entry(Kind.REOPENED, end + timedelta(days=1), unit_id=unit))
    return fold(id_, facts, RULES)


def _moment(day: date, random: Random) -> datetime:
    return datetime.combine(day, time(8), OFFICE) + timedelta(minutes=random.randrange(300))
