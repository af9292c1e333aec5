"""The article's figures three times: as printed, from the live counters, and from SQL.

The live figures come from the monitor's period of 2021, which is a sum of tallies. The SQL figures come from
`mart.dossiers`, dossier by dossier, and so do not depend on the tallies.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

import httpx
from clickhouse_connect.driver.client import Client

from services.demo.year import CENTRE, COMMUNES

Group = Mapping[str, int]  # opening, workload, resolved, early, on_time, overdue, closing
SUMS: Final = ("opening", "workload", "resolved", "early", "on_time", "overdue", "closing")

# The year by the day on which a dossier counts as received or resolved, in office time.
SQL: Final = """\
SELECT
    unit_id = {centre:String} AS is_centre,
    countIf(received_on < '2021-01-01' AND (is_open OR resolved_on >= '2021-01-01')) AS opening,
    countIf(toYear(received_on) = 2021) AS received,
    countIf(toYear(resolved_on) = 2021) AS resolved,
    countIf(toYear(resolved_on) = 2021 AND timeliness = 'early') AS early,
    countIf(toYear(resolved_on) = 2021 AND timeliness = 'on_time') AS on_time,
    countIf(toYear(resolved_on) = 2021 AND timeliness = 'overdue') AS overdue,
    countIf(received_on <= '2021-12-31' AND (is_open OR resolved_on > '2021-12-31')) AS closing
FROM mart.dossiers
WHERE unit_id = {centre:String} OR has({communes:Array(String)}, unit_id)
GROUP BY is_centre"""


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    name: str
    article: str
    live: str
    sql: str

    @property
    def equal(self) -> bool:
        """Whether all three are the same."""
        return self.article == self.live == self.sql


async def live_groups(client: httpx.AsyncClient, address: str) -> tuple[Group, Group]:
    """The centre's and the communes' year from the monitor; a unit without data counts as zero."""
    groups = []
    for units in ((CENTRE,), COMMUNES):
        total = dict.fromkeys(SUMS, 0)
        for unit in units:
            answer = await client.get(f"{address}/v1/units/{unit}", params={"from": "2021-01-01", "to": "2021-12-31"})
            period = answer.raise_for_status().json()["unit"]["period"]
            for name, value in _of_period(period).items() if period else ():
                total[name] += value
        groups.append(total)
    return groups[0], groups[1]


def _of_period(period: Mapping[str, Any]) -> Group:
    flow = period["flow"]
    return {
        "opening": period["opening"],
        "workload": period["workload"],
        "resolved": period["resolved"],
        "early": flow["resolved_early"],
        "on_time": flow["resolved_on_time"],
        "overdue": flow["resolved_overdue"],
        "closing": period["closing"],
    }


def sql_groups(client: Client) -> tuple[Group, Group]:
    """The same from ClickHouse."""
    groups = {flag: dict.fromkeys(SUMS, 0) for flag in (True, False)}
    parameters = {"centre": CENTRE, "communes": list(COMMUNES)}
    for row in client.query(SQL, parameters=parameters).named_results():
        group = dict(row)
        group["workload"] = group["opening"] + group.pop("received")
        groups[bool(group.pop("is_centre"))] = group
    return groups[True], groups[False]


def figures(live: tuple[Group, Group], sql: tuple[Group, Group]) -> list[Figure]:
    """The table of the article's figures (docs/demo.md); what the article does not print follows from what it does."""
    centre = [live[0], sql[0]]
    communes = [live[1], sql[1]]

    def line(name: str, article: str, *values: str) -> Figure:
        return Figure(name, article, *values)

    def count(name: str, article: int, groups: list[Group], key: str) -> Figure:
        return line(name, f"{article:,}", *(f"{group[key]:,}" for group in groups))

    return [
        count("centre: received, carried over included", 129_023, centre, "workload"),
        count("centre: carried over from 2020", 580, centre, "opening"),
        count("centre: resolved", 128_539, centre, "resolved"),
        line("centre: of these early", "95.35 %", *(_percent(group, "early", "resolved", 2) for group in centre)),
        count("centre: early", 122_562, centre, "early"),
        count("centre: the rest on time", 5_977, centre, "on_time"),
        count("centre: overdue", 0, centre, "overdue"),
        count("centre: open at the end of the year", 484, centre, "closing"),
        count("communes: received", 38_303, communes, "workload"),
        count("communes: resolved", 28_373, communes, "resolved"),
        line("communes: resolved share", "74.1 %", *(_percent(group, "resolved", "workload", 1) for group in communes)),
        count("communes: resolved late", 0, communes, "overdue"),
    ]


def _percent(group: Group, part: str, whole: str, places: int) -> str:
    """Rounded half up, as the article does: 74.0751 % is printed as 74.1."""
    if not group[whole]:
        return "none"
    exact = Decimal(100) * group[part] / group[whole]
    return f"{exact.quantize(Decimal(10) ** -places, ROUND_HALF_UP)} %"
