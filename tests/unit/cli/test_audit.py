"""`hoso audit`: exit codes, one line per difference for people, one document for programs."""

import json

import pytest
from typer.testing import CliRunner

from schemas.errors import Unavailable
from services.audit import run as run_module
from services.audit.findings import Difference
from services.audit.run import Audit
from services.cli.main import app

WRONG = Difference(
    place="dossier-states",
    what="differs",
    subject="d1",
    topic="dossier-states",
    partition=2,
    offset=7,
    expected={"unit_id": "06808"},
    found={"unit_id": "06811"},
)


def audited(monkeypatch: pytest.MonkeyPatch, *differences: Difference) -> None:
    async def audit(*_: object, **__: object) -> Audit:
        return Audit(
            equal=not differences,
            partitions={0: {"offset": 9, "as_of": 1}},
            compared={"dossier-states": 3},
            differing={"dossier-states": len(differences)} if differences else {},
            differences=list(differences),
            notes=[],
        )

    monkeypatch.setattr(run_module, "audit", audit)


def test_equal_exits_with_0(monkeypatch):
    audited(monkeypatch)
    answer = CliRunner().invoke(app, ["audit", "--without-sql"])
    assert answer.exit_code == 0
    assert answer.stdout.splitlines()[-1] == "everything is equal"


def test_a_difference_exits_with_1_and_names_place_dossier_address_and_both_values(monkeypatch):
    audited(monkeypatch, WRONG)
    answer = CliRunner().invoke(app, ["audit", "--without-sql"])
    assert answer.exit_code == 1
    assert answer.stdout.splitlines()[-2:] == [
        "dossier-states: differs d1 dossier-states[2]@7: the log says {'unit_id': '06808'}, found {'unit_id': '06811'}",
        "differences: 1",
    ]


def test_json_is_one_document(monkeypatch):
    audited(monkeypatch, WRONG)
    answer = CliRunner().invoke(app, ["audit", "--without-sql", "--json"])
    document = json.loads(answer.stdout)
    assert (answer.exit_code, document["equal"], document["differing"]) == (1, False, {"dossier-states": 1})
    assert document["differences"][0]["offset"] == 7


def test_without_clickhouse_it_says_what_to_do(monkeypatch):
    monkeypatch.setenv("HOSO_SQL_PORT", "1")
    answer = CliRunner().invoke(app, ["audit"])
    assert isinstance(answer.exception, Unavailable)
    assert "--without-sql" in str(answer.exception)
