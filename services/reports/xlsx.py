"""The report as an official sends it: a workbook with the form in Vietnamese and an explanation in English.

Texts are written as texts whatever they begin with, so no name or code becomes a formula, a link or a number.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.workbook import Workbook
from xlsxwriter.worksheet import Worksheet

from services.reports.documents import FORM_NUMBER, Report
from services.reports.explanation import COUNT_WORDS, facts_of, notes_of
from services.reports.form import COLUMNS, COUNTS, By, Line

TITLE: Final = "TÌNH HÌNH, KẾT QUẢ GIẢI QUYẾT TTHC TẠI CƠ QUAN, ĐƠN VỊ TRỰC TIẾP GIẢI QUYẾT TTHC"
SUBJECT: Final = {By.FIELD: "Lĩnh vực giải quyết", By.UNIT: "Đơn vị", By.PROCEDURE: "Thủ tục hành chính"}
UNKNOWN: Final = {By.FIELD: "Chưa rõ lĩnh vực", By.UNIT: "Chưa rõ đơn vị", By.PROCEDURE: "Chưa rõ thủ tục"}
LEVELS: Final = {"centre": "TTHC cấp huyện", "commune": "TTHC cấp xã", "": "TTHC chưa rõ cấp"}
NUMBERS: Final = (
    *("(1)", "(2)", "(3)=(4)+(5)+(6)", "(4)", "(5)", "(6)", "(7)=(8)+(9)+(10)", "(8)", "(9)", "(10)"),
    *("(11)=(12)+(13)", "(12)", "(13)"),
)
ROMAN: Final = ("I", "II", "III")
HEAD: Final = 7  # row in which the table's header begins, from 0
BODY: Final = HEAD + 4
LAST: Final = 12  # column M
WIDTHS: Final = (5, 36, 11, 9, 11, 9, 11, 9, 9, 9, 11, 9, 9)  # characters; together they fill A4 across
COUNT: Final = "[$-42A]#,##0"  # 1.234 where the program goes by the format's language
A4: Final = 9
PAGE_LINES: Final = 30  # so many stay readable on one page with notes and signatures


def as_xlsx(report: Report) -> bytes:
    """The workbook's bytes; equal reports give equal bytes."""
    file = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(file, options) as book:
        book.set_properties({"title": f"{FORM_NUMBER} {report.unit_vi}", "created": report.moments.as_of})
        _Form(book, report).write()
        _explain(book, report)
    return file.getvalue()


class _Form:
    """The sheet with the form."""

    def __init__(self, book: Workbook, report: Report) -> None:
        self.book = book
        self.report = report
        self.sheet: Worksheet = book.add_worksheet("II.06a")
        self.row = 0
        plain: dict[str, Any] = {"font_name": "Times New Roman", "font_size": 12, "valign": "vcenter"}
        cell = {**plain, "border": 1, "font_size": 11}
        figure = {**cell, "align": "right", "indent": 1}
        self.plain = book.add_format({**plain, "text_wrap": True})
        self.bold = book.add_format({**plain, "bold": True, "align": "center", "text_wrap": True})
        self.title = book.add_format({**plain, "bold": True, "align": "center", "font_size": 14, "text_wrap": True})
        self.centred = book.add_format({**plain, "align": "center", "italic": True})
        self.right = book.add_format({**plain, "align": "right", "italic": True})
        self.head = book.add_format({**cell, "bold": True, "align": "center", "text_wrap": True})
        self.number = book.add_format({**cell, "italic": True, "align": "center", "font_size": 9, "text_wrap": True})
        self.name = book.add_format({**cell, "text_wrap": True})
        self.place = book.add_format({**cell, "align": "center"})
        self.count = book.add_format({**figure, "num_format": COUNT})
        self.bold_name = book.add_format({**cell, "bold": True, "text_wrap": True})
        self.bold_place = book.add_format({**cell, "bold": True, "align": "center"})
        self.bold_count = book.add_format({**figure, "bold": True, "num_format": COUNT})

    def write(self) -> None:
        """Everything from the letterhead to the signatures."""
        self._set_up()
        self._letterhead()
        self._header()
        self._lines()
        self._notes()
        self._signatures()

    def _set_up(self) -> None:
        sheet = self.sheet
        sheet.set_landscape()
        sheet.set_paper(A4)
        sheet.set_margins(left=0.5, right=0.5, top=0.6, bottom=0.6)
        lines = len(self.report.form.lines)
        sheet.fit_to_pages(1, 1 if lines <= PAGE_LINES else 0)  # 0: as many pages as it takes
        sheet.center_horizontally()
        sheet.repeat_rows(HEAD, BODY - 1)
        sheet.set_footer('&C&"Times New Roman"&10Trang &P')
        sheet.freeze_panes(BODY, 2)
        sheet.hide_gridlines(2)
        for column, width in enumerate(WIDTHS):
            sheet.set_column(column, column, width)

    def _letterhead(self) -> None:
        report, period = self.report, self.report.period
        self._merge(0, 0, 3, report.above_vi.upper(), self.bold)
        self._merge(0, 8, LAST, f"Biểu số {FORM_NUMBER}", self.bold)
        self._merge(1, 0, 3, report.unit_vi.upper(), self.bold)
        self._merge(3, 0, LAST, TITLE, self.title)
        days = f"từ ngày {period.first:%d/%m/%Y} đến ngày {period.last:%d/%m/%Y}"
        self._merge(
            4,
            0,
            LAST,
            f"Kỳ báo cáo: {period.name_vi} ({days})" if period.cut_off else f"Kỳ báo cáo: {days}",
            self.centred,
        )
        as_of = report.moments.as_of
        self._merge(5, 0, LAST, f"Số liệu tính đến {as_of:%H:%M} ngày {as_of:%d/%m/%Y}", self.centred)
        self._merge(6, 0, LAST, "Đơn vị tính: số hồ sơ TTHC", self.right)
        self.sheet.set_row(3, 24)

    def _header(self) -> None:
        sheet, head = self.sheet, self.head
        sheet.merge_range(HEAD, 0, HEAD + 2, 0, "STT", head)
        sheet.merge_range(HEAD, 1, HEAD + 2, 1, SUBJECT[self.report.form.by], head)
        sheet.merge_range(HEAD, 2, HEAD, 5, "Số lượng hồ sơ tiếp nhận", head)
        sheet.merge_range(HEAD, 6, HEAD, 9, "Số lượng hồ sơ đã giải quyết", head)
        sheet.merge_range(HEAD, 10, HEAD, 12, "Số lượng hồ sơ đang giải quyết", head)
        sheet.merge_range(HEAD + 1, 3, HEAD + 1, 4, "Trong kỳ", head)
        sheet.write_string(HEAD + 2, 3, "Trực tuyến", head)
        sheet.write_string(HEAD + 2, 4, "Trực tiếp, bưu chính", head)
        tall = {2: "Tổng số", 5: "Từ kỳ trước", 6: "Tổng số", 7: "Trước hạn", 8: "Đúng hạn", 9: "Quá hạn"}
        for column, text in {**tall, 10: "Tổng số", 11: "Trong hạn", 12: "Quá hạn"}.items():
            sheet.merge_range(HEAD + 1, column, HEAD + 2, column, text, head)
        for column, text in enumerate(NUMBERS):
            sheet.write_string(HEAD + 3, column, text, self.number)
        sheet.set_row(HEAD + 2, 32)
        sheet.set_row(HEAD + 3, 26)

    def _lines(self) -> None:
        form = self.report.form
        self.row = BODY
        levels = list(dict.fromkeys(line.level for line in form.lines))
        for number, level in enumerate(levels):
            lines = [line for line in form.lines if line.level == level]
            if form.by is not By.UNIT and levels != [""]:
                self._line(ROMAN[number], LEVELS.get(level, level), self._sum(lines), bold=True)
            for place, line in enumerate(lines, 1):
                self._line(str(place), self._name(line), self._columns(line))
        self._line("", form.total.name_vi.upper(), self._columns(form.total), bold=True)
        self.sheet.autofilter(BODY - 1, 0, self.row - 2, LAST)

    def _line(self, place: str, name: str, columns: Mapping[int, int], *, bold: bool = False) -> None:
        self.sheet.write_string(self.row, 0, place, self.bold_place if bold else self.place)
        self.sheet.write_string(self.row, 1, name, self.bold_name if bold else self.name)
        for number in COLUMNS:
            self.sheet.write_number(self.row, number - 1, columns[number], self.bold_count if bold else self.count)
        self.row += 1

    def _name(self, line: Line) -> str:
        name = line.name_vi or UNKNOWN[self.report.form.by]
        return f"{name} ({line.code})" if self.report.form.by is By.PROCEDURE and line.code != name else name

    def _columns(self, line: Line) -> Mapping[int, int]:
        return line.columns(returned_on_time=self.report.returned_on_time)

    def _sum(self, lines: Sequence[Line]) -> Mapping[int, int]:
        return {number: sum(self._columns(line)[number] for line in lines) for number in COLUMNS}

    def _notes(self) -> None:
        self.row += 1
        self._merge(self.row, 0, LAST, "Ghi chú:", self.plain)
        for text in notes_of(self.report):
            self.row += 1
            self._merge(self.row, 0, LAST, f"- {text}", self.plain)
            self.sheet.set_row(self.row, 16 * (1 + len(text) // 150))

    def _signatures(self) -> None:
        self.row += 2
        self._merge(self.row, 7, LAST, "................, ngày ...... tháng ...... năm ..........", self.centred)
        self._merge(self.row + 1, 0, 3, "NGƯỜI LẬP BIỂU", self.bold)
        self._merge(self.row + 1, 7, LAST, "THỦ TRƯỞNG ĐƠN VỊ", self.bold)
        self._merge(self.row + 2, 0, 3, "(Ký, ghi rõ họ tên)", self.centred)
        self._merge(self.row + 2, 7, LAST, "(Ký tên, đóng dấu)", self.centred)
        self.sheet.print_area(0, 0, self.row + 7, LAST)

    def _merge(self, row: int, first: int, last: int, text: str, form: Format) -> None:
        self.sheet.merge_range(row, first, row, last, "", form)
        self.sheet.write_string(row, first, text, form)


def _explain(book: Workbook, report: Report) -> None:
    """The second sheet: what the figures are, and every line with what the form has no column for."""
    sheet: Worksheet = book.add_worksheet("Explanation")
    font = {"font_name": "Times New Roman", "font_size": 11, "valign": "top"}
    text, bold = (
        book.add_format({**font, "text_wrap": True}),
        book.add_format({**font, "bold": True, "text_wrap": True}),
    )
    count = book.add_format({**font, "num_format": COUNT})
    sheet.set_landscape()
    sheet.set_paper(A4)
    sheet.fit_to_pages(1, 0)
    sheet.set_column(0, 0, 26)
    sheet.set_column(1, 1, 120)
    for row, (name, value) in enumerate(facts_of(report)):
        sheet.write_string(row, 0, name, bold)
        sheet.write_string(row, 1, value, text)
    _apart(book.add_worksheet("Counts"), report, text, bold, count)


def _apart(sheet: Worksheet, report: Report, text: Format, bold: Format, count: Format) -> None:
    """The third sheet: counts as they are kept apart, one row per line."""
    sheet.set_landscape()
    sheet.set_paper(A4)
    sheet.repeat_rows(0)
    sheet.repeat_columns(0, 2)
    sheet.freeze_panes(1, 3)
    sheet.set_row(0, 48)
    sheet.set_column(0, 1, 14)
    sheet.set_column(2, 2, 40)
    sheet.set_column(3, 2 + len(COUNTS), 11)
    for column, name in enumerate(("Level", "Code", "Name", *(COUNT_WORDS[name] for name in COUNTS))):
        sheet.write_string(0, column, name, bold)
    for row, line in enumerate(report.lines, 1):
        for column, value in enumerate(_texts(line)):
            sheet.write_string(row, column, value, text)
        for column, name in enumerate(COUNTS, 3):
            sheet.write_number(row, column, line.counts[name], count)


def _texts(line: Line) -> Iterator[str]:
    yield from (line.level, line.code, line.name_en or line.code or "unknown")
