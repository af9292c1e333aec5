"""The rows of a file: CSV or NDJSON, gzip too, told apart by their bytes and never by their name.

Streamed: memory holds one row. Promises one `Row` or one `Reject` for each row, in order; `CannotImport` when the
file as a whole cannot be read. Only the columns asked for leave this module.
"""

import csv
import gzip
import io
import zlib
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

import msgspec

from services.importer.codes import clean
from services.importer.errors import CannotImport, Fault, Reject

LINE_BYTES_MAX: Final = 1024 * 1024  # a row is some hundred bytes; a file without line ends must not fill memory

_GZIP: Final = b"\x1f\x8b"
_BOM: Final = b"\xef\xbb\xbf"
# What people send instead, and how it begins.
_STRANGERS: Final = {
    b"PK\x03\x04": "a ZIP or Excel workbook; save the sheet as CSV UTF-8",
    b"\xd0\xcf\x11\xe0": "an Excel workbook; save the sheet as CSV UTF-8",
    b"\xff\xfe": "UTF-16; save it as UTF-8",
    b"\xfe\xff": "UTF-16; save it as UTF-8",
}
_OBJECT: Final = msgspec.json.Decoder(dict[str, object])


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its cleaned texts by column, empty where there is none."""

    file: str
    line: int
    values: dict[str, str]

    def reject(self, reason: Fault, column: str | None) -> Reject:
        """The row set aside."""
        return Reject(file=self.file, line=self.line, reason=reason, column=column)


@dataclass(frozen=True, slots=True)
class Table:
    """How files are read: the columns wanted, and what the mapping says about the notation."""

    columns: Collection[str]
    delimiter: str
    empty: Collection[str]

    def rows(self, path: Path) -> Iterator[Row | Reject]:
        """The rows of a file, from the beginning."""
        try:
            with path.open("rb") as file, closing(_unpacked(file)) as stream:
                lines = _Lines(stream, str(path))
                if _starts_with_brace(stream, path):
                    yield from self._ndjson(lines)
                else:
                    yield from self._csv(lines)
        except OSError as error:
            raise CannotImport(f"{path}: {error.strerror or 'cannot be read'}") from None

    def _csv(self, lines: "_Lines") -> Iterator[Row | Reject]:
        reader = csv.reader(lines, delimiter=self.delimiter, strict=True)
        try:
            header = [clean(name) for name in next(reader, [])]
        except (csv.Error, UnicodeDecodeError) as error:
            raise CannotImport(f"{lines.file}: the header is no CSV in UTF-8 ({type(error).__name__})") from None
        places = self._places(header, lines.file)
        while True:
            first = lines.number + 1
            try:
                fields = next(reader)
            except StopIteration:
                return
            except UnicodeDecodeError:
                yield lines.reject(first, Fault.NOT_UTF8)
                continue
            except csv.Error:
                yield lines.reject(first, Fault.BAD_CSV)
                continue
            if len(fields) == len(header):
                yield Row(lines.file, first, {name: self._text(fields[place]) for name, place in places.items()})
            elif fields:
                yield lines.reject(first, Fault.FIELD_COUNT)

    def _places(self, header: list[str], file: str) -> dict[str, int]:
        for column in self.columns:
            if header.count(column) != 1:
                found = "no column" if column not in header else "several columns"
                raise CannotImport(f'{file} has {found} "{column}"; its columns: {", ".join(header)}')
        return {column: header.index(column) for column in self.columns}

    def _ndjson(self, lines: "_Lines") -> Iterator[Row | Reject]:
        while True:
            first = lines.number + 1
            try:
                line = next(lines)
                document = _OBJECT.decode(line) if line.strip() else None
            except StopIteration:
                return
            except UnicodeDecodeError:
                yield lines.reject(first, Fault.NOT_UTF8)
                continue
            except (msgspec.MsgspecError, RecursionError):
                yield lines.reject(first, Fault.BAD_JSON)
                continue
            if document is not None:
                yield self._object(document, lines, first)

    def _object(self, document: dict[str, object], lines: "_Lines", first: int) -> Row | Reject:
        values: dict[str, str] = {}
        for column in self.columns:
            value = document.get(column)
            if value is None:
                values[column] = ""
            elif isinstance(value, str | int | float) and not isinstance(value, bool):
                values[column] = self._text(str(value))
            else:
                return lines.reject(first, Fault.NOT_TEXT, column)
        return Row(lines.file, first, values)

    def _text(self, text: str) -> str:
        text = clean(text)
        return "" if text in self.empty else text


class _Lines:
    """The lines of a stream as text. A line that is no UTF-8 raises, and the next call goes on behind it."""

    def __init__(self, stream: BinaryIO, file: str) -> None:
        self._stream = stream
        self.file = file
        self.number = 0  # of the line read last

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        try:
            line = self._stream.readline(LINE_BYTES_MAX)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise CannotImport(f"{self.file}: the gzip data breaks off after line {self.number}") from None
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) == LINE_BYTES_MAX:
            raise CannotImport(
                f"{self.file}: line {self.number} is longer than {LINE_BYTES_MAX:,} bytes; is it a table?"
            )
        return line.decode()

    def reject(self, first: int, reason: Fault, column: str | None = None) -> Reject:
        """The row that began on line `first` and ends here, set aside."""
        last = self.number if self.number > first else None
        return Reject(file=self.file, line=first, last_line=last, reason=reason, column=column)


def _unpacked(file: BinaryIO) -> io.BufferedReader:
    stream = cast("io.BufferedReader", file)
    if stream.peek(len(_GZIP)).startswith(_GZIP):
        stream = io.BufferedReader(cast("io.RawIOBase", gzip.GzipFile(fileobj=stream)))
    return stream


def _starts_with_brace(stream: io.BufferedReader, path: Path) -> bool:
    """Whether a file is NDJSON. Leaves the stream behind its byte order mark."""
    try:
        head = stream.peek(4)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise CannotImport(f"{path}: the gzip data breaks off before line 1") from None
    if not head:
        raise CannotImport(f"{path} is empty; expected a header or objects")
    for start, advice in _STRANGERS.items():
        if head.startswith(start):
            raise CannotImport(f"{path} is {advice}")
    if head.startswith(_BOM):
        stream.read(len(_BOM))
        head = stream.peek(1)
    return head.lstrip().startswith(b"{")
