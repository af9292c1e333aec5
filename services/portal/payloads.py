"""The portal's two payloads, as far as Hoso needs them, and bodies that hold them.

Promises: only the fields below leave this module. Applicants, officers, free texts, links and every field that is not
known are dropped while the payload is parsed; they are not even counted by name, because a name that we do not know is
the sender's text too. An error names a field of ours and what is expected there.
"""

from typing import Annotated, Any, Final, TypeVar

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.codec import field_flaw
from schemas.errors import ContractError, Flaw, Reason
from services.portal.fields import (
    AboveZero,
    DossierCode,
    Filled,
    Flag,
    Moment,
    Number,
    ProcedureCode,
    Promise,
    RequiredNumber,
    Rows,
    Text,
)

SYNC: Final = "DongBoHoSoMC"
PROGRESS: Final = "CapNhatTienDoHoSoMC"
IS_UPDATING: Final = "isUpdating"
AGENCY: Final = "MaDinhDanhDV"


class Part(BaseModel):
    """Base of what a payload holds: open, because payloads carry much that must not come further than here."""

    model_config = ConfigDict(extra="ignore", frozen=True, regex_engine="python-re", hide_input_in_errors=True)


class Paper(Part):
    """A paper handed in (`TaiLieuNop`)."""

    is_digitised: Flag = Field(None, alias="DuocSoHoa")
    is_reused: Flag = Field(None, alias="DuocTaiSuDung")
    is_from_national_store: Flag = Field(None, alias="DuocLayTuKhoDMQG")


class Fee(Part):
    """A fee (`DanhSachLePhi`)."""

    is_due: AboveZero = Field(default_factory=bool, alias="Gia")


class Round(Part):
    """A request for papers and its answer (`DanhSachHoSoBoSung`): the exchange carries old and new promise."""

    requested_at: Moment = Field(None, alias="NgayBoSung")
    received_at: Moment = Field(None, alias="NgayTiepNhanBoSung")
    due_before: Promise = Field(None, alias="NgayHenTraTruoc")
    due_after: Promise = Field(None, alias="NgayHenTraMoi")


class Result(Part):
    """A paper that results (`DanhSachGiayToKetQua`)."""

    is_linked: Filled = Field(default_factory=bool, alias="DuongDanTepTinKetQua")


class Snapshot(Part):
    """`DongBoHoSoMC`: a dossier as its system shows it now."""

    dossier_id: DossierCode = Field(alias="MaHoSo")
    procedure_id: ProcedureCode = Field(alias="MaTTHC")
    agency: Text = Field(None, alias="DonViXuLy")
    status: RequiredNumber = Field(alias="TrangThaiHoSo")
    channel: Number = Field(None, alias="KenhThucHien")
    form: Number = Field(None, alias="HinhThuc")
    filed_at: Moment = Field(None, alias="NgayNopHoSo")
    filed_at_formerly: Moment = Field(None, alias="NgayNop")  # the name of 2020
    accepted_at: Moment = Field(None, alias="NgayTiepNhan")
    refused_at: Moment = Field(None, alias="NgayTuChoi")
    due_at: Promise = Field(None, alias="NgayHenTra")
    ended_at: Moment = Field(None, alias="NgayKetThucXuLy")
    delivered_at: Moment = Field(None, alias="NgayTra")
    result_kind: Text = Field(None, alias="LoaiKetQua")
    has_digitised: Flag = Field(None, alias="HoSoCoThanhPhanSoHoa")
    payment: Number = Field(None, alias="DuocThanhToanTrucTuyen")
    papers: Annotated[list[Paper], Rows] = Field(default=[], alias="TaiLieuNop")
    fees: Annotated[list[Fee], Rows] = Field(default=[], alias="DanhSachLePhi")
    rounds: Annotated[list[Round], Rows] = Field(default=[], alias="DanhSachHoSoBoSung")
    results: Annotated[list[Result], Rows] = Field(default=[], alias="DanhSachGiayToKetQua")
    is_updating: Flag = Field(None, alias=IS_UPDATING)


class Step(Part):
    """`CapNhatTienDoHoSoMC`: one step of the work on a dossier."""

    dossier_id: DossierCode = Field(alias="MaHoSo")
    status: RequiredNumber = Field(alias="TrangThai")
    at: Moment = Field(alias="ThoiDiemXuLy")


class Letter(Part):
    """What stands around the payloads of a body, or in the address: all of it may be absent."""

    is_updating: Flag = Field(None, alias=IS_UPDATING)
    agency: Text = Field(None, alias=AGENCY)
    agency_formerly: Text = Field(None, alias="madonvi")


class Body(BaseModel):
    """A divided body."""

    model_config = ConfigDict(frozen=True)

    letter: Letter
    payloads: list[Any] = Field(repr=False)  # raw: to be read by `read`, one by one, and by nothing else
    is_single: bool


PartT = TypeVar("PartT", bound=Part)


def divide(body: bytes, address: dict[str, str]) -> Body:
    """The payloads of a body: an object, an array, or an object whose `data` is either (the portal's own envelope).

    `address` holds what the query says; the envelope has the last word.
    """
    try:
        document = msgspec.json.decode(body)
    except UnicodeDecodeError:
        raise ContractError(Flaw("", Reason.NOT_UTF8, "expected UTF-8")) from None
    except (msgspec.MsgspecError, RecursionError):
        raise ContractError(Flaw("", Reason.NOT_JSON, "expected a whole JSON object or array")) from None
    around: dict[str, Any] = dict(address)
    if isinstance(document, dict) and "data" in document and "MaHoSo" not in document:
        around |= {name: value for name, value in document.items() if name != "data"}
        document = document["data"]
    if not isinstance(document, dict | list):
        raise ContractError(Flaw("", Reason.INVALID_VALUE, "expected a JSON object or array of payloads"))
    is_single = isinstance(document, dict)
    return Body(letter=read(Letter, around), payloads=[document] if is_single else document, is_single=is_single)


def read(part: type[PartT], payload: object) -> PartT:
    """One payload; `ContractError` lists every flaw and repeats nothing of it."""
    if not isinstance(payload, dict):
        raise ContractError(Flaw("", Reason.INVALID_VALUE, "expected a JSON object"))
    try:
        return part.model_validate(payload)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
    raise ContractError(*(field_flaw(detail["type"], detail["loc"], detail["msg"]) for detail in details))
