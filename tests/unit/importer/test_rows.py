"""Reading files: told apart by their bytes, one row at a time, and no bad row takes its neighbour with it."""

import gzip
from pathlib import Path

import pytest

from services.importer import rows
from services.importer.errors import CannotImport
from services.importer.rows import Table
from tests.unit.importer.make import places

TABLE = Table(columns=["a", "b"], delimiter=",", empty=frozenset({"NULL"}))


def read(tmp_path: Path, content: bytes, table: Table = TABLE, name: str = "file") -> list[object]:
    path = tmp_path / name
    path.write_bytes(content)
    return places(list(table.rows(path)))


CSV = b"a,b\n1,x\n2,y\n"
NDJSON = b'{"a": 1, "b": "x"}\n{"a": 2, "b": "y"}\n'


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("name", ["table.csv", "table.gz", "table.json"])
def test_bytes_decide_what_a_file_is(tmp_path: Path, bom: bytes, pack: type[bytes], name: str) -> None:
    assert read(tmp_path, pack(bom + CSV), name=name) == [(2, ["1", "x"]), (3, ["2", "y"])]
    assert read(tmp_path, pack(bom + NDJSON), name=name) == [(1, ["1", "x"]), (2, ["2", "y"])]


def test_two_gzip_files_one_after_the_other_are_one(tmp_path: Path) -> None:
    content = gzip.compress(b"a,b\n1,x\n") + gzip.compress(b"2,y\n")
    assert read(tmp_path, content) == [(2, ["1", "x"]), (3, ["2", "y"])]


def test_columns_in_any_order_and_more_than_needed(tmp_path: Path) -> None:
    assert read(tmp_path, b'c,b," a "\r\n,"x, ""y""\nz",1\r\n\r\n,x,2\r\n') == [(2, ["1", 'x, "y" z']), (5, ["2", "x"])]


def test_texts_are_cleaned_and_what_stands_for_nothing_is_empty(tmp_path: Path) -> None:
    decomposed = "Ho\u0302\u0300  so\u031b".encode()
    assert read(tmp_path, b"a,b\n NULL ," + decomposed + b"\n") == [(2, ["", "Hồ sơ"])]


def test_another_delimiter(tmp_path: Path) -> None:
    table = Table(columns=["a", "b"], delimiter=";", empty=frozenset())
    assert read(tmp_path, b"a;b\n1;x,y\n", table) == [(2, ["1", "x,y"])]


@pytest.mark.parametrize(
    ("bad", "reject"),
    [
        (b"\xff\xfe,x", (3, None, "not_utf8", None)),
        (b"1", (3, None, "field_count", None)),
        (b"1,x,z", (3, None, "field_count", None)),
        (b'"1"2,x', (3, None, "bad_csv", None)),
        (b'"1\n\n",x,z', (3, 5, "field_count", None)),
    ],
)
def test_a_bad_csv_row_is_set_aside_alone(tmp_path: Path, bad: bytes, reject: object) -> None:
    content = b"a,b\n1,x\n" + bad + b"\n2,y\n"
    last = 4 + bad.count(b"\n")
    assert read(tmp_path, content) == [(2, ["1", "x"]), reject, (last, ["2", "y"])]


def test_a_quote_that_never_closes_names_the_lines_it_swallowed(tmp_path: Path) -> None:
    assert read(tmp_path, b'a,b\n1,x\n"2,y\n3,z\n') == [(2, ["1", "x"]), (3, 4, "bad_csv", None)]


@pytest.mark.parametrize(
    ("bad", "reject"),
    [
        (b"\xff", (2, None, "not_utf8", None)),
        (b"{", (2, None, "bad_json", None)),
        (b"[1]", (2, None, "bad_json", None)),
        (b'{"a": NaN}', (2, None, "bad_json", None)),
        (b"[" * 5000, (2, None, "bad_json", None)),
        (b'{"a": true}', (2, None, "not_text", "a")),
        (b'{"b": {}}', (2, None, "not_text", "b")),
    ],
)
def test_a_bad_json_line_is_set_aside_alone(tmp_path: Path, bad: bytes, reject: object) -> None:
    content = b'{"a": 1, "b": "x"}\n' + bad + b'\n\n{"a": 2.5}\n'
    assert read(tmp_path, content) == [(1, ["1", "x"]), reject, (4, ["2.5", ""])]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", 'has no column "a"'),
        (b"a,c\n1,2\n", 'has no column "b"; its columns: a, c'),
        (b"a,b,a\n1,2,3\n", 'has several columns "a"'),
        (b"PK\x03\x04....", "save the sheet as CSV UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), "save it as UTF-8"),
        (b"a,\xff\n", "the header is no CSV in UTF-8"),
        (
            gzip.compress(CSV + b"".join(b"%d,%x\n" % (n, n**9) for n in range(20_000)))[:-20],
            "breaks off after line [1-9]",
        ),
        (b"\x1f\x8bnonsense", "the gzip data breaks off before line 1"),
    ],
)
def test_a_file_that_cannot_be_read_says_what_to_do(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(CannotImport, match=message):
        read(tmp_path, content)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CannotImport, match="No such file"):
        list(TABLE.rows(tmp_path / "nothing.csv"))


def test_a_file_without_line_ends_does_not_fill_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "LINE_BYTES_MAX", 64)
    with pytest.raises(CannotImport, match="line 2 is longer than 64 bytes"):
        read(tmp_path, b"a,b\n" + b"1" * 100)
