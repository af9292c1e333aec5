"""No data, zero lag, stale, behind and live are told apart."""

from datetime import datetime

from services.monitor.freshness import BEHIND_AFTER_S, MARKS_MAX, LogEnds, judge
from services.monitor.views import State
from tests.unit.monitor.make import AS_OF, AS_OF_US, NOW_S, OFFICE, board, freshness, heartbeat


def test_without_any_heartbeat_there_is_no_data() -> None:
    found = freshness(ends={0: 5})
    assert (found.state, found.as_of, found.stale_since, found.lag_events) == (State.NO_DATA, None, None, 5)


def test_live_counts_up_to_the_end_of_the_log() -> None:
    found = freshness(board(heartbeat(offset=5)), ends={0: 5})
    assert (found.state, found.as_of, found.lag_events, found.lag_s) == (State.LIVE, AS_OF, 0, 0.0)


def test_behind_says_how_many_events_and_how_long() -> None:
    found = freshness(board(heartbeat(offset=5), heartbeat(partition=1, offset=2)), ends={0: 9, 1: 3})
    assert (found.state, found.lag_events, found.lag_s) == (State.BEHIND, 5, 10.0)


def test_stale_says_since_when_although_the_office_s_clock_stands_still() -> None:
    made = board(heartbeat(offset=5), heartbeat(partition=1, at_s=NOW_S - 11))
    found = freshness(made, ends={0: 5, 1: 1})
    assert found.state is State.STALE
    assert found.stale_since == datetime.fromtimestamp(NOW_S - 11, OFFICE)


def test_the_oldest_partition_decides_the_instant() -> None:
    made = board(heartbeat(), heartbeat(partition=1, as_of_us=AS_OF_US - 60_000_000))
    assert (AS_OF - (freshness(made).as_of or AS_OF)).total_seconds() == 60


def test_a_partition_that_nobody_counts_is_behind_by_all_of_it() -> None:
    assert freshness(board(heartbeat(offset=5)), ends={0: 5, 1: 7}).lag_events == 7


def test_an_empty_partition_that_nobody_counts_is_no_lag() -> None:
    assert freshness(board(heartbeat(offset=5)), ends={0: 5, 1: 0}).state is State.LIVE


def test_lag_is_unknown_when_the_log_was_not_seen_lately() -> None:
    log = LogEnds()
    log.observe({0: 5}, NOW_S - 11)
    found = judge(board(heartbeat(offset=5)).heartbeats, log, now_s=NOW_S, stale_after_s=10, zone=OFFICE)
    assert (found.broker_reachable, found.lag_events, found.lag_s) == (False, None, None)


def test_an_event_just_arrived_is_lag_but_not_behind() -> None:
    log = LogEnds()
    log.observe({0: 5}, NOW_S - 60)
    log.observe({0: 6}, NOW_S - BEHIND_AFTER_S)
    found = judge(board(heartbeat(offset=5)).heartbeats, log, now_s=NOW_S, stale_after_s=10, zone=OFFICE)
    assert (found.state, found.lag_events, found.lag_s) == (State.LIVE, 1, BEHIND_AFTER_S)


def test_waiting_is_counted_from_the_oldest_event_that_still_waits() -> None:
    log = LogEnds()
    for second in range(100):
        log.observe({0: second * 10}, NOW_S + second)
    assert log.lag({0: 500}, NOW_S + 99) == (490, 48.0)
    assert log.lag({0: 990}, NOW_S + 99) == (0, 0.0)


def test_a_long_backlog_is_remembered_coarsely_and_in_full() -> None:
    log = LogEnds()
    for second in range(10 * MARKS_MAX):
        log.observe({0: second}, NOW_S + second)
    events, waiting_s = log.lag({0: 0}, NOW_S + 10 * MARKS_MAX)
    assert (events, waiting_s) == (10 * MARKS_MAX - 1, 10 * MARKS_MAX - 1)


def test_a_log_made_anew_is_not_behind_for_ever() -> None:
    log = LogEnds()
    log.observe({0: 100}, NOW_S)
    log.observe({0: 5}, NOW_S + 1)
    assert log.lag({0: 5}, NOW_S + 60) == (0, 0.0)
