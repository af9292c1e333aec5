"""The simulation behind docs/scale.md: cases whose answer is known, and a page that says what it computes."""

import random
from pathlib import Path

import pytest

from benchmarks.simulate import (
    PLACES,
    Machine,
    Place,
    largest_over_mean,
    lost_worker_s,
    poisson_arrivals,
    sizes_of_units,
    tables,
    tally_rows_per_day,
    waits_s,
)

MACHINE = Machine(events_per_s=1000, transaction_s=0.01, slice_events_max=100)
PAGE = Path(__file__).parents[2] / "docs" / "scale.md"


def test_an_event_alone_waits_for_its_own_transaction() -> None:
    assert waits_s([1, 0, 0, 0, 1], 0.1, MACHINE) == pytest.approx([0.011, 0.011])


def test_what_comes_meanwhile_waits_for_one_slice_and_shares_the_next() -> None:
    """The first event's slice ends 11 ms after it came; the two that came 1 ms and 2 ms later go on together."""
    assert waits_s([1, 1, 1], 0.001, MACHINE) == pytest.approx([0.011, 0.022, 0.021])


def test_a_flood_is_worked_off_in_full_slices() -> None:
    waits = waits_s([1000], 0.1, MACHINE)
    assert len(waits) == 1000
    assert waits[-1] == pytest.approx(10 * (0.01 + 0.1))


def test_every_event_is_served_once_and_none_before_it_came() -> None:
    arrivals = poisson_arrivals(900, seconds=20, step_s=0.005, dice=random.Random(1))
    waits = waits_s(arrivals, 0.005, MACHINE)
    assert len(waits) == sum(arrivals) > 17_000
    assert min(waits) >= 0.011 - 1e-9


def test_rows_of_counters_are_those_of_thrown_dice() -> None:
    dice, units, partitions = random.Random(2), 300, 8
    touched = {
        (unit, dice.randrange(partitions))
        for unit in dice.choices(range(units), sizes_of_units(units), k=2 * 2000)
        # an office's second chance is another dossier's resolution, in that dossier's partition
    }
    assert tally_rows_per_day(units, 2000, partitions) == pytest.approx(len(touched), rel=0.03)


def test_rows_of_counters_end_at_one_per_unit_and_partition() -> None:
    assert tally_rows_per_day(10, 1e9, 4) == pytest.approx(40)
    assert tally_rows_per_day(10, 1e-6, 4) == pytest.approx(2e-6)


def test_a_tenth_of_the_units_has_a_third_of_the_dossiers() -> None:
    sizes = sizes_of_units(1000)
    assert sum(sizes) == pytest.approx(1)
    assert 0.30 < sum(sizes[:100]) < 0.34


def test_a_hash_spreads_many_keys_evenly_and_few_badly() -> None:
    dice = random.Random(3)
    assert largest_over_mean(200_000, 8, dice) < 1.02
    assert largest_over_mean(1, 8, dice) == 8


def test_a_lost_worker_stands_still_for_the_timeout_the_rebalance_and_the_reading() -> None:
    place = Place(name="", dossiers_per_year=12_000_000, units=1, partitions=6, workers=3)
    machine = Machine(session_timeout_s=10, rebalance_s=3, dossiers_read_per_s=500_000)
    still, caught_up = lost_worker_s(place, machine)
    assert still == pytest.approx(10 + 3 + 4_000_000 / 2 / 500_000)
    assert caught_up > still


def test_the_page_says_what_the_simulation_says() -> None:
    page = PAGE.read_text("utf-8")
    for table in tables(PLACES, Machine()):
        assert table in page
