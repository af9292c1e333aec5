"""The first reading: rows, units with names and parents, and what must stop an import before it begins."""

from pathlib import Path

import pytest

from schemas.reference import Unit
from services.importer.errors import CannotImport
from services.importer.facts import Books
from services.importer.survey import Survey, survey
from tests.unit.importer.make import A_DOSSIER, AN_ACTION, EVENTS_TOML, csv_file, mapping, table


def surveyed(tmp_path: Path, rows: list[dict[str, str]], *, toml: str | None = None, **replaced: str) -> Survey:
    plan = mapping(tmp_path, toml, **replaced) if toml else mapping(tmp_path, **replaced)
    return survey(plan, table(plan), [csv_file(tmp_path, rows)], Books.of(plan))


def unit(id: str, name: str | None = None, parent: str | None = None) -> Unit:
    return Unit(id=id, name_vi=name or id, name_en=name or id, parent_id=parent)


WITH_PARENT = '{ columns = ["unit"], name = "name", parent = "above" }'


def test_units_have_the_text_as_name_unless_a_column_has_it(tmp_path: Path) -> None:
    rows = [{**A_DOSSIER, "unit": "Phường Vàng Danh"}, {**A_DOSSIER, "unit": "06811"}, A_DOSSIER]
    found = surveyed(tmp_path, rows)
    assert found.rows == 3
    assert found.units == [unit("06808"), unit("06811"), unit("Phuong-Vang-Danh", "Phường Vàng Danh")]


def test_parents_come_first_and_names_do_not_depend_on_the_order_of_rows(tmp_path: Path) -> None:
    rows = [
        {**A_DOSSIER, "name": "", "above": "Thành phố"},
        {**A_DOSSIER, "name": "Phường B", "above": "Thành phố"},
        {**A_DOSSIER, "name": "Phường A", "above": ""},
        {**A_DOSSIER, "unit": "Thành phố", "name": "", "above": "Thành phố"},
    ]
    expected = [unit("Thanh-pho", "Thành phố"), unit("06808", "Phường A", "Thanh-pho")]
    assert surveyed(tmp_path, rows, unit=WITH_PARENT).units == expected
    assert surveyed(tmp_path, rows[::-1], unit=WITH_PARENT).units == expected


def test_the_unit_of_a_file_about_one_unit_only(tmp_path: Path) -> None:
    assert surveyed(tmp_path, [A_DOSSIER], unit='{ default = "06814" }').units == [unit("06814")]


def test_units_that_only_receive_a_dossier_are_units_too_and_ignored_rows_bring_none(tmp_path: Path) -> None:
    rows = [{**AN_ACTION, "kind": "transferred", "to": "Nơi nhận"}, {**AN_ACTION, "kind": "viewed", "unit": "nobody"}]
    assert surveyed(tmp_path, rows, toml=EVENTS_TOML).units == [unit("06808"), unit("Noi-nhan", "Nơi nhận")]


def test_columns_without_a_single_text_are_named(tmp_path: Path) -> None:
    assert surveyed(tmp_path, [{**A_DOSSIER, "due": ""}, {**A_DOSSIER, "due": " "}]).unfilled == ["due"]


def test_two_parents_of_one_unit_are_an_error(tmp_path: Path) -> None:
    rows = [{**A_DOSSIER, "name": "", "above": "196"}, {**A_DOSSIER, "name": "", "above": "197"}]
    with pytest.raises(CannotImport, match="06808 has two parents, 196 and 197"):
        surveyed(tmp_path, rows, unit=WITH_PARENT)


def test_a_unit_above_itself_is_an_error(tmp_path: Path) -> None:
    rows = [{**A_DOSSIER, "name": "", "above": "196"}, {**A_DOSSIER, "unit": "196", "name": "", "above": "06808"}]
    with pytest.raises(CannotImport, match="is above itself"):
        surveyed(tmp_path, rows, unit=WITH_PARENT)


def test_two_texts_with_one_code_stop_the_import(tmp_path: Path) -> None:
    with pytest.raises(CannotImport, match='unit: "Hòa Bình" and "Hoà Bình" both become the code Hoa-Binh'):
        surveyed(tmp_path, [{**A_DOSSIER, "unit": "Hòa Bình"}, {**A_DOSSIER, "unit": "Hoà Bình"}])
    with pytest.raises(CannotImport, match=r'procedure: "1 a" and "1-a" both .* into \[procedure.codes\]'):
        surveyed(tmp_path, [{**A_DOSSIER, "procedure": "1 a"}, {**A_DOSSIER, "procedure": "1-a"}])
