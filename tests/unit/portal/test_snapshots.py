"""What a snapshot tells: its dates in the lifecycle's order, and a note where a date is missing."""

from typing import Any

import pytest

from schemas.errors import ContractError, Reason
from schemas.events import Channel, Mark, Outcome
from services.portal.payloads import Snapshot, read
from services.portal.snapshots import channel_of, marks_of
from services.portal.source import PortalSource, PortalStatus, agency_of
from services.portal.told import Note
from streams.domain.dossier import entry_of, fold
from tests.factories import rules
from tests.unit.portal.make import DOSSIER, dossier, lines, told

ASKED, CAME, ENDED, GIVEN = "20210303090000", "20210305140000", "20210310100000", "20210310151000"
ROUND = {
    "NgayBoSung": ASKED,
    "NgayTiepNhanBoSung": CAME,
    "NgayHenTraTruoc": "20210308170000",
    "NgayHenTraMoi": "20210312170000",
}

# name: (changes of an accepted dossier, events, notes)
CASES: dict[str, tuple[dict[str, Any], list[str], list[Note]]] = {
    "1 registered": (
        {"TrangThaiHoSo": 1, "KenhThucHien": 2, "NgayNopHoSo": "20210228200500", "NgayTiepNhan": None},
        ["registered 28 20:05"],
        [],
    ),
    "1, filed on the day that the portal demands": ({"TrangThaiHoSo": 1}, ["registered 01 08:30"], []),
    "2 accepted": ({}, ["accepted 01 08:30 due 08 17:00"], []),
    "2 accepted, filed online": (
        {"KenhThucHien": "2", "NgayNop": "20210228200500"},
        ["registered 28 20:05", "accepted 01 08:30 due 08 17:00"],
        [],
    ),
    "2 without a promise": ({"NgayHenTra": ""}, ["accepted 01 08:30"], [Note.UNDATED]),
    "3 refused": (
        {"TrangThaiHoSo": 3, "NgayTuChoi": "20210301100000"},
        ["registered 01 08:30", "refused 01 10:00"],
        [],
    ),
    "3 without its date": ({"TrangThaiHoSo": 3}, ["registered 01 08:30"], [Note.NO_TIME]),
    "4 processing": ({"TrangThaiHoSo": 4}, ["accepted 01 08:30 due 08 17:00"], []),
    "5 waits": (
        {"TrangThaiHoSo": 5, "DanhSachHoSoBoSung": [{"NgayBoSung": ASKED}]},
        ["accepted 01 08:30 due 08 17:00", "supplement_requested 03 09:00"],
        [],
    ),
    "5 before acceptance": (
        {
            "TrangThaiHoSo": 5,
            "NgayTiepNhan": None,
            "NgayNop": "20210228200500",
            "KenhThucHien": 2,
            "DanhSachHoSoBoSung": [{"NgayBoSung": ASKED}],
        },
        ["registered 28 20:05", "supplement_requested 03 09:00"],
        [],
    ),
    "5 without its date": ({"TrangThaiHoSo": 5}, ["accepted 01 08:30 due 08 17:00"], [Note.NO_TIME]),
    "6 has no date here": ({"TrangThaiHoSo": 6}, ["accepted 01 08:30 due 08 17:00"], [Note.NO_TIME]),
    "7 withdrawn": (
        {"TrangThaiHoSo": 7, "NgayKetThucXuLy": ENDED},
        ["accepted 01 08:30 due 08 17:00", "withdrawn 10 10:00"],
        [],
    ),
    "7 before acceptance": (
        {
            "TrangThaiHoSo": 7,
            "NgayTiepNhan": None,
            "NgayNop": "20210228200500",
            "KenhThucHien": 2,
            "NgayKetThucXuLy": "20210301100000",
        },
        ["registered 28 20:05", "withdrawn 01 10:00"],
        [],
    ),
    "8 stopped": (
        {"TrangThaiHoSo": 8, "NgayKetThucXuLy": ENDED},
        ["accepted 01 08:30 due 08 17:00", "stopped 10 10:00"],
        [],
    ),
    "9 with a result": (
        {"TrangThaiHoSo": 9, "NgayKetThucXuLy": ENDED, "DanhSachGiayToKetQua": [{"TenGiayTo": "x"}]},
        ["accepted 01 08:30 due 08 17:00", "finished 10 10:00 granted"],
        [],
    ),
    "9 that proves no result": (
        {"TrangThaiHoSo": 9, "NgayKetThucXuLy": ENDED},
        ["accepted 01 08:30 due 08 17:00", "finished 10 10:00 granted"],
        [Note.OUTCOME_ASSUMED],
    ),
    "9 returned": (
        {"TrangThaiHoSo": 9, "NgayKetThucXuLy": ENDED, "LoaiKetQua": "Trả lại/Xin rút"},
        ["accepted 01 08:30 due 08 17:00", "finished 10 10:00 returned"],
        [],
    ),
    "9 of an unknown kind": (
        {"TrangThaiHoSo": 9, "NgayKetThucXuLy": ENDED, "LoaiKetQua": "Nguyễn Văn A"},
        ["accepted 01 08:30 due 08 17:00", "finished 10 10:00 granted"],
        [Note.OUTCOME_UNKNOWN],
    ),
    "9 sent for one that waits": ({"TrangThaiHoSo": 9}, ["accepted 01 08:30 due 08 17:00"], [Note.NO_TIME]),
    "10 delivered": (
        {"TrangThaiHoSo": 10, "NgayKetThucXuLy": ENDED, "NgayTra": GIVEN, "LoaiKetQua": "kết  quả"},
        ["accepted 01 08:30 due 08 17:00", "finished 10 10:00 granted", "delivered 10 15:10"],
        [],
    ),
    "10 without a finish": (
        {"TrangThaiHoSo": 10, "NgayTra": GIVEN, "LoaiKetQua": "Xin rút"},
        ["accepted 01 08:30 due 08 17:00", "finished 10 15:10 withdrawn", "delivered 10 15:10"],
        [],
    ),
    "10 without its date": (
        {"TrangThaiHoSo": 10, "NgayKetThucXuLy": ENDED, "LoaiKetQua": "Kết quả"},
        ["accepted 01 08:30 due 08 17:00", "finished 10 10:00 granted"],
        [Note.NO_TIME],
    ),
    "a round of papers": (
        {"TrangThaiHoSo": 4, "DanhSachHoSoBoSung": [ROUND], "NgayHenTra": "20210312170000"},
        [
            "accepted 01 08:30 due 08 17:00",
            "supplement_requested 03 09:00",
            "supplement_received 05 14:00 due 12 17:00",
        ],
        [],
    ),
    "a round that names no promise": (
        {"DanhSachHoSoBoSung": [{"NgayBoSung": ASKED, "NgayTiepNhanBoSung": CAME}], "NgayHenTra": "20210312170000"},
        [
            "accepted 01 08:30 due 12 17:00",
            "supplement_requested 03 09:00",
            "supplement_received 05 14:00 due 12 17:00",
        ],
        [],
    ),
    "two rounds, the later first, a promise moved between them": (
        {
            "DanhSachHoSoBoSung": [
                {
                    "NgayBoSung": "20210309080000",
                    "NgayTiepNhanBoSung": "20210310080000",
                    "NgayHenTraTruoc": "20210315170000",
                    "NgayHenTraMoi": "20210316170000",
                },
                ROUND,
            ],
            "NgayHenTra": "20210316170000",
        },
        [
            "accepted 01 08:30 due 08 17:00",
            "supplement_requested 03 09:00",
            "supplement_received 05 14:00 due 12 17:00",
            "due_changed 09 08:00 due 15 17:00 correction",
            "supplement_requested 09 08:00",
            "supplement_received 10 08:00 due 16 17:00",
        ],
        [],
    ),
    "a round before acceptance moves no promise": (
        {
            "DanhSachHoSoBoSung": [{**ROUND, "NgayBoSung": "20210228090000", "NgayTiepNhanBoSung": "20210228100000"}],
            "NgayNop": "20210227080000",
            "KenhThucHien": 2,
        },
        [
            "registered 27 08:00",
            "accepted 01 08:30 due 08 17:00",
            "supplement_requested 28 09:00",
            "supplement_received 28 10:00",
        ],
        [],
    ),
    "a round without a date": (
        {"DanhSachHoSoBoSung": [{"NoiDungBoSung": "x"}]},
        ["accepted 01 08:30 due 08 17:00"],
        [Note.NO_TIME],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_snapshot_tells(name: str) -> None:
    changes, events, notes = CASES[name]
    found = told(dossier(**changes))
    assert (lines(found.events), found.notes) == (events, notes)


@pytest.mark.parametrize("name", CASES)
def test_the_fold_takes_what_it_tells(name: str) -> None:
    """Every story is one that the lifecycle allows."""
    events = told(dossier(**CASES[name][0])).events
    assert fold(DOSSIER, map(entry_of, events), rules()).anomalies == ()


@pytest.mark.parametrize("status", [2, 4, 6, 8, 9, 10])
def test_an_accepted_dossier_needs_the_moment_of_acceptance(status: int) -> None:
    with pytest.raises(ContractError) as caught:
        told(dossier(TrangThaiHoSo=status, NgayTiepNhan=""))
    assert [(flaw.pointer, flaw.reason) for flaw in caught.value.flaws] == [("/NgayTiepNhan", Reason.MISSING_FIELD)]


@pytest.mark.parametrize("status", [0, 11, 13, 99])
def test_a_number_that_nobody_mapped_is_refused(status: int) -> None:
    with pytest.raises(ContractError, match="/TrangThaiHoSo: expected a status from 1 to 10"):
        told(dossier(TrangThaiHoSo=status))


def test_a_source_may_number_its_statuses_itself() -> None:
    """Domain 1.2: one system uses 6 for papers that came; unmapped it would read as a wait for payment."""
    reading = PortalSource(statuses={6: PortalStatus.PROCESSING, 11: PortalStatus.ACCEPTED})
    assert told(dossier(TrangThaiHoSo=6), reading).notes == []
    assert told(dossier(TrangThaiHoSo=11), reading).notes == []
    assert told(dossier(TrangThaiHoSo=6)).notes == [Note.NO_TIME]


@pytest.mark.parametrize(
    ("fields", "channel"),
    [
        ({}, Channel.DIRECT),
        ({"KenhThucHien": ""}, Channel.DIRECT),
        ({"KenhThucHien": 1}, Channel.DIRECT),
        ({"KenhThucHien": "2"}, Channel.ONLINE),
        ({"KenhThucHien": "3"}, Channel.POSTAL),
        ({"HinhThuc": "0"}, Channel.DIRECT),
        ({"HinhThuc": 1}, Channel.POSTAL),
        ({"HinhThuc": 1, "KenhThucHien": 2}, Channel.ONLINE),
    ],
)
def test_the_channel(fields: dict[str, Any], channel: Channel) -> None:
    assert channel_of(read(Snapshot, dossier(**fields))) is channel


def test_an_unknown_channel_is_refused() -> None:
    with pytest.raises(ContractError, match="/KenhThucHien"):
        told(dossier(KenhThucHien=4))


@pytest.mark.parametrize("kind", [0, 1, 2, 3, "Nguyễn Văn A", None, {}])
def test_the_kind_of_applicant_is_not_looked_at(kind: object) -> None:
    """Domain 1.4: 1 is a person in one system and a business in another."""
    assert lines(told(dossier(LoaiDoiTuong=kind)).events) == lines(told(dossier()).events)


@pytest.mark.parametrize(
    ("fields", "marks"),
    [
        ({}, ()),
        ({"HoSoCoThanhPhanSoHoa": "1"}, (Mark.DIGITISED,)),
        (
            {"TaiLieuNop": [{"DuocSoHoa": "0"}, {"DuocSoHoa": True, "DuocTaiSuDung": "True"}]},
            (Mark.DIGITISED, Mark.REUSED),
        ),
        ({"TaiLieuNop": [{"DuocLayTuKhoDMQG": 1}]}, (Mark.NATIONAL_STORE,)),
        ({"DanhSachLePhi": [{"Gia": 0}, {"Gia": "1000"}], "DuocThanhToanTrucTuyen": "2"}, (Mark.FEE, Mark.PAID_ONLINE)),
        ({"DanhSachLePhi": [{"Gia": "0"}], "DuocThanhToanTrucTuyen": "3"}, ()),
        ({"DanhSachGiayToKetQua": [{"TenGiayTo": "x"}]}, (Mark.PAPER_RESULT,)),
        (
            {"DanhSachGiayToKetQua": [{"DuongDanTepTinKetQua": "https://x"}]},
            (Mark.PAPER_RESULT, Mark.E_RESULT, Mark.RESULT_DIGITISED),
        ),
        ({"TaiLieuNop": "", "DanhSachLePhi": None}, ()),
    ],
)
def test_marks(fields: dict[str, Any], marks: tuple[Mark, ...]) -> None:
    assert marks_of(read(Snapshot, dossier(**fields))) == marks


def test_what_is_known_at_the_finish_is_said_at_the_finish() -> None:
    ended = {"TrangThaiHoSo": 9, "NgayKetThucXuLy": ENDED, "DanhSachGiayToKetQua": [{"TenGiayTo": "x"}]}
    accepted, finished = told(dossier(HoSoCoThanhPhanSoHoa="1", **ended)).events
    assert accepted.data.marks == (Mark.DIGITISED,)
    assert finished.data.marks == (Mark.DIGITISED, Mark.PAPER_RESULT)


def test_a_later_snapshot_repeats_the_earlier_ones_ids() -> None:
    first = told(
        dossier(TrangThaiHoSo=4, DanhSachHoSoBoSung=[{"NgayBoSung": ASKED, "NgayHenTraTruoc": "20210308170000"}])
    )
    last = told(
        dossier(TrangThaiHoSo=9, NgayKetThucXuLy=ENDED, DanhSachHoSoBoSung=[ROUND], NgayHenTra="20210312170000")
    )
    before, after = ([event.id for event in each.events] for each in (first, last))
    assert after[: len(before)] == before
    assert len(set(after)) == len(after) == len(before) + 2


def test_ids_differ_between_dossiers() -> None:
    assert told(dossier()).events[0].id != told(dossier(MaHoSo="000.00.20.H49-210301-9002")).events[0].id


def test_the_procedure_is_taken_as_it_is() -> None:
    (event,) = told(dossier(MaTTHC="1.001612.000.00.00.H49")).events
    assert event.data.procedure_id == "1.001612.000.00.00.H49"


@pytest.mark.parametrize(
    "wrong", [{"MaHoSo": "Hồ sơ 1"}, {"MaHoSo": ""}, {"MaHoSo": None}, {"MaTTHC": "a b"}, {"MaTTHC": None}]
)
def test_wrong_codes_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ContractError) as caught:
        told(dossier(**wrong))
    assert [flaw.pointer for flaw in caught.value.flaws] == [f"/{next(iter(wrong))}"]


def test_the_unit_is_the_first_agency_that_says_one() -> None:
    reading = PortalSource(agencies={"UBND  phường Vàng Danh": "06808", "000.00.20.H49": "196.TTHCC"})
    assert reading.unit(["UBND phường Vàng Danh", "000.00.20.H49"]) == "06808"
    assert reading.unit(["Phòng không ai biết", agency_of("000.00.20.H49-210301-0001")]) == "196.TTHCC"
    assert reading.unit([None, "06811", "000.00.20.H49"]) == "06811"
    with pytest.raises(ContractError, match="/DonViXuLy"):
        reading.unit(["Phòng không ai biết", None])


def test_outcomes_may_be_mapped() -> None:
    reading = PortalSource(outcomes={"KHÔNG ĐỦ điều kiện": Outcome.REJECTED})
    ended = dossier(TrangThaiHoSo=9, NgayKetThucXuLy=ENDED, LoaiKetQua="Không đủ điều kiện")
    assert lines(told(ended, reading).events)[1] == "finished 10 10:00 rejected"
