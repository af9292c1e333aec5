"""Counters: moving equals recounting, the clock alone moves open dossiers, the report form's identities hold."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Kind, Outcome
from schemas.tallies import (
    LINKED,
    OPEN_ACCEPTED,
    OUTCOME,
    RECEIVED,
    RESOLVED,
    LinkedCounters,
    Tally,
    of_procedure,
    read_subset,
)
from streams.domain.deadline import Rulebook
from streams.domain.dossier import fold, micros
from streams.domain.tally import TallyBook, footprint, recount, standing, without_zeros
from streams.domain.totals import Totals
from tests.factories import DOSSIER, at, days, entry, rules
from tests.histories import HISTORIES, MOMENTS, START

RULES = rules()


def test_open_becomes_due_soon_and_overdue_by_the_clock_alone():
    dossier = fold(DOSSIER, [entry(Kind.ACCEPTED, "2021-03-01 08:00", due_at="2021-03-08 17:00")], RULES)

    def bucket(moment: str) -> str | None:
        return standing(dossier, micros(at(moment))).bucket

    assert bucket("2021-03-05 23:59") == "open_within_due"
    assert bucket("2021-03-06 00:00") == "open_due_soon"  # one working day is left: the weekend is none
    assert bucket("2021-03-08 23:59") == "open_due_soon"
    assert bucket("2021-03-09 00:00") == "open_overdue"


def test_waiting_undated_and_registered_are_their_own_buckets():
    acceptance = entry(Kind.ACCEPTED, "2021-03-01 08:00", due_at="2021-03-02 17:00")
    waiting = fold(DOSSIER, [acceptance, entry(Kind.SUPPLEMENT_REQUESTED, "2021-03-01 09:00")], RULES)
    undated = fold(DOSSIER, [entry(Kind.ACCEPTED, "2021-03-01 08:00")], RULES)
    registered = fold(DOSSIER, [entry(Kind.REGISTERED, "2021-03-01 08:00")], RULES)
    years_later = micros(at("2031-03-01 08:00"))
    assert [standing(dossier, years_later).bucket for dossier in (waiting, undated, registered)] == [
        "open_paused",
        "open_undated",
        "open_registered",
    ]


@given(HISTORIES, MOMENTS)
def test_the_standing_says_until_when_it_holds(history, as_of):
    dossier = fold(DOSSIER, history, RULES)
    bucket, until = standing(dossier, as_of)
    if until is not None:
        assert standing(dossier, until - 1).bucket == bucket
        assert standing(dossier, until).bucket != bucket


@given(st.lists(HISTORIES, max_size=5), MOMENTS)
def test_the_identities_of_the_report_form_hold_for_every_unit_and_every_part_of_it(histories, as_of):
    book = recount((fold(f"d{number}", history, RULES) for number, history in enumerate(histories)), as_of)
    flow: dict[tuple[str, str], dict[str, int]] = {}
    for (unit, subset, _), counts in book.flow.items():
        for counter, count in counts.items():
            counted = flow.setdefault((unit, subset), {})
            counted[counter] = counted.get(counter, 0) + count
    for part in flow.keys() | book.stock.keys():
        counts, stock = flow.get(part, {}), book.stock.get(part, {})

        def total(counters, counts=counts):
            return sum(counts.get(counter, 0) for counter in counters)

        resolved = total(RESOLVED.values())
        assert resolved == total(OUTCOME.values())
        came = total(RECEIVED.values()) + total(["transferred_in", "reopened"])
        assert came == resolved + counts.get("transferred_out", 0) + total(OPEN_ACCEPTED, stock)
        assert min([*counts.values(), *stock.values(), 0]) == 0


@given(HISTORIES, st.lists(MOMENTS, min_size=1, max_size=6))
def test_moving_equals_recounting(history, ticks):
    book, before = TallyBook(), None
    dossiers = [fold(DOSSIER, history[:length], RULES) for length in range(len(history) + 1)]
    for dossier in dossiers:
        now = standing(dossier, START)
        after = footprint(dossier, now.bucket)
        book.move(before, after)
        before = after
    for tick in sorted(ticks):
        if now.until is not None and now.until <= tick:
            now = standing(dossiers[-1], tick)
            after = footprint(dossiers[-1], now.bucket)
            book.move(before, after)
            before = after
        assert _without_zeros(book) == _without_zeros(recount(dossiers[-1:], tick))


def _without_zeros(book: TallyBook) -> tuple[object, object]:
    return (
        {unit: found for unit, counts in book.stock.items() if (found := without_zeros(counts))},
        {key: found for key, counts in book.flow.items() if (found := without_zeros(counts))},
    )


TALLIES = st.builds(
    Tally,
    unit_id=st.sampled_from(["a", "b"]),
    partition=st.integers(0, 2),
    offset=st.integers(0, 5),
    as_of=st.just(START),
    counts=st.fixed_dictionaries({"refused": st.integers(0, 9)}),
    day=st.sampled_from(["2020-12-31", "2021-01-01"]),
)


@given(st.lists(TALLIES, unique_by=lambda tally: (tally.key, tally.offset)), st.randoms())
def test_totals_do_not_depend_on_order_or_repeats(tallies, random):
    arrival = tallies + tallies
    random.shuffle(arrival)
    totals = Totals()
    for tally in arrival:
        totals.apply(tally)
    latest = {tally.key: tally for tally in sorted(tallies, key=lambda tally: tally.offset)}
    for unit in totals.units():
        mine = [tally for tally in latest.values() if tally.unit_id == unit]
        counters = totals.counters(unit)
        assert counters.total.get("refused", 0) == sum(tally.counts["refused"] for tally in mine)
        for year in ("2020", "2021"):
            expected = sum(tally.counts["refused"] for tally in mine if tally.day.startswith(year))
            assert counters.years.get(year, {}).get("refused", 0) == expected


def test_totals_tell_the_linked_apart_and_nothing_of_procedures():
    totals = Totals()

    def tell(subset, day, partition=0, **counts):
        share = Tally(unit_id="a", partition=partition, offset=1, as_of=START, counts=counts, day=day, subset=subset)
        return totals.apply(share)

    assert tell("", None, open_paused=2)
    assert tell("", "2021-03-01", received_direct=2)
    assert totals.counters("a").linked is None
    assert tell(LINKED, None, open_paused=1)
    assert tell(LINKED, "2021-03-01", received_direct=1)
    assert tell(LINKED, "2021-03-01", partition=1, received_direct=1)
    assert not tell(of_procedure("9.1"), None, open_paused=2)
    assert not tell(of_procedure("9.1", linked=True), None, open_paused=1)
    found = totals.counters("a")
    assert (found.stock, found.total) == ({"open_paused": 2}, {"received_direct": 2})
    assert found.linked == LinkedCounters(
        stock={"open_paused": 1}, total={"received_direct": 2}, years={"2021": {"received_direct": 2}}
    )


def test_a_subset_is_read_as_it_was_written():
    subsets = {"": (None, False), LINKED: (None, True), of_procedure("9.1"): ("9.1", False)}
    for subset, meaning in {**subsets, of_procedure("9.1", linked=True): ("9.1", True)}.items():
        assert read_subset(subset) == meaning


def test_a_policy_names_its_own_soon():
    soon = rules(due_soon_days=2)
    assert isinstance(soon, Rulebook)
    dossier = fold(DOSSIER, [entry(Kind.ACCEPTED, "2021-03-01 08:00", due_at="2021-03-08 17:00")], soon)
    assert dossier.closes_at is not None
    assert dossier.due_soon_at == dossier.closes_at - days(4)  # two working days, and a weekend between


def test_an_outcome_is_counted_beside_the_timeliness():
    history = [
        entry(Kind.ACCEPTED, "2021-03-01 08:00"),
        entry(Kind.FINISHED, "2021-03-02 08:00", outcome=Outcome.RETURNED),
    ]
    assert [flow.counter for flow in fold(DOSSIER, history, RULES).flows][1:] == [
        "resolved_undated",
        "outcome_returned",
    ]
