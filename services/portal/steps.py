"""`CapNhatTienDoHoSoMC`: what one step of the work says that happened.

1, 2 and 9 are left to the dossier's own payload: a step names no procedure and no outcome, and systems in the field
send a step 9 for dossiers that only wait for papers or payment. What 4 means depends on what came before: the end of a
wait, the end of a stop, a result sent back, or simply the beginning.
"""

from collections.abc import Mapping
from typing import Final

from schemas.errors import ContractError, Flaw, Reason
from schemas.events import Kind
from services.portal.payloads import Step
from services.portal.source import PortalSource, PortalStatus
from services.portal.told import Note, Told

_KINDS: Final[Mapping[PortalStatus, Kind]] = {
    PortalStatus.REFUSED: Kind.REFUSED,
    PortalStatus.SUPPLEMENT: Kind.SUPPLEMENT_REQUESTED,
    PortalStatus.PAYMENT: Kind.PAYMENT_REQUESTED,
    PortalStatus.WITHDRAWN: Kind.WITHDRAWN,
    PortalStatus.STOPPED: Kind.STOPPED,
    PortalStatus.DELIVERED: Kind.DELIVERED,
}
_BACK_TO_WORK: Final[Mapping[Kind, Kind]] = {
    Kind.SUPPLEMENT_REQUESTED: Kind.SUPPLEMENT_RECEIVED,
    Kind.PAYMENT_REQUESTED: Kind.PAYMENT_RECEIVED,
    Kind.WITHDRAWN: Kind.RESUMED,  # the applicant changed their mind
    Kind.STOPPED: Kind.RESUMED,
    Kind.FINISHED: Kind.REOPENED,
    Kind.DELIVERED: Kind.REOPENED,
}
BACK_TO_WORK: Final = (Kind.PROCESSING_STARTED, *dict.fromkeys(_BACK_TO_WORK.values()))
"""Every kind that a step 4 may be."""


def tell_step(step: Step, reading: PortalSource, *, unit_id: str, source: str, before: Kind | None) -> Told:
    """The event of a step; `before`: the latest kind told of the dossier earlier than it, None when it is not known."""
    status = reading.status(step.status, "/TrangThai")
    if step.at is None:
        raise ContractError(Flaw("/ThoiDiemXuLy", Reason.MISSING_FIELD, "expected the moment of the step"))
    told = Told(dossier_id=step.dossier_id, unit_id=unit_id, source=source)
    if status is PortalStatus.PROCESSING:
        told.tell(_BACK_TO_WORK.get(before, Kind.PROCESSING_STARTED) if before else Kind.PROCESSING_STARTED, step.at)
    elif (kind := _KINDS.get(status)) is not None:
        told.tell(kind, step.at)
    else:
        told.note(Note.TOLD_BY_SYNC)
    return told
