"""The article's figures: as printed, and as found by the live counters, by the report form, and by SQL.

The live figures come from the monitor's period, a sum of tallies; the city's from its rolled-up row. The form's are the
columns of II.06a that the reports process answers. The SQL figures are counted in `mart.dossiers`, dossier by dossier,
and so depend neither on the tallies nor on the form.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

import httpx
from clickhouse_connect.driver.client import Client

from services.demo.year import CENTRE, CITY, COMMUNES

Group = Mapping[str, int]  # the sums below
Groups = Mapping[str, Group]  # of the centre, of all communes together, of the city
SUMS: Final = ("opening", "received", "workload", "resolved", "early", "on_time", "overdue", "closing")
NOTHING: Final[Group] = dict.fromkeys(SUMS, 0)

# By the day on which a dossier counts as received or resolved, in office time.
DOSSIERS_SQL: Final = """\
SELECT
    unit_id = {centre:String} AS is_centre,
    countIf(received_on < {first:Date} AND (is_open OR resolved_on >= {first:Date})) AS opening,
    countIf(received_on BETWEEN {first:Date} AND {last:Date}) AS received,
    opening + received AS workload,
    countIf(resolved_on BETWEEN {first:Date} AND {last:Date}) AS resolved,
    countIf(resolved_on BETWEEN {first:Date} AND {last:Date} AND timeliness = 'early') AS early,
    countIf(resolved_on BETWEEN {first:Date} AND {last:Date} AND timeliness = 'on_time') AS on_time,
    countIf(resolved_on BETWEEN {first:Date} AND {last:Date} AND timeliness = 'overdue') AS overdue,
    countIf(received_on <= {last:Date} AND (is_open OR resolved_on > {last:Date})) AS closing
FROM mart.dossiers
WHERE unit_id = {centre:String} OR has({communes:Array(String)}, unit_id)
GROUP BY is_centre"""

CATALOGUE_SQL: Final = """\
SELECT
    countIf(desk = 'centre') AS centre,
    countIf(desk = 'centre' AND linkage = 'three_level') AS centre_three_level,
    countIf(desk = 'centre' AND linkage = 'two_level') AS centre_two_level,
    countIf(desk = 'centre' AND linkage = 'horizontal') AS centre_horizontal,
    countIf(desk = 'centre' AND linkage = 'vertical') AS centre_vertical,
    countIf(desk = 'commune') AS communes,
    countIf(desk = 'commune' AND linkage = 'three_level') AS communes_three_level,
    countIf(desk = 'commune' AND linkage = 'two_level') AS communes_two_level,
    countIf(online_level >= 3) AS online,
    countIf(online_level = 4) AS online_level_4,
    countIf(on_national_portal) AS on_national_portal
FROM mart.procedures"""


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of a table: what the article says, and what was found, by where it was asked."""

    name: str
    article: str
    found: Mapping[str, str]

    @property
    def equal(self) -> bool:
        """Whether all are the same."""
        return set(self.found.values()) == {self.article}


async def live_groups(client: httpx.AsyncClient, address: str, *, first: date, last: date) -> Groups:
    """From the monitor; a unit without data counts as zero."""

    async def of_unit(unit: str) -> Group:
        answer = await client.get(f"{address}/v1/units/{unit}", params={"from": f"{first}", "to": f"{last}"})
        period = answer.raise_for_status().json()["unit"]["period"]
        return _of_period(period) if period else NOTHING

    communes = _sum([await of_unit(unit) for unit in COMMUNES])
    return {"centre": await of_unit(CENTRE), "communes": communes, "city": await of_unit(CITY)}


def _of_period(period: Mapping[str, Any]) -> Group:
    flow, opening, workload = period["flow"], period["opening"], period["workload"]
    return {
        "opening": opening,
        "received": workload - opening,
        "workload": workload,
        "resolved": period["resolved"],
        "early": flow["resolved_early"],
        "on_time": flow["resolved_on_time"],
        "overdue": flow["resolved_overdue"],
        "closing": period["closing"],
    }


async def form_groups(client: httpx.AsyncClient, address: str, *, first: date, last: date) -> Groups:
    """From form II.06a of the city, which has a line per unit."""
    asked = {"unit": CITY, "from": f"{first}", "to": f"{last}", "by": "unit"}
    answer = await client.get(f"{address}/v1/report", params=asked)
    report = answer.raise_for_status().json()["report"]
    lines = {line["code"]: _of_columns(line["columns"]) for line in report["lines"]}
    return {
        "centre": lines.get(CENTRE, NOTHING),
        "communes": _sum([lines.get(unit, NOTHING) for unit in COMMUNES]),
        "city": _of_columns(report["total"]["columns"]),
    }


def _of_columns(columns: Mapping[str, int]) -> Group:
    return {
        "opening": columns["6"],
        "received": columns["4"] + columns["5"],
        "workload": columns["3"],
        "resolved": columns["7"],
        "early": columns["8"],
        "on_time": columns["9"],
        "overdue": columns["10"],
        "closing": columns["11"],
    }


def sql_groups(client: Client, *, first: date, last: date) -> Groups:
    """From ClickHouse."""
    groups: dict[str, Group] = dict.fromkeys(("centre", "communes"), NOTHING)
    parameters = {"centre": CENTRE, "communes": list(COMMUNES), "first": first, "last": last}
    for row in client.query(DOSSIERS_SQL, parameters=parameters).named_results():
        groups["centre" if row["is_centre"] else "communes"] = {name: row[name] for name in SUMS}
    return groups | {"city": _sum(groups.values())}


def _sum(groups: Collection[Group]) -> Group:
    return {name: sum(group[name] for group in groups) for name in SUMS}


def figures(found: Mapping[str, Groups]) -> list[Figure]:
    """The article's figures of a year (docs/demo.md), with what each of `found` says.

    What the article does not print follows from what it does.
    """

    def figure(of: str, what: str, article: str, text: Callable[[Group], str]) -> Figure:
        return Figure(f"{of}: {what}", article, {where: text(groups[of]) for where, groups in found.items()})

    def count(of: str, what: str, article: int, key: str) -> Figure:
        return figure(of, what, f"{article:,}", lambda group: f"{group[key]:,}")

    def share(of: str, what: str, article: str, part: str, whole: str) -> Figure:
        places = len(article.removesuffix(" %").partition(".")[2])
        return figure(of, what, article, lambda group: _percent(group, part, whole, places))

    return [
        count("centre", "received anew", 128_443, "received"),
        count("centre", "carried over", 580, "opening"),
        count("centre", "received", 129_023, "workload"),
        count("centre", "resolved", 128_539, "resolved"),
        share("centre", "resolved share", "99.625 %", "resolved", "workload"),
        count("centre", "early", 122_562, "early"),
        share("centre", "early share", "95.35 %", "early", "resolved"),
        count("centre", "on time", 5_977, "on_time"),
        count("centre", "overdue", 0, "overdue"),
        count("centre", "still open", 484, "closing"),
        count("communes", "received", 38_303, "workload"),
        count("communes", "resolved", 28_373, "resolved"),
        share("communes", "resolved share", "74.1 %", "resolved", "workload"),
        count("communes", "overdue", 0, "overdue"),
        count("communes", "still open", 9_930, "closing"),
        count("city", "received", 167_326, "workload"),
        count("city", "resolved", 156_912, "resolved"),
        share("city", "resolved share", "93.78 %", "resolved", "workload"),
    ]


def catalogue_figures(client: Client) -> list[Figure]:
    """What the article says about procedures, beside the catalogue as SQL has it."""
    (found,) = client.query(CATALOGUE_SQL).named_results()
    article = {
        "centre": 277,
        "centre_three_level": 18,
        "centre_two_level": 27,
        "centre_horizontal": 12,
        "centre_vertical": 73,
        "communes": 111,
        "communes_three_level": 19,
        "communes_two_level": 18,
        "online": 242,
        "online_level_4": 211,
        "on_national_portal": 227,
    }
    return [
        Figure(f"procedures: {name.replace('_', ' ')}", f"{count}", {"sql": f"{found[name]}"})
        for name, count in article.items()
    ]


def _percent(group: Group, part: str, whole: str, places: int) -> str:
    """Rounded half up, as the article does: 74.0751 % is printed as 74.1."""
    if not group[whole]:
        return "none"
    exact = Decimal(100) * group[part] / group[whole]
    return f"{exact.quantize(Decimal(10) ** -places, ROUND_HALF_UP)} %"
