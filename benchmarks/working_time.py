"""Five working days after a moment, beside the library `holidays`: the same days of 2021, checked to be equal.

Ours starts from a moment and ends at the last microsecond of a day in the office's zone; the peer knows days only.
"""

from datetime import date, datetime, time, timedelta
from time import perf_counter
from typing import Final

import holidays

from benchmarks.report import Comparison
from schemas.reference import read_calendars
from streams.domain.dossier import micros
from streams.domain.working_time import Calendar

ROUNDS: Final = 3
TIMES: Final = 200
DAYS: Final = 5
TARGET: Final = 5.0


def main() -> list[Comparison]:
    """Measure and return the comparison."""
    calendar = Calendar.of(read_calendars()["vn-1"])
    peer = holidays.country_holidays("VN", years=range(2021, 2023))
    days = [date(2021, 1, 1) + timedelta(days=number) for number in range(300)]
    moments = [micros(datetime.combine(day, time(9), calendar.zone)) for day in days]
    expected = [peer.get_nth_working_day(day, DAYS) for day in days]
    found = [calendar.add_working_days(moment, DAYS) for moment in moments]
    assert [datetime.fromtimestamp(end // 1_000_000, calendar.zone).date() for end in found] == expected
    ours, peers = [], []
    for _ in range(ROUNDS):
        begun = perf_counter()
        for _ in range(TIMES):
            for moment in moments:
                calendar.add_working_days(moment, DAYS)
        ours.append(TIMES * len(moments) / (perf_counter() - begun))
        begun = perf_counter()
        for day in days:
            peer.get_nth_working_day(day, DAYS)
        peers.append(len(days) / (perf_counter() - begun))
    return [
        Comparison.of(
            name="five working days after a moment",
            ours=ours,
            peer=peers,
            unit="additions/s",
            target=TARGET,
            peer_name="holidays, on days",
        )
    ]
