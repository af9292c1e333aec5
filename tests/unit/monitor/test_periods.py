"""Periods balance as report form II.06a demands, and shares round as offices do."""

import random
from datetime import date, timedelta

from schemas.tallies import FLOW, STOCK
from services.monitor.board import Board
from services.monitor.periods import days, period, share_of, unit_view
from services.monitor.views import Flow, Period, Stock, UnitView
from tests.unit.monitor.make import CENTRE, CITY, UNITS, WARD, board, tally


def day_of(text: str) -> date:
    return date.fromisoformat(text)


def view(made: Board, unit_id: str, today: str | None = "2021-12-31") -> UnitView:
    return unit_view(
        unit_id,
        unit=made.units.get(unit_id),
        parent_id=made.parent_of(unit_id),
        family=made.family(unit_id),
        today=date.fromisoformat(today) if today else None,
    )


# 580 carried over into 2021; the article's centre (domain notes, section 5).
ARTICLE = (
    tally(CENTRE.id, day="2020-12-30", received_direct=600, resolved_early=20),
    tally(CENTRE.id, day="2021-06-01", received_online=100_000, received_direct=28_443, resolved_early=122_562),
    tally(CENTRE.id, partition=1, day="2021-12-31", resolved_on_time=5_977),
    tally(CENTRE.id, open_within_due=484),
)


def test_the_names_of_the_answer_are_those_of_the_vocabulary() -> None:
    assert tuple(Stock.model_fields) == STOCK
    assert tuple(Flow.model_fields) == FLOW


def test_the_article_s_year() -> None:
    year = (view(board(*ARTICLE), CITY.id).years or {})["2021"]
    assert (year.opening, year.received, year.workload) == (580, 128_443, 129_023)
    assert (year.resolved, year.closing) == (128_539, 484)
    assert (year.early_share.numerator, year.early_share.denominator, year.early_share.percent) == (
        122_562,
        128_539,
        95.35,
    )
    assert year.on_time_share.percent == 4.65
    assert year.overdue_share.percent == 0.0


def test_every_period_opens_with_what_the_one_before_left() -> None:
    made = board(
        tally(WARD.id, day="2021-01-01", received_direct=10, resolved_early=4),
        tally(WARD.id, day="2021-01-02", transferred_out=3, reopened=1),
        tally(WARD.id, day="2021-01-03", transferred_in=2, resolved_undated=1, resolved_overdue=1),
        tally(WARD.id, day="2022-01-01", resolved_on_time=1),
    )
    family = made.family(WARD.id)
    series = days(family, None, None)
    assert series is not None
    assert [(each.first_on, each.opening, each.closing) for each in series] == [
        (day_of("2021-01-01"), 0, 6),
        (day_of("2021-01-02"), 6, 4),
        (day_of("2021-01-03"), 4, 4),
        (day_of("2022-01-01"), 4, 3),
    ]
    middle = period(family, day_of("2021-01-02"), day_of("2021-01-03"))
    assert middle is not None
    assert (middle.opening, middle.workload, middle.resolved, middle.closing) == (6, 6, 2, 4)
    years = view(made, WARD.id).years or {}
    assert {year: (each.opening, each.closing) for year, each in years.items()} == {"2021": (0, 4), "2022": (4, 3)}
    assert days(family, day_of("2021-01-03"), None) == series[2:]


def test_open_ends_reach_as_far_as_there_is_anything() -> None:
    family = board(*ARTICLE).family(CENTRE.id)
    total = period(family, None, None)
    until, since = period(family, None, day_of("2020-12-31")), period(family, day_of("2021-01-01"), None)
    assert total is not None
    assert until is not None
    assert since is not None
    assert until.closing == since.opening == 580
    assert since.closing == total.closing == 484
    assert total.opening == 0


def test_any_period_is_the_sum_of_its_days() -> None:
    rng = random.Random(6)
    calendar = [date(2019, 12, 1) + timedelta(days=rng.randrange(800)) for _ in range(60)]
    made = board(
        *(
            tally(unit, partition=rng.randrange(3), day=str(day), received_direct=rng.randrange(9), resolved_early=2)
            for day in calendar
            for unit in (CENTRE.id, WARD.id)
        )
    )
    family = made.family(CITY.id)
    for _ in range(200):
        first, last = sorted(rng.choice([*calendar, date(2020, 1, 1), date(2020, 12, 31)]) for _ in range(2))
        found, series = period(family, first, last), days(family, first, last)
        assert found is not None
        assert series is not None
        assert found.received == sum(each.received for each in series)
        assert found.resolved == sum(each.resolved for each in series)
        assert (found.opening, found.closing) == (series[0].opening, series[-1].closing)


def test_the_ends_of_the_calendar_are_open_ends() -> None:
    family = board(*ARTICLE).family(CENTRE.id)
    whole, total = period(family, date.min, date.max), period(family, None, None)
    assert whole is not None
    assert total is not None
    assert (whole.opening, whole.workload, whole.closing) == (total.opening, total.workload, total.closing)
    assert days(family, date.min, date.max) == days(family, None, None)


def test_today_is_the_office_s_day() -> None:
    today = view(board(*ARTICLE), CENTRE.id).today
    assert today is not None
    assert (today.opening, today.resolved, today.closing) == (6_461, 5_977, 484)
    assert view(board(*ARTICLE), CENTRE.id, today=None).today is None


def test_a_quiet_day_is_zero_and_not_nothing() -> None:
    quiet = period(board(*ARTICLE).family(CENTRE.id), day_of("2021-07-01"), day_of("2021-07-01"))
    assert quiet is not None
    assert (quiet.received, quiet.resolved, quiet.early_share.percent) == (0, 0, None)


def test_no_data_is_null_everywhere() -> None:
    found = view(board(), WARD.id)
    assert (found.stock, found.in_progress, found.today, found.total, found.years) == (None,) * 5
    assert period([], None, None) is None
    assert days([], None, None) is None


def test_a_unit_with_only_stock_has_zero_flow() -> None:
    found = view(board(tally(WARD.id, open_registered=2, open_paused=1, open_undated=1)), WARD.id)
    assert found.in_progress == 2
    assert found.stock is not None
    assert found.stock.open_registered == 2
    assert found.total is not None
    assert found.total.received == 0
    assert found.years == {}


def test_a_day_taken_back_leaves_no_empty_year() -> None:
    made = board(tally(WARD.id, day="1999-01-01", received_direct=1), tally(WARD.id, day="1999-01-01"))
    assert view(made, WARD.id).years == {}
    assert days(made.family(WARD.id), None, None) == []


def test_moves_within_a_city_cancel_in_its_stock() -> None:
    made = board(
        tally(CENTRE.id, day="2021-01-01", received_direct=1, transferred_out=1),
        tally(WARD.id, day="2021-01-01", transferred_in=1),
        units=UNITS,
    )
    city = view(made, CITY.id).total
    assert isinstance(city, Period)
    assert (city.workload, city.closing) == (1, 1)
    assert (city.flow.transferred_in, city.flow.transferred_out) == (1, 1)


def test_shares_round_half_up_and_never_truncate() -> None:
    assert share_of(28_373, 38_303).percent == 74.08
    assert share_of(1, 3).percent == 33.33
    assert share_of(2, 3).percent == 66.67
    assert share_of(1, 20_000).percent == 0.01
    assert share_of(3, 3).percent == 100.0
    assert share_of(0, 0).percent is None
