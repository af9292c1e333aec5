"""Texts of the portal's payloads as values: three forms of dates, three of booleans, numbers as numbers or texts.

What cannot be read is refused with what was expected, never with what was found. Whatever names a file or a person is
reduced here, while it is parsed, to whether it is filled.
"""

import re
import unicodedata
from datetime import datetime, time
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, WithJsonSchema

from schemas.events import is_plausible
from schemas.ids import DossierId, ProcedureId

OFFICE: Final = ZoneInfo("Asia/Ho_Chi_Minh")  # of times without an offset: no form but ISO can carry one
END_OF_DAY: Final = time(23, 59, 59)  # of a promise that names a day only

_FORMS: Final = (
    (re.compile(r"\d{14}"), "%Y%m%d%H%M%S"),
    (re.compile(r"\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d{2}:\d{2}"), "%d/%m/%Y %H:%M:%S"),
)
_DAYS: Final = (
    (re.compile(r"\d{8}"), "%Y%m%d"),
    (re.compile(r"\d{1,2}/\d{1,2}/\d{4}"), "%d/%m/%Y"),
    (re.compile(r"\d{4}-\d{2}-\d{2}"), "%Y-%m-%d"),
)
_ISO: Final = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d.*")
_NO_DATE_YEAR: Final = 1  # some systems send their type's smallest date where they have none
_TRUE: Final = frozenset({"1", "true"})
_FALSE: Final = frozenset({"0", "false"})
_MOMENT: Final = "expected yyyyMMddHHmmss, dd/MM/yyyy HH:mm:ss or ISO 8601, in the years 1990 to 2099"


def _text(value: object) -> str | None:
    """A number or text as a cleaned text; None when it is empty."""
    if value is None or isinstance(value, bool) or not isinstance(value, str | int):
        if value is None:
            return None
        raise ValueError("expected a text")
    return " ".join(unicodedata.normalize("NFC", str(value)).split()) or None


def _moment(value: object) -> datetime | None:
    text = _text(value)
    found = None if text is None else _read(text)
    if text is not None and found is None:
        raise ValueError(_MOMENT)
    return _placed(found)


def _promise(value: object) -> datetime | None:
    text = _text(value)
    if text is not None:
        for form, format_ in _DAYS:
            if form.fullmatch(text):
                return _placed(datetime.combine(_parsed(text, format_), END_OF_DAY))
    return _moment(text)


def _read(text: str) -> datetime | None:
    for form, format_ in _FORMS:
        if form.fullmatch(text):
            return _parsed(text, format_)
    if not _ISO.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _parsed(text: str, format_: str) -> datetime:
    try:
        return datetime.strptime(text, format_)  # noqa: DTZ007 - the zone follows
    except ValueError:
        raise ValueError(_MOMENT) from None


def _placed(found: datetime | None) -> datetime | None:
    """On the office's clock, to the second; None for a date that stands for none."""
    if found is None or found.year == _NO_DATE_YEAR:
        return None
    if not is_plausible(found):
        raise ValueError(_MOMENT)
    placed = found.replace(tzinfo=OFFICE) if found.tzinfo is None else found.astimezone(OFFICE)
    return placed.replace(microsecond=0)


def _flag(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    text = _text(value)
    if text is None:
        return None
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError("expected true or false, 1 or 0")


def _number(value: object) -> int | None:
    text = _text(value)
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,4}", text):
        raise ValueError("expected a number")
    return int(text)


def _required_number(value: object) -> int:
    found = _number(value)
    if found is None:
        raise ValueError("expected a number")
    return found


def _filled(value: object) -> bool:
    """Whether a text or a list of texts holds anything: of links and names of papers no more is ever needed."""
    return bool(value.strip() if isinstance(value, str) else value)


def _above_zero(value: object) -> bool:
    """Whether an amount is above zero, in whatever form: 50000, "50000", "50.000 đ"."""
    return not isinstance(value, bool) and isinstance(value, str | int | float) and bool(re.search("[1-9]", str(value)))


def _rows(value: object) -> object:
    """An empty text or null where a list is expected stands for none."""
    return [] if value is None or (isinstance(value, str) and not value.strip()) else value


def clean(text: str) -> str:
    """One spelling of a text, as payloads are read: NFC, single spaces."""
    return _text(text) or ""


_DATES: Final = "yyyyMMddHHmmss, dd/MM/yyyy HH:mm:ss or ISO 8601; in Asia/Ho_Chi_Minh without an offset; empty: none"


def _shown(*types: str, description: str) -> WithJsonSchema:
    return WithJsonSchema({"type": [*types, "null"], "description": description})


DossierCode = Annotated[DossierId, BeforeValidator(_text)]
ProcedureCode = Annotated[ProcedureId, BeforeValidator(_text)]
Text = Annotated[str | None, BeforeValidator(_text), Field(repr=False)]
Moment = Annotated[datetime | None, BeforeValidator(_moment), _shown("string", "integer", description=_DATES)]
Promise = Annotated[
    datetime | None,
    BeforeValidator(_promise),
    _shown("string", "integer", description=f"{_DATES}; without a time of day: the end of the day"),
]
Flag = Annotated[
    bool | None,
    BeforeValidator(_flag),
    _shown("boolean", "string", "integer", description="true or false, 1 or 0, as text or not; empty: not said"),
]
Number = Annotated[
    int | None,
    BeforeValidator(_number),
    _shown("integer", "string", description="A number, as text or not; empty: not said"),
]
RequiredNumber = Annotated[
    int,
    BeforeValidator(_required_number),
    WithJsonSchema({"type": ["integer", "string"], "description": "A number, as text or not"}),
]
Filled = Annotated[
    bool, BeforeValidator(_filled), _shown("string", "array", description="Only whether it is filled is looked at")
]
AboveZero = Annotated[
    bool, BeforeValidator(_above_zero), _shown("number", "string", description="Only whether it is zero is looked at")
]
Rows = BeforeValidator(_rows)
