"""A unit's numbers by field and by procedure: the same periods and shares as the unit's own.

Flow is known per calendar year, so the periods are years, or everything since the first event. Breakdowns are made when
they are asked for and never streamed: a unit may offer hundreds of procedures, and the stream's version already says
when to ask again.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from schemas.reference import ProcedureRecord
from schemas.tallies import OPEN_ACCEPTED, STOCK
from services.monitor.board import Board, Sums
from services.monitor.periods import period, share_of, sum_counts
from services.monitor.views import FieldView, ProcedureView

UNKNOWN_FIELD: Final = ("", "Chưa rõ lĩnh vực", "Unknown field")


def fields_of(board: Board, unit_id: str, year: int | None) -> list[FieldView] | None:
    """By field, the most dossiers first; None: no data yet."""
    parts: dict[str, list[Sums]] = {}
    names: dict[str, tuple[str, str, str]] = {}
    for procedure_id, family in board.by_procedure(unit_id).items():
        field_id, *_ = field = field_of(board.procedures, procedure_id)
        names[field_id] = field
        parts.setdefault(field_id, []).extend(family)
    views = [
        FieldView(field_id=field_id, name_vi=name_vi, name_en=name_en, **numbers)
        for field_id, numbers in _numbers(board, unit_id, parts, year).items()
        for _, name_vi, name_en in [names[field_id]]
    ]
    return views if board.family(unit_id) else None


def procedures_of(board: Board, unit_id: str, year: int | None) -> list[ProcedureView] | None:
    """By procedure, the most dossiers first; None: no data yet."""
    views = []
    for procedure_id, numbers in _numbers(board, unit_id, board.by_procedure(unit_id), year).items():
        known = board.procedures.get(procedure_id)
        views.append(
            ProcedureView(
                procedure_id=procedure_id,
                name_vi=known.name_vi if known else procedure_id,
                name_en=known.name_en if known else procedure_id,
                field_id=known.field_id if known else "",
                **numbers,
            )
        )
    return views if board.family(unit_id) else None


def field_of(procedures: Mapping[str, ProcedureRecord], procedure_id: str) -> tuple[str, str, str]:
    """Id, Vietnamese and English name of the field; the reference data decides, not the procedure's code."""
    known = procedures.get(procedure_id)
    return (known.field_id, known.field_vi, known.field_en) if known else UNKNOWN_FIELD


def _numbers(board: Board, unit_id: str, parts: Mapping[str, Sequence[Sums]], year: int | None) -> dict[str, Any]:
    """What each part counts, the largest workload first. A part with nothing in the period is left out."""
    first_on, last_on = (date(year, 1, 1), date(year, 12, 31)) if year else (None, None)
    whole = period(board.family(unit_id), first_on, last_on)
    found: dict[str, Any] = {}
    for id_, family in parts.items():
        flow = period(family, first_on, last_on)
        if whole is None or flow is None:
            continue
        stock = sum_counts(sums.stock for sums in family)
        if not (flow.workload or any(flow.flow.model_dump().values()) or any(stock.values())):
            continue
        found[id_] = {
            "stock": {counter: stock.get(counter, 0) for counter in STOCK},
            "in_progress": sum(stock.get(counter, 0) for counter in OPEN_ACCEPTED),
            "period": flow,
            "unit_share": share_of(flow.workload, whole.workload),
        }
    return dict(sorted(found.items(), key=lambda part: (-part[1]["period"].workload, part[0])))
