"""Local times of a file as moments.

Clock changes: of an hour that comes twice the first is meant, and a time that is skipped is moved on by what was
skipped (PEP 495, fold=0). Either way the same text always gives the same moment, and the summary counts them.
"""

from dataclasses import dataclass
from datetime import datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from schemas.events import is_plausible
from services.importer.errors import Fault, Refusal

ISO: Final = "iso"
ISO_DATE_LENGTH_MAX: Final = 10  # of a text without a time of day: 2021-03-01
_PROBE: Final = datetime(2021, 12, 31, 13, 47, 58)  # noqa: DTZ001 - a local time, to try formats on


@dataclass(frozen=True, slots=True)
class Reading:
    """A moment, and whether its local time is one that comes twice or never."""

    at: datetime
    is_irregular: bool = False


def check_format(text: str) -> str:
    """`text` when it is "iso" or a strptime format that holds a whole date; `ValueError` says what is wrong."""
    if text == ISO:
        return text
    try:
        parsed = datetime.strptime(_PROBE.strftime(text), text)  # noqa: DTZ007 - only its fields are looked at
    except ValueError:
        raise ValueError('expected "iso" or a strptime format such as %d/%m/%Y %H:%M') from None
    if parsed.date() != _PROBE.date():
        raise ValueError("expected a format with year, month and day")
    return text


class Clock:
    """Reads the times of one column."""

    def __init__(self, *, column: str, formats: tuple[str, ...], at: time, zone: ZoneInfo) -> None:
        self.column = column
        self._at = at
        self._zone = zone
        self._formats = [(format_, _is_date(format_)) for format_ in formats]

    def read(self, text: str) -> Reading:
        """The moment of a filled field; `Refusal` when no format fits."""
        for format_, is_date in self._formats:
            try:
                if format_ == ISO:
                    moment = datetime.fromisoformat(text)
                    is_date = len(text) <= ISO_DATE_LENGTH_MAX
                else:
                    moment = datetime.strptime(text, format_)  # noqa: DTZ007 - the zone follows below
            except ValueError:
                continue
            if is_date:
                moment = moment.replace(hour=self._at.hour, minute=self._at.minute, second=self._at.second)
            if not is_plausible(moment):
                raise Refusal(Fault.IMPLAUSIBLE_TIME, self.column)
            if moment.tzinfo is not None:
                return Reading(moment)
            moment = moment.replace(tzinfo=self._zone)
            return Reading(moment, moment.utcoffset() != moment.replace(fold=1).utcoffset())
        raise Refusal(Fault.BAD_TIME, self.column)


def _is_date(format_: str) -> bool:
    """Whether a format holds no time of day."""
    return format_ != ISO and _PROBE.strftime(format_) == _PROBE.replace(hour=1, minute=2, second=3).strftime(format_)
