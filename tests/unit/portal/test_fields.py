"""The forms in which the same thing comes: dates, booleans, numbers, empty texts; and what is none of them."""

import contextlib
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import ContractError, Reason
from services.portal.fields import OFFICE
from services.portal.payloads import PROGRESS, SYNC, Letter, Snapshot, Step, divide, read
from tests.unit.portal.make import dossier, told

AT = datetime(2021, 3, 1, 8, 30, tzinfo=OFFICE)


@pytest.mark.parametrize(
    "text",
    [
        "20210301083000",
        20210301083000,
        " 20210301083000 ",
        "01/03/2021 08:30:00",
        "1/3/2021 8:30:00",
        "2021-03-01T08:30:00",
        "2021-03-01 08:30",
        "2021-03-01T08:30:00.123",
        "2021-03-01T08:30:00+07:00",
        "2021-03-01T01:30:00Z",
        "2021-02-28T20:30:00-05:00",
    ],
)
def test_one_moment_in_many_forms(text: object) -> None:
    """Without an offset it is the office's clock."""
    found = read(Snapshot, dossier(NgayTiepNhan=text)).accepted_at
    assert (found, found and found.tzinfo) == (AT, OFFICE)


def test_the_form_of_a_date_changes_no_id() -> None:
    forms = ("20210301083000", "01/03/2021 08:30:00", "2021-03-01T01:30:00Z")
    assert len({told(dossier(NgayTiepNhan=form)).events[0].id for form in forms}) == 1


@pytest.mark.parametrize("text", ["08/03/2021", "2021-03-08", "20210308"])
def test_a_promise_that_names_a_day_means_its_end(text: str) -> None:
    assert read(Snapshot, dossier(NgayHenTra=text)).due_at == datetime(2021, 3, 8, 23, 59, 59, tzinfo=OFFICE)


@pytest.mark.parametrize("text", ["", "  ", None, "0001-01-01T00:00:00", "01/01/0001 00:00:00"])
def test_no_date_has_several_forms_too(text: object) -> None:
    assert read(Snapshot, dossier(NgayTra=text)).delivered_at is None


@pytest.mark.parametrize(
    "value",
    [
        "20211301083000",
        "31/02/2021 08:30:00",
        "01/03/2021",
        "hôm qua",
        "2021",
        17,
        1.5,
        True,
        ["x"],
        {"x": 1},
        "1899-01-01T00:00:00",
        "2021-03-01T08:30:00+99:00",
        "1" * 5000,
    ],
)
def test_what_is_no_moment_names_the_field_and_the_forms(value: object) -> None:
    with pytest.raises(ContractError) as caught:
        read(Snapshot, dossier(NgayTiepNhan=value))
    (flaw,) = caught.value.flaws
    assert (flaw.pointer, flaw.reason) == ("/NgayTiepNhan", Reason.INVALID_VALUE)
    assert flaw.message in (
        "expected a text",
        "expected yyyyMMddHHmmss, dd/MM/yyyy HH:mm:ss or ISO 8601, in the years 1990 to 2099",
    )


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (True, True),
        ("1", True),
        ("True", True),
        ("true", True),
        (1, True),
        (False, False),
        ("0", False),
        ("False", False),
        (0, False),
        ("", None),
        (None, None),
    ],
)
def test_booleans_have_many_forms(value: object, meant: bool | None) -> None:
    assert read(Letter, {"isUpdating": value}).is_updating is meant


@pytest.mark.parametrize(("value", "meant"), [("2", 2), (2, 2), (" 02 ", 2)])
def test_numbers_come_as_texts_too(value: object, meant: int) -> None:
    assert read(Snapshot, dossier(TrangThaiHoSo=value)).status == meant


@pytest.mark.parametrize(
    ("amount", "due"),
    [
        ("50000", True),
        (50000, True),
        ("50.000 đ", True),
        (0.5, True),
        ("0", False),
        ("0.00", False),
        (0, False),
        ("", False),
        (None, False),
    ],
)
def test_of_an_amount_only_whether_it_is_zero_is_kept(amount: object, due: bool) -> None:
    assert read(Snapshot, dossier(DanhSachLePhi=[{"Gia": amount}])).fees[0].is_due is due


def test_a_flaw_inside_a_list_is_found() -> None:
    rounds = [{"NgayBoSung": "20210303090000"}, {"NgayBoSung": "Nguyễn Văn A"}]
    with pytest.raises(ContractError) as caught:
        read(Snapshot, dossier(DanhSachHoSoBoSung=rounds, TrangThaiHoSo="A"))
    assert [flaw.pointer for flaw in caught.value.flaws] == ["/TrangThaiHoSo", "/DanhSachHoSoBoSung/1/NgayBoSung"]
    assert "Nguyễn" not in str(caught.value)


@pytest.mark.parametrize(
    "body", [b"", b'{"MaHoSo":', b"[", b"\xff", b"17", b'"x"', b"null", b'{"data": 17}', b"[" * 100_000]
)
def test_a_body_that_is_none_is_refused_whole(body: bytes) -> None:
    with pytest.raises(ContractError):
        divide(body, {})


@pytest.mark.parametrize(
    ("body", "single", "agency", "updating"),
    [
        (b'{"MaHoSo": "a"}', True, "Q", True),
        (b'[{"MaHoSo": "a"}]', False, "Q", True),
        (b'{"isUpdating": "False", "service": "DongBoHoSoMC", "data": [{"MaHoSo": "a"}]}', False, "Q", False),
        (b'{"MaDinhDanhDV": "E", "data": {"MaHoSo": "a"}}', True, "E", True),
    ],
)
def test_a_body_is_a_payload_an_array_or_an_envelope(body: bytes, single: bool, agency: str, updating: bool) -> None:
    found = divide(body, {"MaDinhDanhDV": "Q", "isUpdating": "True"})
    assert (found.payloads, found.is_single) == ([{"MaHoSo": "a"}], single)
    assert (found.letter.agency, found.letter.is_updating) == (agency, updating)


NAMES = [field.alias for part in (Snapshot, Step) for field in part.model_fields.values()]
VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["1", "20210301083000"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from([SYNC, PROGRESS]), st.dictionaries(st.sampled_from(NAMES), VALUES))
def test_any_payload_is_read_or_refused(service: str, changes: dict[str, Any]) -> None:
    """Nothing but a `ContractError` comes out: other errors would show values in a log."""
    part: Any = Snapshot if service == SYNC else Step
    with contextlib.suppress(ContractError):
        read(part, dossier() | changes)
