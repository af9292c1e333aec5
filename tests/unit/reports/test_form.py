"""The form: what the columns hold, that the identities are checked line by line, that levels are not counted twice."""

import json

import pytest

from services.reports.documents import HEADER, as_csv, as_document
from services.reports.form import COUNTS, IDENTITIES, By, form_of
from tests.unit.reports.make import BALANCED, empty, report, row

COMMUNE = {"unit_id": "06808", "unit_name_vi": "Phường Vàng Danh", "desk": "commune"}


def test_columns_hold_what_the_form_has_no_column_for() -> None:
    [line] = form_of([row()], by=By.FIELD, sums_levels=False).lines
    assert line.columns() == {
        3: 1250,
        4: 700,
        5: 500,
        6: 50,
        7: 1200,
        8: 1000,
        9: 155,
        10: 45,
        11: 50,
        12: 38,
        13: 12,
    }


def test_one_printed_form_counts_every_returned_dossier_as_on_time() -> None:
    [line] = form_of([row()], by=By.FIELD, sums_levels=False).lines
    columns = line.columns(returned_on_time=True)
    assert (columns[7], columns[8], columns[9], columns[10]) == (1200, 992, 165, 43)
    assert columns[7] == columns[8] + columns[9] + columns[10]


def test_lines_are_fields_by_level_the_unknown_last() -> None:
    rows = [
        empty(desk="", field_id="", field_vi="", received=1),
        empty(**COMMUNE, received=2),
        empty(field_id="H49-XD", field_vi="Xây dựng", received=4),
        empty(received=8),
        empty(procedure_id="2.000884", received=16),
    ]
    form = form_of(rows, by=By.FIELD, sums_levels=True)
    assert [(line.level, line.code, line.name_vi, line.counts["received"]) for line in form.lines] == [
        ("centre", "H49-DD", "Đất đai", 24),
        ("centre", "H49-XD", "Xây dựng", 4),
        ("commune", "H49-DD", "Đất đai", 2),
        ("", "", "", 1),
    ]
    assert (form.total.name_vi, form.total.counts["received"]) == ("Tổng cộng", 31)


def test_lines_may_be_units_or_procedures() -> None:
    rows = [empty(**COMMUNE, received=2), empty(received=8), empty(procedure_id="2.000884", received=16)]
    by_unit, by_procedure = (form_of(rows, by=by, sums_levels=True).lines for by in (By.UNIT, By.PROCEDURE))
    assert [(line.level, line.code, line.counts["received"]) for line in by_unit] == [
        ("", "06808", 2),
        ("", "196.TTHCC", 24),
    ]
    assert [(line.level, line.code, line.counts["received"]) for line in by_procedure] == [
        ("centre", "1.001612", 8),
        ("centre", "2.000884", 16),
        ("commune", "1.001612", 2),
    ]


def test_linked_dossiers_are_left_out_only_where_levels_are_summed() -> None:
    rows = [row(), row(is_linked=1)]
    city, centre = (form_of(rows, by=By.FIELD, sums_levels=sums) for sums in (True, False))
    assert (city.total.counts["received"], city.linked_left_out) == (1250, 1250)
    assert (centre.total.counts["received"], centre.linked_left_out) == (2500, 0)


@pytest.mark.parametrize("name", sorted({part for whole, parts in IDENTITIES.values() for part in (whole, *parts)}))
def test_a_lost_dossier_is_seen_wherever_it_was(name: str) -> None:
    assert form_of([row()], by=By.FIELD, sums_levels=False).is_balanced
    assert not form_of([row(**{name: BALANCED[name] - 1})], by=By.FIELD, sums_levels=False).is_balanced


def test_two_errors_that_cancel_out_in_the_total_are_seen_in_their_lines() -> None:
    rows = [row(resolved=1199), row(resolved=1201, field_id="H49-XD")]
    form = form_of(rows, by=By.FIELD, sums_levels=False)
    assert not any(form.total.residuals.values())
    assert not form.is_balanced
    assert form.lines[0].residuals == {"3=4+5+6": 0, "7=8+9+10": -1, "11=12+13": 0, "3=7+11": 1}


def test_the_form_names_the_rules_that_judged_its_dossiers() -> None:
    rows = [row(), row(policy_id="vn-766-1"), row(policy_id="us-boston-instant-1", calendar_id="")]
    form = form_of(rows, by=By.FIELD, sums_levels=False)
    assert (form.policies, form.calendars) == (["us-boston-instant-1", "vn-766-1", "vn-day-1"], ["vn-1"])


def test_json_has_everything_apart() -> None:
    document = json.loads(json.dumps(as_document(report(row()))))
    [line] = document.pop("lines")
    total = document.pop("total")
    assert document == {
        "form": "II.06a/VPCP/KSTT",
        "unit_id": "196",
        "unit_vi": "Thành phố Uông Bí",
        "unit_en": "Uong Bi City",
        "from": "2021-01-01",
        "to": "2021-12-31",
        "period": "Year 2021",
        "year_begins": "01-01",
        "as_of": "2021-12-31T23:59:59.999999+07:00",
        "known_at": "2022-01-05T08:30:00+07:00",
        "policies": ["vn-day-1"],
        "calendars": ["vn-1"],
        "by": "field",
        "returned_on_time": False,
        "linked_left_out": 0,
        "dossiers": 1250,
        "digest": "ab" * 32,
        "is_balanced": True,
    }
    assert line["counts"] == BALANCED
    assert line["digest"] == "cd" * 32
    assert line["columns"]["9"] == 155
    assert (total["digest"], total["counts"]) == ("ab" * 32, BALANCED)


def test_csv_begins_with_a_byte_order_mark_and_holds_no_formula() -> None:
    text = as_csv(report(row(field_vi='=HYPERLINK("x")', field_en="-1+1")))
    header, line, total = text.splitlines()
    assert header == "\ufeff" + ",".join(HEADER)
    assert line.startswith('centre,H49-DD,"\'=HYPERLINK(""x"")",\'-1+1,1250,700,500,50,1200,')
    assert line.endswith(",".join(str(BALANCED[name]) for name in COUNTS))
    assert total.startswith(",,Tổng cộng,Total,1250,")
