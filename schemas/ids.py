"""Identifiers: short codes of printable ASCII.

Codes only, because free text is where personal data hides, and because one spelling must mean one thing: text outside
ASCII has several (NFC and NFD of "Hồ sơ" are not equal). Names for people live in the reference data.
"""

from typing import Annotated, Final

from pydantic import StringConstraints

BEGIN: Final = "^"
END: Final = r"$(?!\n)"  # `$` alone would let a trailing newline through in Python's dialect; this is valid everywhere

CODE_PATTERN: Final = rf"{BEGIN}[A-Za-z0-9][A-Za-z0-9._:-]{{0,63}}{END}"
EVENT_ID_PATTERN: Final = rf"{BEGIN}[!-~]{{1,128}}{END}"
SOURCE_PATTERN: Final = rf"{BEGIN}[a-z][a-z0-9+.-]{{0,15}}:[!-~]{{1,160}}{END}"

DossierId = Annotated[str, StringConstraints(pattern=CODE_PATTERN)]
UnitId = Annotated[str, StringConstraints(pattern=CODE_PATTERN)]
ProcedureId = Annotated[str, StringConstraints(pattern=CODE_PATTERN)]
CalendarId = Annotated[str, StringConstraints(pattern=CODE_PATTERN)]
FieldId = Annotated[str, StringConstraints(pattern=CODE_PATTERN)]
PolicyId = Annotated[str, StringConstraints(pattern=CODE_PATTERN)]
EventId = Annotated[str, StringConstraints(pattern=EVENT_ID_PATTERN)]
SourceUri = Annotated[str, StringConstraints(pattern=SOURCE_PATTERN)]
