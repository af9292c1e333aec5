"""`hoso report` on real tables: every way to write it, its exit codes, and the commands that the pages show."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import openpyxl
import pytest
from typer.testing import CliRunner

from schemas.events import Channel, Kind, Mark, Outcome
from schemas.reference import read_calendars, read_policies, read_procedures, read_units
from schemas.settings import Settings
from schemas.tables import CORE_DOSSIERS, CORE_UNITS
from services.cli.main import app
from services.reports import door
from services.reports.rulebooks import Rules
from services.reports.stored_rules import limits_of
from services.sink.clickhouse import Warehouse, open_embedded
from services.sink.migrations import migrate, read_migrations
from services.sink.reference_rows import calendar_columns, policy_columns, procedure_columns, unit_columns
from services.sink.upsert_rows import dossier_columns
from streams.domain.dossier import fold
from tests.factories import entry, event, rules
from tests.integration.test_sink_tables import store_upserts
from tests.logs import Logged, store

ROOT: Final = Path(__file__).parents[2]
CENTRE: Final = "196.TTHCC"
COMMUNE: Final = "06808"
CASES: Final = {
    # dossier: unit, facts
    "D1": (
        CENTRE,
        [(Kind.ACCEPTED, "2020-12-20 08:00", "2021-01-08 17:00"), (Kind.FINISHED, "2021-01-05 09:00", None)],
    ),
    "D2": (
        CENTRE,
        [(Kind.ACCEPTED, "2021-03-01 08:00", "2021-03-08 17:00"), (Kind.FINISHED, "2021-03-08 09:00", None)],
    ),
    "D3": (COMMUNE, [(Kind.ACCEPTED, "2021-12-20 08:00", "2021-12-27 17:00")]),
    "D4": (COMMUNE, [(Kind.ACCEPTED, "2021-12-20 08:00", "2022-01-27 17:00")]),
}
LINKED: Final = "D4"  # opened for a dossier at another level


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """Four dossiers of a centre and a commune, and the units that come with Hoso."""
    warehouse = open_embedded(tmp_path_factory.mktemp("clickhouse"))
    migrate(warehouse, read_migrations())
    logged = [
        Logged(
            found := event(kind, time, unit_id=unit, dossier=dossier, **due_at(due), **more(dossier, kind)), found.time
        )
        for dossier, (unit, facts) in CASES.items()
        for kind, time, due in facts
    ]
    store(warehouse, logged, rules=rules())
    units = [(unit.id, json.loads(unit.model_dump_json())) for unit in read_units()]
    store_upserts(warehouse, CORE_UNITS, unit_columns, units)
    yield warehouse
    warehouse.close()


def due_at(text: str | None) -> dict[str, str]:
    return {"due_at": text} if text else {}


def more(dossier: str, kind: Kind) -> dict[str, Any]:
    if kind is Kind.FINISHED:
        return {"outcome": Outcome.GRANTED, "marks": (Mark.RESULT_DIGITISED,)}
    root = {"root_id": "ROOT-1"} if dossier == LINKED else {}
    return {"channel": Channel.ONLINE, "marks": (Mark.DIGITISED, Mark.FEE, Mark.PAID_ONLINE), **root}


@pytest.fixture
def run(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The command line on these tables, in a folder of its own."""

    @contextmanager
    def opened(settings: object) -> Iterator[Any]:
        yield warehouse.query

    monkeypatch.setattr(door, "open_tables", opened)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, ["report", *arguments])


def test_a_unit_is_reported_with_those_below_it_and_levels_are_not_counted_twice(run: Any) -> None:
    city = run("--unit", "196", "--year", "2021", "--json")
    assert city.exit_code == 0, city.stderr
    document = json.loads(city.stdout)
    assert document["linked_left_out"] == 1
    assert document["dossiers"] == 3
    assert document["total"]["columns"] == {
        "3": 3,
        "4": 2,
        "5": 0,
        "6": 1,
        "7": 2,
        "8": 1,
        "9": 1,
        "10": 0,
        "11": 1,
        "12": 0,
        "13": 1,
    }
    ward = json.loads(run("--unit", COMMUNE, "--year", "2021", "--json").stdout)
    assert (ward["linked_left_out"], ward["total"]["columns"]["11"]) == (0, 2)


@pytest.mark.parametrize("unit", ["", "196", CENTRE, COMMUNE])
@pytest.mark.parametrize("by", ["field", "unit", "procedure"])
def test_what_is_known_now_is_what_the_tables_say(run: Any, unit: str, by: str) -> None:
    arguments = ("--unit", unit, "--year", "2021", "--by", by, "--json")
    stored, folded = (json.loads(run(*arguments, *known).stdout) for known in ([], ["--known-at", "2022-06-30"]))
    assert folded.pop("known_at") == "2022-06-30T23:59:59.999999+07:00"
    del stored["known_at"]
    assert folded == stored


def test_a_report_of_an_earlier_day_does_not_know_what_came_later(run: Any) -> None:
    found = json.loads(run("--unit", CENTRE, "--year", "2021", "--known-at", "2021-01-04", "--json").stdout)
    assert found["as_of"] == found["known_at"] == "2021-01-04T23:59:59.999999+07:00"
    columns = found["total"]["columns"]
    assert (columns["3"], columns["6"], columns["7"], columns["12"]) == (1, 1, 0, 1)


def test_the_cut_off_moves_what_was_carried_over(run: Any) -> None:
    def columns(*arguments: str) -> dict[str, int]:
        document = json.loads(run("--unit", CENTRE, "--year", "2021", "--json", *arguments).stdout)
        return {number: document["total"]["columns"][number] for number in ("4", "6")}

    assert columns() == columns("--cut-off", "calendar") == {"4": 1, "6": 1}
    assert columns("--cut-off", "15-december") == {"4": 2, "6": 0}


def test_the_policy_of_the_settings_says_when_a_year_begins(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSO_POLICY", "vn-day-15dec-1")
    document = json.loads(run("--year", "2021", "--json").stdout)
    assert (document["from"], document["to"], document["year_begins"]) == ("2020-12-15", "2021-12-14", "12-15")


def test_the_rules_of_a_unit_above_say_when_its_year_begins(run: Any, warehouse: Warehouse) -> None:
    rules_of_city = [{"valid_from": "2020-01-01", "policy_id": "vn-day-15dec-1"}]
    city = {"id": "196", "name_vi": "Thành phố Uông Bí", "name_en": "Uong Bi City"}
    store_upserts(warehouse, CORE_UNITS, unit_columns, [*[("x", None)] * 99, ("196", {**city, "rules": rules_of_city})])
    try:
        document = json.loads(run("--unit", CENTRE, "--year", "2021", "--json").stdout)
        assert document["from"] == "2020-12-15"
        assert json.loads(run("--year", "2021", "--json").stdout)["from"] == "2021-01-01"
    finally:
        store_upserts(warehouse, CORE_UNITS, unit_columns, [*[("x", None)] * 199, ("196", city)])


def test_rules_are_read_back_from_the_tables(warehouse: Warehouse) -> None:
    def store(table: str, to_columns: Any, records: Mapping[str, Any]) -> None:
        store_upserts(
            warehouse, table, to_columns, [(id_, json.loads(each.model_dump_json())) for id_, each in records.items()]
        )

    store("core.calendars", calendar_columns, read_calendars())
    store("core.policies", policy_columns, read_policies())
    store("core.procedures", procedure_columns, read_procedures())
    assert {**Rules.read(warehouse.query, Settings()).calendars} == {**read_calendars()}
    assert {**Rules.read(warehouse.query, Settings()).policies} == {**read_policies()}
    limits = {id_: each.processing_time for id_, each in read_procedures().items() if each.processing_time}
    assert limits_of(warehouse.query) == limits


def test_every_unit_is_a_line_in_a_pipe_as_csv(run: Any) -> None:
    answer = run("--year", "2021")
    assert answer.exit_code == 0
    header, *lines = answer.stdout.splitlines()
    assert header.startswith("\ufefflevel,code,name_vi,name_en,column_3,")
    assert [line.split(",")[1] for line in lines] == [COMMUNE, CENTRE, ""]


def test_a_workbook_is_written_to_a_file(run: Any) -> None:
    answer = run("--unit", "196", "--year", "2021", "--quarter", "4", "--output", "report.xlsx")
    assert answer.exit_code == 0, answer.stderr
    sheet = openpyxl.load_workbook("report.xlsx")["II.06a"]
    assert sheet["A5"].value == "Kỳ báo cáo: Quý IV năm 2021 (từ ngày 01/10/2021 đến ngày 31/12/2021)"
    assert "report.xlsx: 1 dossiers, digest " in answer.stderr


def test_indicators_have_numerator_denominator_and_value(run: Any) -> None:
    answer = run("--unit", "196", "--year", "2021", "--indicators", "--json")
    assert answer.exit_code == 0, answer.stderr
    found = {each["number"]: each for each in json.loads(answer.stdout)["indicators"]}
    fractions = {number: (each["numerator"], each["denominator"], each["value"]) for number, each in found.items()}
    assert fractions == {
        "2.1": ("2", 3, "66.67"),
        "2.2": (fractions["2.2"][0], 1, fractions["2.2"][2]),
        "3.3": ("2", 2, "100.00"),
        "3.6": ("3", 3, "100.00"),
        "4.1": ("0", 0, "n/a"),
        "4.2": ("2", 2, "100.00"),
        "4.3": ("0", 2, "0.00"),
        "4.4": ("0", 2, "0.00"),
    }
    assert found["2.2"]["unit"] == "working days"
    assert found["2.2"]["value"] == "5.13"  # from Monday 08:00 to the next Monday 09:00


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--year", "2015"], 1, "nothing was counted"),
        (["--year", "2021", "--from", "2021-01-01"], 2, "not both"),
        (["--from", "2021-02-01", "--to", "2021-01-01"], 2, "after the last"),
        (["--from", "yesterday", "--to", "2021-01-01"], 2, "2021-01-31"),
        (["--quarter", "1", "--month", "2"], 2, "not both"),
        (["--year", "2021", "--format", "xlsx"], 2, "--output"),
        (["--year", "2021", "--known-at", "soon"], 2, "ISO time"),
    ],
)
def test_exit_codes(run: Any, arguments: list[str], code: int, says: str) -> None:
    answer = run(*arguments)
    assert answer.exit_code == code
    assert says in answer.stderr


def test_figures_that_are_off_end_with_exit_code_1(run: Any, warehouse: Warehouse) -> None:
    store = [("D9", fold("D9", [entry(Kind.ACCEPTED, "2021-05-03 08:00", unit_id=CENTRE, dossier="D9")], rules()))]
    store_upserts(warehouse, CORE_DOSSIERS, dossier_columns, store)
    try:
        assert run("--unit", CENTRE, "--year", "2021").exit_code == 0
        warehouse.command(
            "ALTER TABLE core.dossiers UPDATE flow_counters = ['received_by_pigeon'] WHERE dossier_id = 'D9'"
            " SETTINGS mutations_sync = 1"
        )
        answer = run("--unit", CENTRE, "--year", "2021")
        assert answer.exit_code == 1
        assert "not balanced" in answer.stderr
    finally:
        warehouse.command("ALTER TABLE core.dossiers DELETE WHERE dossier_id = 'D9' SETTINGS mutations_sync = 1")


WALKED: Final = ROOT / "docs" / "analysts.md"  # on the demo's data, by tests/e2e/test_demo.py
PAGES: Final = [ROOT / "README.md", *sorted({*(ROOT / "docs").glob("*.md")} - {WALKED})]
COMMANDS: Final = sorted(
    {
        command.strip()
        for page in PAGES
        for block in re.findall(r"^```sh\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
        for command in re.findall(r"^hoso report ([^#|>\n]*)", block, re.MULTILINE)
    }
)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_of_the_pages_run(run: Any, command: str) -> None:
    answer = run(*shlex.split(command))
    assert answer.exit_code == 0, answer.stderr
