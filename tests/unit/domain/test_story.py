"""What each fact did: the fold's own steps, told one by one."""

from hypothesis import given

from schemas.events import Kind, Outcome
from schemas.state import NO_HISTORY, AnomalyCode, Dossier, Entry, Status
from streams.domain.dossier import fold
from streams.domain.story import happened_by, steps
from tests.factories import DOSSIER, OTHER_UNIT, SOURCE, at, entry, rules
from tests.histories import HISTORIES

RULES = rules()


def without_history(dossier: Dossier) -> Dossier:
    dossier.history, dossier.last_at, dossier.last_rank = NO_HISTORY, 0, -1
    return dossier


@given(HISTORIES)
def test_the_last_step_is_what_the_fold_concludes_and_each_begins_where_the_last_ended(history: list[Entry]) -> None:
    told = steps(DOSSIER, history, RULES)
    folded = without_history(fold(DOSSIER, history, RULES))
    assert [(each.after if told else None) for each in told[-1:]] == ([folded] if told else [])
    assert [each.before for each in told[1:]] == [each.after for each in told[:-1]]
    assert {each.entry.identity for each in told if each.anomaly} == {each.identity for each in folded.anomalies}


def test_each_step_says_what_it_moved_and_why_not() -> None:
    accepted = entry(Kind.ACCEPTED, "2021-03-01 08:00", due_at="2021-03-05 17:00")
    finished = entry(Kind.FINISHED, "2021-03-03 08:00", id="f1", outcome=Outcome.GRANTED)
    foreign = entry(Kind.FINISHED, "2021-03-04 08:00", unit_id=OTHER_UNIT, outcome=Outcome.GRANTED)
    again = entry(Kind.ACCEPTED, "2021-03-04 09:00")
    taken_back = entry(Kind.RETRACTED, "2021-03-05 08:00", retracts_source=SOURCE, retracts_id="f1")
    told = steps(DOSSIER, [taken_back, again, foreign, finished, accepted], RULES)
    assert [(each.entry, each.after.status, each.anomaly, each.taken_back_by) for each in told] == [
        (accepted, Status.ACCEPTED, None, None),
        (finished, Status.ACCEPTED, None, taken_back.identity),
        (foreign, Status.ACCEPTED, AnomalyCode.FOREIGN_UNIT, None),
        (again, Status.ACCEPTED, AnomalyCode.NOT_ALLOWED, None),
        (taken_back, Status.ACCEPTED, None, None),
    ]


def test_a_retraction_is_knowledge_and_stays_whatever_its_own_time() -> None:
    finished = entry(Kind.FINISHED, "2021-03-03 08:00", outcome=Outcome.GRANTED)
    later = entry(Kind.DELIVERED, "2021-03-09 08:00")
    taken_back = entry(Kind.RETRACTED, "2021-06-01 08:00", retracts_source=SOURCE, retracts_id="f1")
    limit = int(at("2021-03-03 08:00").timestamp()) * 1_000_000
    assert happened_by([finished, later, taken_back], limit) == [finished, taken_back]
