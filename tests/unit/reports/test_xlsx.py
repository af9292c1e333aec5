"""The workbook, read back by another program: types, merged headers, formats, print set-up, no formulas."""

import io
from datetime import date
from typing import Any

import openpyxl
import pytest
from openpyxl.workbook import Workbook

from services.reports.documents import Report
from services.reports.form import By
from services.reports.periods import days_between, year_of
from services.reports.xlsx import COUNT, as_xlsx
from tests.unit.reports.make import report, row

FIELDS = (
    row(),
    row(field_id="H49-XD", field_vi="Xây dựng"),
    row(desk="commune", unit_id="06808"),
    row(desk="", field_id="", field_vi=""),
)


def read(report_: Report) -> Workbook:
    return openpyxl.load_workbook(io.BytesIO(as_xlsx(report_)))


def values(book: Workbook, row_: int) -> list[Any]:
    return [cell.value for cell in book["II.06a"][row_]]


def test_letterhead_period_and_moment_are_those_of_the_report() -> None:
    sheet = read(report(*FIELDS, period=year_of(2021, "12-15")))["II.06a"]
    assert sheet["A1"].value == "TỈNH QUẢNG NINH"
    assert sheet["A2"].value == "THÀNH PHỐ UÔNG BÍ"
    assert sheet["I1"].value == "Biểu số II.06a/VPCP/KSTT"
    assert sheet["A4"].value == "TÌNH HÌNH, KẾT QUẢ GIẢI QUYẾT TTHC TẠI CƠ QUAN, ĐƠN VỊ TRỰC TIẾP GIẢI QUYẾT TTHC"
    assert sheet["A5"].value == "Kỳ báo cáo: Năm 2021 (từ ngày 15/12/2020 đến ngày 14/12/2021)"
    assert sheet["A6"].value == "Số liệu tính đến 23:59 ngày 31/12/2021"
    free = read(report(*FIELDS, period=days_between(date(2021, 2, 3), date(2021, 4, 5))))["II.06a"]
    assert free["A5"].value == "Kỳ báo cáo: từ ngày 03/02/2021 đến ngày 05/04/2021"


def test_the_header_is_merged_as_on_the_form_and_numbered() -> None:
    book = read(report(*FIELDS))
    merged = {str(area) for area in book["II.06a"].merged_cells.ranges}
    assert {"A8:A10", "B8:B10", "C8:F8", "G8:J8", "K8:M8", "D9:E9", "C9:C10", "F9:F10", "M9:M10"} <= merged
    assert values(book, 8)[::2][:2] == ["STT", "Số lượng hồ sơ tiếp nhận"]
    assert values(book, 11) == [
        *("(1)", "(2)", "(3)=(4)+(5)+(6)", "(4)", "(5)", "(6)", "(7)=(8)+(9)+(10)", "(8)", "(9)", "(10)"),
        *("(11)=(12)+(13)", "(12)", "(13)"),
    ]


def test_lines_levels_and_total_are_numbers_that_add_up() -> None:
    book = read(report(*FIELDS))
    body = [values(book, number) for number in range(12, 20)]
    assert [line[:2] for line in body] == [
        ["I", "TTHC cấp huyện"],
        ["1", "Đất đai"],
        ["2", "Xây dựng"],
        ["II", "TTHC cấp xã"],
        ["1", "Đất đai"],
        ["III", "TTHC chưa rõ cấp"],
        ["1", "Chưa rõ lĩnh vực"],
        ["", "TỔNG CỘNG"],
    ]
    assert body[1][2:] == [1250, 700, 500, 50, 1200, 1000, 155, 45, 50, 38, 12]
    assert body[0][2:] == [2 * count for count in body[1][2:]]
    assert body[7][2:] == [4 * count for count in body[1][2:]]
    cells = [cell for line in book["II.06a"]["C12:M19"] for cell in line]
    assert {(cell.data_type, cell.number_format) for cell in cells} == {("n", COUNT)}


def test_it_prints_on_a4_across_with_the_header_on_every_page() -> None:
    sheet = read(report(*FIELDS))["II.06a"]
    assert (sheet.page_setup.orientation, int(sheet.page_setup.paperSize)) == ("landscape", 9)
    assert sheet.print_title_rows == "$8:$11"
    assert sheet.freeze_panes == "C12"
    assert sheet.auto_filter.ref == "A11:M18"
    assert {cell.font.name for line in sheet.iter_rows() for cell in line if cell.value is not None} == {
        "Times New Roman"
    }


@pytest.mark.parametrize(("fields", "pages_high"), [(30, 1), (31, 0)])
def test_a_short_report_has_its_signatures_on_the_same_page(fields: int, pages_high: int) -> None:
    rows = [row(field_id=f"H49-{number}", field_vi=f"Lĩnh vực {number}") for number in range(fields)]
    page_setup = read(report(*rows))["II.06a"].page_setup
    # What the file leaves out counts as 1.
    assert [1 if fit is None else fit for fit in (page_setup.fitToWidth, page_setup.fitToHeight)] == [1, pages_high]


def test_notes_say_how_the_columns_are_read_and_how_to_check_them() -> None:
    sheet = read(report(row(), row(is_linked=1)))["II.06a"]
    notes = [str(line[0].value) for line in sheet.iter_rows(min_row=14) if str(line[0].value).startswith("- ")]
    assert notes == [
        "- Cột (6) gồm 40 hồ sơ kỳ trước chuyển sang và 10 hồ sơ biến động khác: nhận chuyển đến 9, xử lý lại 3, "
        "chuyển đi 2.",
        "- Hồ sơ trả lại hoặc công dân rút được xét theo hẹn trả như hồ sơ khác: trước hạn 8, đúng hạn 4, quá hạn 2, "
        "không có hẹn trả 1.",
        "- Cột (9) gồm 5 hồ sơ không có hẹn trả.",
        "- Cột (12) gồm 7 hồ sơ tạm dừng chờ bổ sung hoặc chờ nghĩa vụ tài chính và 1 hồ sơ không có hẹn trả.",
        "- Quá hạn đã có phiếu xin lỗi: cột (10) 20 hồ sơ, cột (13) 6 hồ sơ; phiếu xin lỗi không làm hết quá hạn.",
        "- Không tính 1.250 hồ sơ liên thông đã tính tại cấp tiếp nhận gốc.",
        "- Quy tắc tính hạn: vn-day-1; lịch làm việc: vn-1.",
        f"- Mã kiểm tra (SHA-256) của 1.250 hồ sơ: {'ab' * 32}.",
    ]
    signed = {str(cell.value) for line in sheet.iter_rows(min_row=20) for cell in line}
    assert {"NGƯỜI LẬP BIỂU", "THỦ TRƯỞNG ĐƠN VỊ"} <= signed


def test_figures_that_are_off_say_so_on_the_sheet() -> None:
    sheet = read(report(row(resolved=1)))["II.06a"]
    assert any("CẢNH BÁO" in str(line[0].value) for line in sheet.iter_rows())


@pytest.mark.parametrize("text", ['=HYPERLINK("http://x")', "+1", "-1", "@SUM(A1)", "00123", "http://x.example"])
def test_whatever_a_name_or_a_code_looks_like_it_stays_text(text: str) -> None:
    book = read(report(row(procedure_vi=text, procedure_en=text, procedure_id=text), by=By.PROCEDURE, unit_vi=text))
    found = [cell for sheet in book for line in sheet.iter_rows() for cell in line if cell.value == text]
    places = {(cell.parent.title, cell.coordinate) for cell in found}
    assert {("II.06a", "B13"), ("Counts", "B2"), ("Counts", "C2")} <= places
    assert {(cell.data_type, cell.hyperlink) for cell in found} == {("s", None)}
    assert "f" not in {cell.data_type for sheet in book for line in sheet.iter_rows() for cell in line}


def test_the_second_sheet_explains_in_english_and_the_third_keeps_apart() -> None:
    book = read(report(row()))
    assert book.sheetnames == ["II.06a", "Explanation", "Counts"]
    facts = {line[0].value: line[1].value for line in book["Explanation"].iter_rows()}
    assert facts["Digest"].startswith("ab" * 32)
    assert facts["Check 3=7+11"] == "Received (3) = Resolved (7) + In progress (11): holds"
    header, line, _ = book["Counts"].iter_rows(values_only=True)
    assert dict(zip(header, line, strict=True))["Paused"] == 7


def test_equal_reports_are_equal_files() -> None:
    assert as_xlsx(report(*FIELDS)) == as_xlsx(report(*FIELDS))
