"""What changed a report between two states of knowledge: each changed cell, its dossiers, and the records behind them.

Exact by construction: both figures are sums over dossiers, and a dossier differs only by records that came in between.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.reports.as_of import state_of
from services.reports.cells import Cells
from services.reports.form import COUNTS
from services.reports.log import Known, Record
from streams.domain.deadline import Rulebook
from streams.domain.dossier import micros


@dataclass(frozen=True, slots=True)
class Change:
    """What a dossier adds to a cell now and added before, and the records that came in between."""

    unit_id: str
    procedure_id: str
    counter: str
    dossier_id: str
    before: int
    after: int
    records: Sequence[Record]

    @property
    def difference(self) -> int:
        """How much the cell moved by it."""
        return self.after - self.before


def changes_between(
    dossiers: Iterable[Known], rules: Rulebook, cells: Cells, *, before: datetime, units: Sequence[str] = ()
) -> Iterator[Change]:
    """Changes of the form's cells since `before`, dossier by dossier; `dossiers` are as known by the later instant."""
    limit = micros(before)
    for known in dossiers:
        new = [record for record in known.records if record.recorded_at > limit]
        if not new:
            continue
        earlier = known.until(limit)
        old_state, new_state = earlier and state_of(earlier, rules, cells.at), state_of(known, rules, cells.at)
        old_cells, new_cells = cells.of(old_state) if old_state else {}, cells.of(new_state)
        for unit in sorted(old_cells.keys() | new_cells.keys()):
            if units and unit not in units:
                continue
            was, is_ = old_cells.get(unit, {}), new_cells.get(unit, {})
            for counter in COUNTS:
                if was.get(counter, 0) != is_.get(counter, 0):
                    yield Change(
                        unit,
                        new_state.procedure_id or (old_state and old_state.procedure_id) or "",
                        counter,
                        known.dossier_id,
                        was.get(counter, 0),
                        is_.get(counter, 0),
                        new,
                    )


def sums_of(changes: Iterable[Change]) -> dict[tuple[str, str], int]:
    """By how much each cell moved, by unit and counter; cells in which changes cancel out are zero."""
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for change in changes:
        sums[change.unit_id, change.counter] += change.difference
    return dict(sums)
