"""Two ways to the report form, by SQL over conclusions and by folding the log, and they agree; a past one returns."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from schemas.settings import Settings
from schemas.state import Entry
from services.reports.form import By
from services.reports.periods import Period, days_between, year_of
from services.reports.reading import read_report
from services.sink.clickhouse import Warehouse, open_embedded
from services.sink.migrations import migrate, read_migrations
from tests.factories import UNIT, rules
from tests.histories import HISTORIES
from tests.integration.test_history import BY_JANUARY, JANUARY, LATER, NOW, as_event
from tests.logs import Logged, store

RULES: Final = rules()
SETTINGS: Final = Settings(clock=NOW)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """One engine for the module: a process can hold one directory."""
    warehouse = open_embedded(tmp_path_factory.mktemp("clickhouse"))
    migrate(warehouse, read_migrations())
    yield warehouse
    warehouse.close()


def report(warehouse: Warehouse, period: Period, known_at: datetime | None, **asked: Any) -> Any:
    """What must be equal."""
    asked = {"unit_id": "", "by": By.PROCEDURE, "returned_on_time": False, **asked}
    found = read_report(warehouse.query, period=period, known_at=known_at, settings=SETTINGS, **asked)
    return found.form, found.digest, found.line_digests


@settings(max_examples=12, deadline=None, phases=[Phase.generate], suppress_health_check=[*HealthCheck])
@given(st.lists(HISTORIES, min_size=20, max_size=25), st.integers(0, 9), st.integers(0, 9))
def test_sql_and_fold_make_the_same_report(
    warehouse: Warehouse, histories: list[list[Entry]], begin: int, length: int
) -> None:
    logged = [
        Logged(as_event(entry, f"D{number}", {}), NOW) for number, history in enumerate(histories) for entry in history
    ]
    if not logged:
        return
    store(warehouse, logged, rules=RULES)
    period = days_between(date(2021, 1, 1 + begin), date(2021, 1, 1 + begin + length))
    for asked in ({}, {"unit_id": UNIT}, {"by": By.UNIT}):
        assert report(warehouse, period, NOW, **asked) == report(warehouse, period, None, **asked)


def test_the_form_of_january_comes_back_in_june_with_its_digests(warehouse: Warehouse) -> None:
    store(warehouse, BY_JANUARY, rules=RULES)
    january = report(warehouse, year_of(2021), None)
    assert january[0].total.columns() == {3: 5, 4: 1, 5: 3, 6: 1, 7: 3, 8: 1, 9: 1, 10: 1, 11: 2, 12: 1, 13: 1}
    store(warehouse, [*BY_JANUARY, *LATER], rules=RULES)
    assert report(warehouse, year_of(2021), None) != january
    assert report(warehouse, year_of(2021), JANUARY) == january
