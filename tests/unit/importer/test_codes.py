"""Codes of foreign texts: decided by the text alone, and never the same for two."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.importer import codes
from services.importer.codes import CodeBook, clean, dossier_code, is_code, slug
from services.importer.errors import CannotImport, Fault, Refusal


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("06808", "06808"),
        ("000.00.20.H49-210301-9001", "000.00.20.H49-210301-9001"),
        ("BPD_", "BPD_"),
        ("PWDx_District 02: Jamaica Plain", "PWDx_District-02-Jamaica-Plain"),
        ("PWDx_Missed Trash\\Recycling\\Yard Waste", "PWDx_Missed-Trash-Recycling-Yard-Waste"),
        ("ISD_Housing (INTERNAL)", "ISD_Housing-INTERNAL"),
        ("Phường Vàng Danh", "Phuong-Vang-Danh"),
        ("Đăng ký đất đai", "Dang-ky-dat-dai"),
        ("UBND xã Thượng Yên Công", "UBND-xa-Thuong-Yen-Cong"),
        ("...", ""),
        ("市", ""),
        # Codes are stored for ever: these must never change.
        ("Trung tâm Phục vụ hành chính công và kiểm soát thủ tục hành chính thành phố Uông Bí",
         "Trung-tam-Phuc-vu-hanh-chinh-cong-va-kiem-soat-thu-tuc-d091232c"),
    ],
)  # fmt: skip
def test_slugs(text: str, code: str) -> None:
    assert slug(clean(text)) == code


def test_a_dossier_code_that_is_none_gets_a_hash_so_that_no_two_become_one() -> None:
    assert dossier_code("H49-210301-0001") == "H49-210301-0001"
    assert dossier_code("2021/HS/0001") == "2021-HS-0001-ba69455c"
    assert dossier_code("2021-HS/0001") != dossier_code("2021/HS/0001")


@given(st.text())
def test_a_slug_is_a_code_or_empty_and_both_spellings_of_a_text_have_the_same(text: str) -> None:
    code = slug(clean(text))
    assert code == "" or is_code(code)
    assert slug(clean(unicodedata.normalize("NFD", text))) == code
    assert dossier_code(clean(text)) == "" or is_code(dossier_code(clean(text)))


def test_two_texts_with_one_code_are_an_error_that_names_both_in_any_order() -> None:
    for first, second in (("Hòa Bình", "Hoà Bình"), ("Hoà Bình", "Hòa Bình")):
        book = CodeBook("unit", {})
        book.code(first, "unit")
        with pytest.raises(CannotImport, match=rf'"{first}" and "{second}" both become the code Hoa-Binh'):
            book.code(second, "unit")


def test_the_mapping_can_say_that_two_texts_mean_the_same_or_not() -> None:
    book = CodeBook("unit", {"Hoà Bình": "Hoa-Binh", "Hoa Binh": "HB2"})
    assert [book.code(text, "unit") for text in ("Hoà Bình", "Hòa Bình", "Hoa Binh")] == ["Hoa-Binh", "Hoa-Binh", "HB2"]


def test_a_text_without_letters_or_digits_has_no_code() -> None:
    with pytest.raises(Refusal) as refused:
        CodeBook("unit", {}).code("???", "queue")
    assert (refused.value.fault, refused.value.column) == (Fault.NO_CODE, "queue")


def test_a_column_with_too_many_texts_is_the_wrong_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codes, "CODES_MAX", 3)
    book = CodeBook("unit", {})
    for number in range(3):
        book.code(f"u{number}", "officer")
    with pytest.raises(CannotImport, match="over 3 different texts in column officer"):
        book.code("u3", "officer")


def test_a_closed_book_takes_nothing_new() -> None:
    book = CodeBook("unit", {})
    book.code("06808", "unit")
    book.close()
    assert book.code("06808", "unit") == "06808"
    with pytest.raises(CannotImport, match="changed while it was read"):
        book.code("06811", "unit")
