"""What the benchmarks share counts right: a figure of a job that was not done would be worth nothing."""

from collections import Counter

from benchmarks.costs import NOW, fold_all, new_ledger, records_of
from benchmarks.peers.fold import Fold, is_received
from benchmarks.stand import load
from schemas.settings import read_settings
from streams.domain.tally import recount
from streams.states import read_state


def test_the_load_is_spread_over_partitions_and_about_three_events_of_a_dossier() -> None:
    year = load(900, partitions=4)
    assert sum(map(len, year.messages.values())) == year.events == 900
    assert sorted(year.messages) == [0, 1, 2, 3]
    assert 250 < year.accepted < 350


def test_the_fold_of_the_peers_counts_every_dossier() -> None:
    year = load(900, partitions=4)
    fold = Fold(read_settings({"HOSO_CLOCK": "2022-01-01T00:00:00+07:00"}))
    states: dict[bytes, bytes] = {}
    counters: Counter[str] = Counter()
    for key, value, _ in (message for messages in year.messages.values() for message in messages):
        assert value is not None
        states[key], moves = fold.step(states.get(key), value)
        for counter, step in moves:
            counters[counter] += step
    assert sum(number for counter, number in counters.items() if is_received(counter)) == year.accepted
    assert min(counters.values()) >= 0


def test_the_parts_of_the_cost_are_those_of_a_whole_job() -> None:
    records = records_of(load(900, partitions=4).messages[0])
    with new_ledger() as ledger:
        costs = fold_all(ledger, records, slice_events=50)
        assert min(costs.by_name().values()) > 0
        assert ledger.dossiers == len({record.key for record in records})
        live = {key: counts for key, counts in ledger.book.flow.items() if any(counts.values())}
        states = [read_state(value) for _, value in ledger.cache.states_after(b"", len(records))]
        assert live == recount(states, NOW).flow
