"""Builds records, boards and published numbers for the monitor's tests. All of it is synthetic."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from schemas.reference import ProcedureRecord, Unit
from schemas.tallies import Progress, Tally, progress_key
from services.monitor.board import Board
from services.monitor.freshness import LogEnds, judge
from services.monitor.published import Published
from services.monitor.views import Freshness

OFFICE: Final = ZoneInfo("Asia/Ho_Chi_Minh")
NOW_S: Final = 1_700_000_000.0  # the wall clock
AS_OF: Final = datetime(2021, 12, 31, 17, 0, tzinfo=OFFICE)
AS_OF_US: Final = int(AS_OF.timestamp()) * 1_000_000

CITY: Final = Unit(id="196", name_vi="Thành phố", name_en="City")
CENTRE: Final = Unit(id="196.C", name_vi="Trung tâm", name_en="Centre", parent_id="196")
WARD: Final = Unit(id="06808", name_vi="Phường", name_en="Ward", parent_id="196")
UNITS: Final = (CITY, CENTRE, WARD)


class TallyRecord(NamedTuple):
    """A record of `unit-tallies`."""

    key: str
    value: bytes | None
    at_ms: int = int(NOW_S * 1000)


def procedure(id_: str, field_id: str, *, field_vi: str = "", field_en: str = "") -> ProcedureRecord:
    return ProcedureRecord(
        id=id_,
        name_vi=f"Thủ tục {id_}",
        name_en=f"Procedure {id_}",
        field_id=field_id,
        field_vi=field_vi or f"Lĩnh vực {field_id}",
        field_en=field_en or f"Field {field_id}",
        desk="centre",
    )


def tally(
    unit_id: str, *, partition: int = 0, day: str | None = None, offset: int = 1, subset: str = "", **counts: int
) -> TallyRecord:
    made = Tally(
        unit_id=unit_id, partition=partition, offset=offset, as_of=AS_OF_US, counts=counts, day=day, subset=subset
    )
    return TallyRecord(made.key, msgspec.json.encode(made))


def heartbeat(
    *, partition: int = 0, offset: int = 1, at_s: float = NOW_S, as_of_us: int = AS_OF_US, parked: int = 0
) -> TallyRecord:
    made = Progress(partition=partition, offset=offset, as_of=as_of_us, dossiers=1, anomalies=0, parked=parked)
    return TallyRecord(progress_key(partition), msgspec.json.encode(made), int(at_s * 1000))


def apply(board: Board, *records: TallyRecord) -> None:
    for key, value, at_ms in records:
        board.apply_tally(key, value, at_ms=at_ms)


def board(*records: TallyRecord, units: Iterable[Unit] = UNITS, procedures: Iterable[ProcedureRecord] = ()) -> Board:
    made = Board()
    for each in procedures:
        made.apply_procedure(each.id, each.model_dump_json().encode())
    for unit in units:
        made.apply_unit(unit.id, unit.model_dump_json().encode())
    apply(made, *records)
    return made


def freshness(of: Board | None = None, *, now_s: float = NOW_S, ends: dict[int, int] | None = None) -> Freshness:
    """Judged ten seconds after the log was first seen to end at `ends`."""
    log = LogEnds()
    log.observe(ends or {}, now_s - 10)
    log.observe(ends or {}, now_s)
    return judge(of.heartbeats if of else [], log, now_s=now_s, stale_after_s=10, zone=OFFICE)


def published(of: Board, *, run: int = 7) -> Published:
    made = Published(run=run, page="page", freshness=freshness())
    made.show(of)
    made.advance(freshness(of), now_s=NOW_S)
    return made
