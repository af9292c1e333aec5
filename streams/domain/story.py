"""What each fact did: the fold told step by step, for people who ask why a dossier stands as it does.

The same steps in the same order as `fold`, which does not keep them: the last `after` is what `fold` concludes, without
its history (a property test holds this).
"""

from collections.abc import Iterable
from copy import copy
from typing import NamedTuple

from schemas.events import Kind
from schemas.state import AnomalyCode, Dossier, Entry
from streams.domain.deadline import Rulebook
from streams.domain.dossier import mark, new_dossier, place, step, taken_back


class Step(NamedTuple):
    """One fact, the state before and after it, and why it moved nothing when that is so."""

    entry: Entry
    before: Dossier
    after: Dossier
    anomaly: AnomalyCode | None
    taken_back_by: str | None  # identity of the retraction in force that removes this fact


def happened_by(history: Iterable[Entry], at: int) -> list[Entry]:
    """The facts that a view as of `at` (microseconds) folds.

    Retractions stay whatever their own time: they are knowledge about what happened, not something that happened in
    the office (ADR 0011).
    """
    return [entry for entry in history if entry.at <= at or entry.kind is Kind.RETRACTED]


def steps(dossier_id: str, history: Iterable[Entry], rules: Rulebook) -> list[Step]:
    """Every fact of the history in the order of the fold."""
    entries = sorted(set(history), key=place)
    dossier = new_dossier(dossier_id, rules)
    removed = taken_back(entries, dossier)
    refused = {anomaly.identity: anomaly.code for anomaly in dossier.anomalies}
    told: list[Step] = []
    seen: set[str] = set()
    for entry in entries:
        before, known = copy(dossier), len(dossier.anomalies)
        anomaly = refused.get(entry.identity)
        if entry.identity in seen:
            mark(dossier, entry, AnomalyCode.ID_REUSED)
        elif entry.identity not in removed:
            step(dossier, entry, rules)
        if len(dossier.anomalies) > known:
            anomaly = dossier.anomalies[known].code
        seen.add(entry.identity)
        told.append(Step(entry, before, copy(dossier), anomaly, None if anomaly else removed.get(entry.identity)))
    return told
