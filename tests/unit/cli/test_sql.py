"""How `hoso sql` finds ClickHouse, what it makes of values, and how it tells an error."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from schemas.errors import SettingsError
from schemas.settings import Settings
from services.cli.sql import QueryError, ask, plain, print_csv
from services.clickhouse import address_of


class Refusing:
    """A client whose server refuses everything."""

    def __init__(self, message: str) -> None:
        self.message = message

    def query(self, _: str) -> Any:
        raise DatabaseError(self.message)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Settings(), ("127.0.0.1", 18123)),
        (Settings(host="0.0.0.0", sql_port=1), ("127.0.0.1", 1)),
        (Settings(clickhouse="db:9000"), ("db", 9000)),
        (Settings(clickhouse="db"), ("db", 8123)),
        (Settings(clickhouse="db", clickhouse_secure=True), ("db", 8443)),
    ],
)
def test_the_settings_say_where_clickhouse_is(settings: Settings, expected: tuple[str, int]) -> None:
    assert address_of(settings) == expected


def test_an_address_that_is_none_names_its_setting() -> None:
    with pytest.raises(SettingsError, match="HOSO_CLICKHOUSE: expected host or host:port"):
        address_of(Settings(clickhouse="http://db:8123"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        ("Uông Bí", "Uông Bí"),
        (2**63 - 1, 2**63 - 1),
        (2**63, "9223372036854775808"),
        (0.5, 0.5),
        (float("nan"), "nan"),
        (date(2021, 3, 1), "2021-03-01"),
        (datetime(2021, 3, 1, 8, 30, tzinfo=timezone(timedelta(hours=7))), "2021-03-01T08:30:00+07:00"),
        (datetime(2021, 3, 1, 8, 30, tzinfo=UTC), "2021-03-01T08:30:00+00:00"),
        (Decimal("1.50"), "1.50"),
        (UUID(int=0), "00000000-0000-0000-0000-000000000000"),
        ((1, [Decimal(2)]), [1, ["2"]]),
        ({1: date(2021, 3, 1)}, {"1": "2021-03-01"}),
    ],
)
def test_values_are_shown_as_json_has_them(value: Any, expected: Any) -> None:
    assert plain(value) == expected


def test_csv_has_a_header_and_nothing_for_null(capsys: pytest.CaptureFixture[str]) -> None:
    print_csv(["name", "days", "none"], [["a,b", ["2021-03-01"], None]])
    assert capsys.readouterr().out == 'name,days,none\r\n"a,b","[""2021-03-01""]",\r\n'


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (
            "HTTP driver received ClickHouse error code 47, server response: Code: 47. DB::Exception: Unknown `x`. "
            "(UNKNOWN_IDENTIFIER) (version 26.9.1.1 (official build)) (for url http://127.0.0.1:1)",
            "Unknown `x`. (UNKNOWN_IDENTIFIER)",
        ),
        (
            "Code: 62. DB::Exception: Syntax error: failed at 1: x\nExpected one of: a, b. (SYNTAX_ERROR)",
            "Syntax error: failed at 1: x",
        ),
        ("something else\nand more", "something else"),
    ],
)
def test_an_error_is_one_line(message: str, line: str) -> None:
    client: Any = Refusing(message)
    with pytest.raises(QueryError) as raised:
        ask(client, "SELECT x")
    assert str(raised.value) == line
