"""Rows and reports as the tests of the official report need them; all synthetic."""

from datetime import datetime
from typing import Any

from services.reports.documents import Report
from services.reports.form import COUNTS, By, form_of
from services.reports.periods import Period, year_of
from services.reports.source import Digest, Moments
from tests.factories import OFFICE

KEYS = {
    "unit_id": "196.TTHCC",
    "unit_name_vi": "Trung tâm Hành chính công thành phố",
    "unit_name_en": "City Public Administration Centre",
    "desk": "centre",
    "field_id": "H49-DD",
    "field_vi": "Đất đai",
    "field_en": "Land",
    "procedure_id": "1.001612",
    "procedure_vi": "Thủ tục minh họa",
    "procedure_en": "Invented procedure",
    "is_linked": 0,
    "policy_id": "vn-day-1",
    "calendar_id": "vn-1",
}
# Balanced, and every class differs from every other.
BALANCED = {
    "received": 1250,
    "received_online": 700,
    "received_direct_or_postal": 500,
    "carried_over": 40,
    "other_moves": 10,
    "transferred_in": 9,
    "transferred_out": 2,
    "reopened": 3,
    "resolved": 1200,
    "resolved_early": 1000,
    "resolved_on_time": 150,
    "resolved_overdue": 45,
    "resolved_undated": 5,
    "resolved_overdue_apologised": 20,
    "not_granted_early": 8,
    "not_granted_on_time": 4,
    "not_granted_overdue": 2,
    "not_granted_undated": 1,
    "in_progress": 50,
    "in_progress_within_due": 30,
    "in_progress_overdue": 12,
    "in_progress_paused": 7,
    "in_progress_undated": 1,
    "in_progress_overdue_apologised": 6,
}


def row(**changes: Any) -> dict[str, Any]:
    """A row of `mart.report_06a`, balanced unless changed."""
    return {**KEYS, **BALANCED, **changes}


def empty(**changes: Any) -> dict[str, Any]:
    """A row that counts nothing but what is given."""
    return {**KEYS, **dict.fromkeys(COUNTS, 0), **changes}


def report(
    *rows: dict[str, Any],
    by: By = By.FIELD,
    period: Period | None = None,
    returned_on_time: bool = False,
    unit_vi: str = "Thành phố Uông Bí",
) -> Report:
    """A report of these rows for the calendar year 2021."""
    return Report(
        unit_id="196",
        unit_vi=unit_vi,
        unit_en="Uong Bi City",
        above_vi="Tỉnh Quảng Ninh",
        period=period or year_of(2021),
        moments=Moments(
            datetime(2021, 12, 31, 23, 59, 59, 999_999, OFFICE), datetime(2022, 1, 5, 8, 30, tzinfo=OFFICE)
        ),
        form=form_of(rows, by=by, sums_levels=True),
        digest=Digest("ab" * 32, 1250),
        line_digests={("centre", "H49-DD"): Digest("cd" * 32, 1250)},
        returned_on_time=returned_on_time,
    )
