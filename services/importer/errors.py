"""What stops a whole import, and what sets one row aside.

Neither repeats a value of the file: rows may hold personal data. The texts of unit and procedure columns are the
exception, because they become published codes, and only a person can settle two that clash.
"""

from enum import StrEnum

import msgspec

from schemas.errors import SettingsError


class CannotImport(SettingsError):
    """The mapping, or a file as a whole, cannot be imported: the text names the key or the file and what to do."""


class Fault(StrEnum):
    """Why a row cannot be an event."""

    NOT_UTF8 = "not_utf8"
    BAD_CSV = "bad_csv"  # quotes that do not close or have text behind them
    FIELD_COUNT = "field_count"  # not as many fields as the header has
    BAD_JSON = "bad_json"  # no JSON object on this line
    NOT_TEXT = "not_text"  # a list, an object or a truth value where a text or number is expected
    MISSING = "missing"
    BAD_TIME = "bad_time"  # in none of the formats of the mapping
    IMPLAUSIBLE_TIME = "implausible_time"  # not in the years 1990 to 2099
    UNKNOWN_VALUE = "unknown_value"  # the mapping's `map` does not hold it, and there is no default
    NO_CODE = "no_code"  # nothing in the text that a code may hold
    NO_EVENT = "no_event"  # not one of the row's dates is filled
    NOT_AN_EVENT = "not_an_event"  # the event contract refuses what the row says


class Refusal(Exception):
    """This row cannot be an event; `column` is where to look."""

    def __init__(self, fault: Fault, column: str | None = None) -> None:
        super().__init__(f"{fault.value} in {column}" if column else fault.value)
        self.fault, self.column = fault, column


class Reject(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the reject file: the place of a row and why it was set aside, never the row itself."""

    file: str
    line: int  # the row's first line, from 1
    last_line: int | None = None  # when the row spans several
    reason: Fault
    column: str | None = None
