"""Local times as moments: formats, dates without a time, and the hours that clock changes repeat or skip."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from services.importer.errors import Refusal
from services.importer.moments import Clock, check_format


def clock(*formats: str, at: time = time(0), zone: str = "Asia/Ho_Chi_Minh") -> Clock:
    return Clock(column="when", formats=formats or ("iso",), at=at, zone=ZoneInfo(zone))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2021-03-01 08:30:15", "2021-03-01T01:30:15+00:00"),
        ("2021-03-01T08:30", "2021-03-01T01:30:00+00:00"),
        ("2021-03-01T08:30:00Z", "2021-03-01T08:30:00+00:00"),
        ("2021-03-01 08:30:00.25-05:00", "2021-03-01T13:30:00.250000+00:00"),
        ("2021-03-01", "2021-03-01T10:00:00+00:00"),
        ("20210301", "2021-03-01T10:00:00+00:00"),
        ("01/03/2021", "2021-03-01T10:00:00+00:00"),
        ("01/03/2021 08:30", "2021-03-01T01:30:00+00:00"),
    ],
)
def test_formats_are_tried_in_order_and_a_date_alone_gets_its_time_of_day(text: str, moment: str) -> None:
    reading = clock("iso", "%d/%m/%Y %H:%M", "%d/%m/%Y", at=time(17)).read(text)
    assert reading.at.astimezone(UTC).isoformat() == moment
    assert not reading.is_irregular


@pytest.mark.parametrize("text", ["soon", "31/02/2021", "2021-13-01", "2021-03-01 25:00", "08:30", "1614562200"])
def test_a_text_that_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(Refusal, match="bad_time in when"):
        clock("iso", "%d/%m/%Y").read(text)


@pytest.mark.parametrize("text", ["0001-01-01", "1900-01-01 00:00:00", "9999-12-31 23:59:59", "2100-01-01"])
def test_a_year_outside_1990_to_2099_is_refused(text: str) -> None:
    with pytest.raises(Refusal, match="implausible_time in when"):
        clock().read(text)


def test_of_an_hour_that_comes_twice_the_first_is_meant() -> None:
    reading = clock(zone="America/New_York").read("2016-11-06 01:30:00")
    assert reading.at.astimezone(UTC) == datetime(2016, 11, 6, 5, 30, tzinfo=UTC)  # still summer time
    assert reading.is_irregular


def test_a_skipped_time_is_moved_on_by_what_was_skipped() -> None:
    reading = clock(zone="America/New_York").read("2016-03-13 02:30:00")
    assert reading.at.astimezone(UTC) == datetime(2016, 3, 13, 7, 30, tzinfo=UTC)  # 03:30 on the clock
    assert reading.is_irregular


@pytest.mark.parametrize("text", ["2016-11-06 01:30:00-05:00", "2016-11-06 00:59:59", "2016-11-06 02:00:00"])
def test_a_time_with_an_offset_or_beside_the_change_is_regular(text: str) -> None:
    assert not clock(zone="America/New_York").read(text).is_irregular


@pytest.mark.parametrize("text", ["%d/%m", "%Q", "dd/mm/yyyy", "%H:%M", "", "%Y-%m-%d %"])
def test_a_format_without_a_whole_date_is_an_error_of_the_mapping(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        check_format(text)
