"""The words beside the figures: the notes under the form in Vietnamese, and what everything means in English."""

from collections.abc import Iterator, Mapping
from typing import Final

from services.reports.documents import FORM_NUMBER, Report
from services.reports.form import IDENTITIES

COUNT_WORDS: Final[Mapping[str, str]] = {
    "received": "Received (3)",
    "received_online": "Online (4)",
    "received_direct_or_postal": "Direct or by post (5)",
    "carried_over": "Carried over",
    "other_moves": "Other moves",
    "transferred_in": "Transferred in",
    "transferred_out": "Transferred out",
    "reopened": "Reopened",
    "resolved": "Resolved (7)",
    "resolved_early": "Early",
    "resolved_on_time": "On time",
    "resolved_overdue": "Overdue",
    "resolved_undated": "Resolved without a promise",
    "resolved_overdue_apologised": "Overdue, with apology",
    "not_granted_early": "Early, returned or withdrawn",
    "not_granted_on_time": "On time, returned or withdrawn",
    "not_granted_overdue": "Overdue, returned or withdrawn",
    "not_granted_undated": "Undated, returned or withdrawn",
    "in_progress": "In progress (11)",
    "in_progress_within_due": "Within due",
    "in_progress_overdue": "Overdue (13)",
    "in_progress_paused": "Paused",
    "in_progress_undated": "In progress without a promise",
    "in_progress_overdue_apologised": "Overdue in progress, with apology",
}


def notes_of(report: Report) -> Iterator[str]:
    """What stands under the table: how the columns are read, under which rules, and how to check the figures."""
    total, form = report.form.total.counts, report.form
    if moves := total["other_moves"]:
        yield (
            f"Cột (6) gồm {_count(total['carried_over'])} hồ sơ kỳ trước chuyển sang và {_count(moves)} hồ sơ "
            f"biến động khác: nhận chuyển đến {_count(total['transferred_in'])}, xử lý lại "
            f"{_count(total['reopened'])}, chuyển đi {_count(total['transferred_out'])}."
        )
    not_granted = [total[f"not_granted_{each}"] for each in ("early", "on_time", "overdue", "undated")]
    if sum(not_granted):
        early, on_time, overdue, undated = map(_count, not_granted)
        where = "đều tính vào cột (9)" if report.returned_on_time else "được xét theo hẹn trả như hồ sơ khác"
        yield (
            f"Hồ sơ trả lại hoặc công dân rút {where}: trước hạn {early}, đúng hạn {on_time}, quá hạn {overdue}, "
            f"không có hẹn trả {undated}."
        )
    if total["resolved_undated"]:
        yield f"Cột (9) gồm {_count(total['resolved_undated'])} hồ sơ không có hẹn trả."
    if total["in_progress_paused"] or total["in_progress_undated"]:
        yield (
            f"Cột (12) gồm {_count(total['in_progress_paused'])} hồ sơ tạm dừng chờ bổ sung hoặc chờ nghĩa vụ tài "
            f"chính và {_count(total['in_progress_undated'])} hồ sơ không có hẹn trả."
        )
    if total["resolved_overdue"] or total["in_progress_overdue"]:
        yield (
            f"Quá hạn đã có phiếu xin lỗi: cột (10) {_count(total['resolved_overdue_apologised'])} hồ sơ, "
            f"cột (13) {_count(total['in_progress_overdue_apologised'])} hồ sơ; phiếu xin lỗi không làm hết quá hạn."
        )
    if form.linked_left_out:
        yield f"Không tính {_count(form.linked_left_out)} hồ sơ liên thông đã tính tại cấp tiếp nhận gốc."
    calendars = ", ".join(form.calendars) or "mọi giờ"
    yield f"Quy tắc tính hạn: {', '.join(form.policies) or '-'}; lịch làm việc: {calendars}."
    yield f"Mã kiểm tra (SHA-256) của {_count(report.digest.dossiers)} hồ sơ: {report.digest.sha256}."
    if not form.is_balanced:
        yield "CẢNH BÁO: số liệu không cân đối, chưa dùng để báo cáo."


def facts_of(report: Report) -> Iterator[tuple[str, str]]:
    """The explanation in English, as names and texts."""
    period, moments, form = report.period, report.moments, report.form
    yield "Form", f"{FORM_NUMBER} (Circular 01/2020/TT-VPCP): how administrative procedures were handled"
    yield "Authority", f"{report.unit_en} ({report.unit_id})" if report.unit_id else report.unit_en
    yield "Period", f"{period.name_en}: {period.first.isoformat()} to {period.last.isoformat()}, both days included"
    yield "As of", f"{moments.as_of.isoformat()}: the instant at which open dossiers were placed"
    if moments.known_at:
        yield "Known at", f"{moments.known_at.isoformat()}: up to when the log behind these figures was known"
    yield "Policies", ", ".join(form.policies) or "-"
    yield "Calendars", ", ".join(form.calendars) or "every hour counts"
    yield "Dossiers", f"{report.digest.dossiers:,}"
    yield "Digest", f"{report.digest.sha256}: SHA-256 over sorted lines 'dossier offset'"
    if form.linked_left_out:
        yield "Linked left out", f"{form.linked_left_out:,}: counted at the level where the applicant filed"
    yield "Column 3", "Received: columns 4, 5 and 6"
    yield (
        "Column 6",
        "Carried over from before the period, and other moves: transferred in, reopened, less transferred out",
    )
    yield "Column 7", "Resolved in the period: columns 8, 9 and 10"
    yield (
        "Column 8, 10",
        "Resolved before what the policy calls on time, and after it; an apology letter excuses nothing",
    )
    yield (
        "Column 9",
        "Resolved on time, and those without a promise"
        + ("; returned and withdrawn dossiers too, whenever they ended" if report.returned_on_time else ""),
    )
    yield "Column 12", "In progress within due, waiting for papers or payment, or without a promise"
    yield "Column 13", "In progress and overdue"
    yield "Sheet Counts", "What these columns put together, kept apart"
    for name, (whole, parts) in IDENTITIES.items():
        residual = form.total.residuals[name]
        sums = " + ".join(COUNT_WORDS[part] for part in parts)
        yield f"Check {name}", f"{COUNT_WORDS[whole]} = {sums}: {'holds' if not residual else f'off by {residual}'}"


def _count(number: int) -> str:
    """As offices write it: 1.234."""
    return f"{number:,}".replace(",", ".")
