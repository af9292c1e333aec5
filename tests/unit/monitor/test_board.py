"""The merge: any interleaving of partitions and any repetition give the same sums."""

import itertools
import random

import msgspec
import pydantic
import pytest

from schemas.reference import Unit
from services.monitor.board import Board
from tests.unit.monitor.make import CENTRE, CITY, UNITS, WARD, apply, board, heartbeat, tally


def stock_of(made: Board, unit_id: str) -> dict[str, int] | None:
    own = made.own(unit_id)
    return None if own is None else {counter: count for counter, count in own.all.stock.items() if count}


def test_partitions_add_up_in_any_order() -> None:
    records = [tally(WARD.id, partition=partition, open_within_due=10**partition) for partition in range(3)]
    for order in itertools.permutations(records):
        assert stock_of(board(*order), WARD.id) == {"open_within_due": 111}


def test_the_newest_record_of_a_key_replaces_the_earlier() -> None:
    made = board(
        tally(WARD.id, open_within_due=5, open_overdue=1),
        tally(WARD.id, partition=1, open_within_due=100),
        tally(WARD.id, open_within_due=7),
    )
    assert stock_of(made, WARD.id) == {"open_within_due": 107}


def test_a_repeated_record_changes_nothing() -> None:
    record = tally(WARD.id, day="2021-03-01", received_direct=3)
    made = board(record)
    made.take_changes()
    apply(made, record, record)
    assert made.take_changes().units == frozenset()
    assert stock_of(made, WARD.id) == {}
    assert made.family(WARD.id)[0].days == {"2021": {"2021-03-01": {"received_direct": 3}}}


def test_any_interleaving_of_partitions_ends_in_the_same_sums() -> None:
    histories = [
        [tally(WARD.id, partition=partition, day=day, offset=offset, resolved_early=offset + partition)
         for offset in range(1, 4) for day in ("2020-12-31", "2021-01-01")]
        for partition in range(3)
    ]  # fmt: skip
    rng = random.Random(20210101)
    for _ in range(20):
        left = [list(history) for history in histories]
        made = board()
        while any(left):
            apply(made, rng.choice([history for history in left if history]).pop(0))
        (sums,) = made.family(WARD.id)
        assert sums.days == {
            year: {day: {"resolved_early": 12}} for year, day in (("2020", "2020-12-31"), ("2021", "2021-01-01"))
        }
        assert sums.years == {"2020": {"resolved_early": 12}, "2021": {"resolved_early": 12}}


def test_a_unit_nobody_counted_has_no_data_and_a_counted_one_has_zeros() -> None:
    made = board(tally(WARD.id))
    assert made.family(CENTRE.id) == []
    assert made.own(WARD.id) is not None


def test_a_parent_holds_those_below_it_and_changes_with_them() -> None:
    made = board(tally(WARD.id, open_overdue=1), tally(CENTRE.id, open_overdue=2), tally(CITY.id, open_overdue=4))
    assert sum(sums.stock["open_overdue"] for sums in made.family(CITY.id)) == 7
    made.take_changes()
    apply(made, tally(WARD.id, open_overdue=8))
    assert made.take_changes() == (frozenset({WARD.id, CITY.id}), False)
    assert sum(sums.stock["open_overdue"] for sums in made.family(CITY.id)) == 14


def test_a_key_taken_back_takes_its_numbers_along() -> None:
    made = board(tally(WARD.id, open_overdue=1), tally("new", open_overdue=1))
    assert made.unit_ids() == [CITY.id, CENTRE.id, WARD.id, "new"]
    apply(made, *(record._replace(value=None) for record in (tally(WARD.id), tally("new"), tally("unseen"))))
    assert made.own(WARD.id) is None
    assert made.unit_ids() == [CITY.id, CENTRE.id, WARD.id]


def test_a_unit_without_a_name_is_listed_by_its_id() -> None:
    made = board(tally("new", open_overdue=1))
    assert made.unit_ids() == [CITY.id, CENTRE.id, WARD.id, "new"]
    assert made.take_changes().hierarchy


def test_each_unit_is_followed_by_those_below_it() -> None:
    desk = Unit(id="desk", name_vi="Quầy", name_en="Desk", parent_id=CENTRE.id)
    made = board(units=(*UNITS, desk))
    assert made.unit_ids() == [CITY.id, CENTRE.id, "desk", WARD.id]


def test_units_in_a_circle_are_all_listed_and_counted_once() -> None:
    circle = [Unit(id=a, name_vi=a, name_en=a, parent_id=b) for a, b in ("ab", "bc", "ca", "da", "ee")]
    made = board(tally("a", open_overdue=1), tally("b", open_overdue=1), tally("d", open_overdue=1), units=circle)
    assert made.unit_ids() == ["a", "d", "b", "c", "e"]
    assert len(made.family("a")) == 2
    assert made.take_changes().units == {"a", "b", "d"}


def test_a_renamed_unit_is_a_change_of_the_hierarchy_and_a_repeat_is_not() -> None:
    made = board()
    made.take_changes()
    made.apply_unit(WARD.id, WARD.model_dump_json().encode())
    assert not made.take_changes().hierarchy
    made.apply_unit(WARD.id, WARD.model_copy(update={"name_vi": "Xã"}).model_dump_json().encode())
    assert made.take_changes().hierarchy
    made.apply_unit(WARD.id, None)
    made.apply_unit(WARD.id, None)
    assert made.unit_ids() == [CITY.id, CENTRE.id]


def test_heartbeats_keep_the_newest_per_partition() -> None:
    made = board(heartbeat(partition=1, offset=5), heartbeat(partition=0, offset=3), heartbeat(partition=1, offset=6))
    assert [(each.progress.partition, each.progress.offset) for each in made.heartbeats] == [(0, 3), (1, 6)]
    apply(made, heartbeat(partition=0)._replace(value=None))
    assert [each.progress.partition for each in made.heartbeats] == [1]


def test_what_is_no_tally_is_refused_and_changes_nothing() -> None:
    made = board(tally(WARD.id, open_overdue=1))
    made.take_changes()
    with pytest.raises(msgspec.MsgspecError):
        made.apply_tally(f"{WARD.id}/0", b"{", at_ms=0)
    with pytest.raises(pydantic.ValidationError):
        made.apply_unit(WARD.id, b"{}")
    assert made.take_changes() == (frozenset(), False)
