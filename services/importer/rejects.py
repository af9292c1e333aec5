"""The reject file: NDJSON, one line per row set aside. Made with the first reject; an older one is removed.

It says where a row is and why it was set aside, and never repeats the row, which may hold personal data.
"""

from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec

from services.importer.errors import CannotImport, Fault, Reject


class RejectFile:
    """Writes rejects to `path` and counts them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reasons: Counter[Fault] = Counter()
        self._file: BinaryIO | None = None
        try:
            if path.is_file():  # and nothing else: /dev/null stays
                path.unlink()
        except OSError as error:
            raise CannotImport(f"{path}: {error.strerror}; choose another place with --rejects") from None

    def write(self, reject: Reject) -> None:
        """One row set aside."""
        self.reasons[reject.reason] += 1
        try:
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self.path.open("wb")
            self._file.write(msgspec.json.encode(reject) + b"\n")
        except OSError as error:
            raise CannotImport(f"{self.path}: {error.strerror}; choose another place with --rejects") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
