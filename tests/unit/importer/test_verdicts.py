"""Another system's verdicts beside ours: each difference is counted and has its cause."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.unit.importer.make import A_DOSSIER, DOSSIER_TOML, csv_file, job, mapping

VERDICT = """
[verdict]
column = "verdict"
map = { OK = ["early", "on_time"], LATE = ["overdue"] }
"""


def compared(tmp_path: Path, *rows: dict[str, str], **replaced: str) -> dict[str, Any]:
    plan = mapping(tmp_path, DOSSIER_TOML + 'refused = { column = "refused" }' + VERDICT, **replaced)
    made = job(tmp_path, plan, [csv_file(tmp_path, [{**A_DOSSIER, "refused": "", **row} for row in rows])])
    asyncio.run(made.run(None, lambda _: None))
    verdict: dict[str, Any] = made.document()["verdict"]
    assert made.is_clean == (not verdict["differ"])
    return verdict


def test_verdicts_that_agree(tmp_path: Path) -> None:
    rows = [{"verdict": "OK"}, {"verdict": "OK", "finished": "2021-03-05 23:59"},
            {"verdict": "LATE", "finished": "2021-03-06"}]  # fmt: skip
    verdict = compared(tmp_path, *rows)
    assert (verdict["agree"], verdict["differ"], verdict["differences"]) == (3, 0, [])
    assert verdict["by_verdict"] == {"OK": {"early": 1, "on_time": 1}, "LATE": {"overdue": 1}}


def test_only_closed_dossiers_with_a_promise_are_compared(tmp_path: Path) -> None:
    verdict = compared(tmp_path, {"verdict": "OK", "due": ""}, {"verdict": "LATE", "finished": ""},
                       {"verdict": "OK", "accepted": ""})  # fmt: skip
    assert (verdict["agree"], verdict["not_compared"]) == (0, {"without a promise": 2, "open": 1})


@pytest.mark.parametrize(
    ("row", "ours", "theirs", "cause", "late_s"),
    [
        ({"verdict": "LATE"}, "early", "LATE", "rule", -111600.0),
        ({"verdict": "OK", "finished": "2021-03-01 08:29:30"}, "open", "OK", "closes_before_it_opens", -376230.0),
        ({"verdict": "OK", "finished": "", "refused": "2021-03-02"}, "open", "OK", "step_not_allowed", -320400.0),
        ({"verdict": "Nguyen Van A"}, "early", None, "unknown_verdict", -111600.0),
        ({"verdict": ""}, "early", None, "unknown_verdict", -111600.0),
    ],
)
def test_why_verdicts_differ(
    tmp_path: Path, row: dict[str, str], ours: str, theirs: str | None, cause: str, late_s: float
) -> None:
    (difference,) = compared(tmp_path, row)["differences"]
    assert (difference["ours"], difference["theirs"]) == (ours, theirs)
    assert (difference["cause"], difference["late_s"]) == (cause, late_s)


def test_an_hour_that_comes_twice_may_be_the_cause(tmp_path: Path) -> None:
    row = {"verdict": "LATE", "accepted": "2016-11-01 08:00", "due": "2016-11-06 01:45", "finished": "2016-11-06 01:40"}
    plan = {"zone": '"America/New_York"', "policy": '"us-boston-instant-1"'}
    (difference,) = compared(tmp_path, row, **plan)["differences"]
    assert (difference["ours"], difference["cause"]) == ("early", "clock_change")


def test_a_reconciled_clock_lets_the_fold_close_the_dossier(tmp_path: Path) -> None:
    verdict = compared(tmp_path, {"verdict": "OK", "finished": "2021-03-01 08:29:30"}, clock_skew_s_max="30")
    assert (verdict["agree"], verdict["differ"]) == (1, 0)
