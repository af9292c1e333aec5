"""Texts of another system as codes. A code is decided by the text alone, never by what was read before.

`slug`: "PWDx_District 02: Jamaica Plain" becomes "PWDx_District-02-Jamaica-Plain", "Phường Vàng Danh" becomes
"Phuong-Vang-Danh". A text that is a code already stays as it is. Several texts can have one slug; where codes are few
(units, procedures) that is an error which names both, where they are many (dossiers) a hash keeps them apart.
"""

import re
import unicodedata
from collections.abc import Mapping
from hashlib import blake2b
from typing import Final

from schemas.ids import CODE_PATTERN
from services.importer.errors import CannotImport, Fault, Refusal

CODE_LENGTH_MAX: Final = 64
HASH_LENGTH: Final = 8  # 32 bits: two texts clash only if their slugs are equal as well
# A province has some hundred units and about 2,000 procedures: beyond this the column holds something else.
CODES_MAX: Final = 10_000

_CODE: Final = re.compile(CODE_PATTERN)
_FOREIGN: Final = re.compile(r"[^A-Za-z0-9._]+")
_D_WITH_STROKE: Final = str.maketrans("đĐ", "dD")  # a letter of its own: no decomposition takes the stroke off


def clean(text: str) -> str:
    """One spelling of a text: NFC, no space at its ends, one space between words."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return " ".join(text.split())


def is_code(text: str) -> bool:
    """Whether a text can be an identifier as it stands."""
    return _CODE.match(text) is not None


def slug(text: str) -> str:
    """The code of a cleaned text; empty when it holds neither a Latin letter nor a digit."""
    if is_code(text):
        return text
    parts = unicodedata.normalize("NFD", text.translate(_D_WITH_STROKE))
    plain = "".join(part for part in parts if not unicodedata.combining(part))
    code = _FOREIGN.sub("-", plain).lstrip("-._").rstrip("-")
    return code if len(code) <= CODE_LENGTH_MAX else _with_hash(code, text)


def dossier_code(text: str) -> str:
    """The code of a dossier: the text itself, or its slug and a hash of the text, so that no two ever become one."""
    if is_code(text):
        return text
    code = slug(text)
    return _with_hash(code, text) if code else ""


def _with_hash(code: str, text: str) -> str:
    digest = blake2b(text.encode(), digest_size=HASH_LENGTH // 2).hexdigest()
    return f"{code[: CODE_LENGTH_MAX - HASH_LENGTH - 1].rstrip('-')}-{digest}"


class CodeBook:
    """The codes of one kind of thing, each owned by one text. `given` holds those that the mapping writes out."""

    def __init__(self, place: str, given: Mapping[str, str]) -> None:
        self._place = place
        self._given = given
        self._code_of: dict[str, str] = dict(given)
        self._text_of: dict[str, str] = {}
        self._is_closed = False

    def close(self) -> None:
        """Take no new text from now on: a text that comes up later is in a file that changed meanwhile."""
        self._is_closed = True

    def code(self, text: str, column: str) -> str:
        """The code of a cleaned text; `Refusal` when it has none, `CannotImport` when another text has the same."""
        known = self._code_of.get(text)
        if known is not None:
            return known
        code = slug(text)
        if not code:
            raise Refusal(Fault.NO_CODE, column)
        if self._is_closed:
            raise CannotImport(f"{self._place}: column {column} changed while it was read; import a finished file")
        other = self._text_of.setdefault(code, text)
        if other != text:
            raise CannotImport(
                f'{self._place}: "{other}" and "{text}" both become the code {code}; write one of them, '
                f"or both if they mean the same, into [{self._place}.codes]"
            )
        if len(self._code_of) >= CODES_MAX:
            raise CannotImport(
                f"{self._place}: over {CODES_MAX:,} different texts in column {column}; it does not hold {self._place}s"
            )
        self._code_of[text] = code
        return code
