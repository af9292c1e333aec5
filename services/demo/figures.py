"""The article's figures: as printed, from the live counters, and from SQL, for both readings of "the year 2021".

The live figures come from the monitor's period, which is a sum of tallies. The SQL figures come from `mart.dossiers`,
dossier by dossier, and so do not depend on the tallies.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

import httpx
from clickhouse_connect.driver.client import Client

from services.demo.year import CENTRE, COMMUNES

Group = Mapping[str, int]  # opening, workload, resolved, early, on_time, overdue, closing
Groups = tuple[Group, Group]  # the centre's, and those of all communes together
SUMS: Final = ("opening", "workload", "resolved", "early", "on_time", "overdue", "closing")

# By the day on which a dossier counts as received or resolved, in office time.
SQL: Final = """\
SELECT
    unit_id = {centre:String} AS is_centre,
    countIf(received_on < {first:Date} AND (is_open OR resolved_on >= {first:Date})) AS opening,
    countIf(received_on BETWEEN {first:Date} AND {last:Date}) AS received,
    countIf(resolved_on BETWEEN {first:Date} AND {last:Date}) AS resolved,
    countIf(resolved_on BETWEEN {first:Date} AND {last:Date} AND timeliness = 'early') AS early,
    countIf(resolved_on BETWEEN {first:Date} AND {last:Date} AND timeliness = 'on_time') AS on_time,
    countIf(resolved_on BETWEEN {first:Date} AND {last:Date} AND timeliness = 'overdue') AS overdue,
    countIf(received_on <= {last:Date} AND (is_open OR resolved_on > {last:Date})) AS closing
FROM mart.dossiers
WHERE unit_id = {centre:String} OR has({communes:Array(String)}, unit_id)
GROUP BY is_centre"""


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table: a text by column (`live`, `sql`, each for both readings of the year)."""

    name: str
    article: str
    found: Mapping[str, str]

    @property
    def equal(self) -> bool:
        """Whether all are the same."""
        return set(self.found.values()) == {self.article}


async def live_groups(client: httpx.AsyncClient, address: str, *, first: date, last: date) -> Groups:
    """The centre's and the communes' year from the monitor; a unit without data counts as zero."""
    groups = []
    for units in ((CENTRE,), COMMUNES):
        total = dict.fromkeys(SUMS, 0)
        for unit in units:
            answer = await client.get(f"{address}/v1/units/{unit}", params={"from": f"{first}", "to": f"{last}"})
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


def sql_groups(client: Client, *, first: date, last: date) -> Groups:
    """The same from ClickHouse."""
    groups = {flag: dict.fromkeys(SUMS, 0) for flag in (True, False)}
    parameters = {"centre": CENTRE, "communes": list(COMMUNES), "first": first, "last": last}
    for row in client.query(SQL, parameters=parameters).named_results():
        group = dict(row)
        group["workload"] = group["opening"] + group.pop("received")
        groups[bool(group.pop("is_centre"))] = group
    return groups[True], groups[False]


def figures(found: Mapping[str, Groups]) -> list[Figure]:
    """The article's figures (docs/demo.md), a column for each of `found`.

    What the article does not print follows from what it does.
    """
    centre = {column: groups[0] for column, groups in found.items()}
    communes = {column: groups[1] for column, groups in found.items()}

    def count(name: str, article: int, groups: Mapping[str, Group], key: str) -> Figure:
        return Figure(name, f"{article:,}", {column: f"{group[key]:,}" for column, group in groups.items()})

    def share(name: str, article: str, groups: Mapping[str, Group], part: str, whole: str) -> Figure:
        places = len(article.removesuffix(" %").partition(".")[2])
        return Figure(name, article, {column: _percent(group, part, whole, places) for column, group in groups.items()})

    return [
        count("centre: received", 129_023, centre, "workload"),
        count("centre: carried over", 580, centre, "opening"),
        count("centre: resolved", 128_539, centre, "resolved"),
        share("centre: early share", "95.35 %", centre, "early", "resolved"),
        count("centre: early", 122_562, centre, "early"),
        count("centre: on time", 5_977, centre, "on_time"),
        count("centre: overdue", 0, centre, "overdue"),
        count("centre: still open", 484, centre, "closing"),
        count("communes: received", 38_303, communes, "workload"),
        count("communes: resolved", 28_373, communes, "resolved"),
        share("communes: share", "74.1 %", communes, "resolved", "workload"),
        count("communes: overdue", 0, communes, "overdue"),
    ]


def _percent(group: Group, part: str, whole: str, places: int) -> str:
    """Rounded half up, as the article does: 74.0751 % is printed as 74.1."""
    if not group[whole]:
        return "none"
    exact = Decimal(100) * group[part] / group[whole]
    return f"{exact.quantize(Decimal(10) ** -places, ROUND_HALF_UP)} %"
