"""How one source's payloads are read: its agencies, its numbering of statuses, its kinds of result.

A status number means nothing without its source. The portal's own numbering, 1 to 10, is taken unless the source's
configuration maps a number; any other number is refused, because a guess would move dossiers wrongly for ever. So a
system that uses 6 for "papers received" is configured with {"6": 4}, or its payments would start where waits end.
"""

import re
from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict

from schemas.errors import ContractError, Flaw, Reason
from schemas.events import Outcome
from schemas.ids import CODE_PATTERN, UnitId
from services.portal.fields import clean

_CODE: Final = re.compile(CODE_PATTERN)


class PortalStatus(IntEnum):
    """The ten statuses exchanged with the national portal."""

    REGISTERED = 1
    ACCEPTED = 2
    REFUSED = 3
    PROCESSING = 4
    SUPPLEMENT = 5
    PAYMENT = 6
    WITHDRAWN = 7
    STOPPED = 8
    FINISHED = 9
    DELIVERED = 10


def _cleaned(texts: Mapping[str, str]) -> dict[str, str]:
    return {clean(text): value for text, value in texts.items()}


def _lowered(texts: Mapping[str, Outcome]) -> dict[str, Outcome]:
    return {clean(text).lower(): value for text, value in texts.items()}


OUTCOMES: Final[Mapping[str, Outcome]] = {
    "kết quả": Outcome.GRANTED,
    "từ chối": Outcome.REJECTED,
    "trả lại": Outcome.RETURNED,
    "xin rút": Outcome.WITHDRAWN,
    "trả lại/xin rút": Outcome.RETURNED,  # one kind for both in the field
}


class PortalSource(BaseModel):
    """The member `portal` of an entry in the file of sources."""

    model_config = ConfigDict(extra="forbid", frozen=True, regex_engine="python-re")

    agencies: Annotated[dict[str, UnitId], AfterValidator(_cleaned)] = {}
    """Codes or names of agencies to units; an agency that is a unit's id needs no entry."""
    statuses: dict[int, PortalStatus] = {}
    """The source's own numbers to the portal's."""
    outcomes: Annotated[dict[str, Outcome], AfterValidator(_lowered)] = {}
    """Kinds of result (`LoaiKetQua`) to outcomes, beside OUTCOMES."""

    def status(self, number: int, pointer: str) -> PortalStatus:
        """The portal's status of a number; `ContractError` when nobody said what it means."""
        if number in self.statuses:
            return self.statuses[number]
        try:
            return PortalStatus(number)
        except ValueError:
            text = "expected a status from 1 to 10, or one that the source's configuration maps"
            raise ContractError(Flaw(pointer, Reason.INVALID_VALUE, text)) from None

    def unit(self, candidates: Iterable[str | None]) -> str:
        """The unit of the first candidate that is mapped or is a code; `ContractError` when none is."""
        for text in candidates:
            if text is None:
                continue
            if text in self.agencies:
                return self.agencies[text]
            if _CODE.match(text):
                return text
        text = "expected a unit's id, or an agency that the source's configuration maps"
        raise ContractError(Flaw("/DonViXuLy", Reason.INVALID_VALUE, text))

    def outcome(self, kind: str | None) -> Outcome | None:
        """What a kind of result means; None when it does not say or is not known."""
        if kind is None:
            return None
        text = kind.lower()
        return self.outcomes.get(text) or OUTCOMES.get(text)


def agency_of(dossier_id: str) -> str | None:
    """The agency in a dossier's code (Circular 01/2018/TT-VPCP, art. 19): what stands before the first hyphen."""
    agency, hyphen, _ = dossier_id.partition("-")
    return agency if hyphen else None
