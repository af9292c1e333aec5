"""What a step tells: one event, or a note that the dossier's own payload tells it."""

import pytest

from schemas.errors import ContractError
from schemas.events import Kind
from services.portal.source import PortalSource, PortalStatus
from services.portal.told import Note
from tests.unit.portal.make import dossier, lines, step, told, told_step

AT = "20210304090000"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (3, "refused"),
        (4, "processing_started"),
        (5, "supplement_requested"),
        (6, "payment_requested"),
        (7, "withdrawn"),
        (8, "stopped"),
        (10, "delivered"),
    ],
)
def test_a_step_is_one_event(status: int, kind: str) -> None:
    found = told_step(step(status, AT))
    assert (lines(found.events), found.notes) == ([f"{kind} 04 09:00"], [])


@pytest.mark.parametrize("status", [1, 2, 9])
def test_a_step_without_procedure_or_outcome_is_left_to_the_dossiers_payload(status: int) -> None:
    """Systems in the field send a step 9 for dossiers that wait, or have no promise."""
    found = told_step(step(status, AT))
    assert (found.events, found.notes) == ([], [Note.TOLD_BY_SYNC])


@pytest.mark.parametrize(
    ("before", "kind"),
    [
        (None, "processing_started"),
        (Kind.ACCEPTED, "processing_started"),
        (Kind.SUPPLEMENT_REQUESTED, "supplement_received"),
        (Kind.PAYMENT_REQUESTED, "payment_received"),
        (Kind.STOPPED, "resumed"),
        (Kind.WITHDRAWN, "resumed"),
        (Kind.FINISHED, "reopened"),
        (Kind.DELIVERED, "reopened"),
    ],
)
def test_back_to_work_depends_on_what_came_before(before: Kind | None, kind: str) -> None:
    assert lines(told_step(step(4, AT), before=before).events) == [f"{kind} 04 09:00"]


def test_a_round_told_by_both_payloads_is_one_fact() -> None:
    asked = told(dossier(DanhSachHoSoBoSung=[{"NgayBoSung": AT}])).events[1]
    assert told_step(step(5, "04/03/2021 09:00:00")).events == [asked]


def test_a_source_may_number_its_steps_itself() -> None:
    reading = PortalSource(statuses={6: PortalStatus.PROCESSING})
    found = told_step(step("6", AT), reading, before=Kind.SUPPLEMENT_REQUESTED)
    assert lines(found.events) == ["supplement_received 04 09:00"]


@pytest.mark.parametrize(("status", "at"), [(4, ""), (4, "x"), (0, AT), (None, AT), ("", AT)])
def test_a_step_needs_a_status_and_a_moment(status: object, at: str) -> None:
    with pytest.raises(ContractError):
        told_step(step(status, at))
