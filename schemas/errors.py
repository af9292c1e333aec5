"""Three families of errors: the message is wrong, the world is down, or (everything else) we are wrong.

An error names dossier, topic, partition and offset, never the payload: payloads may hold what must not be logged.
"""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a message is no event: the same codes in a gateway's answer and in a dead letter's header."""

    TOO_LARGE = "too_large"
    NO_VALUE = "no_value"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    NOT_CLOUDEVENT = "not_cloudevent"
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_FIELD = "unknown_field"
    MISSING_FIELD = "missing_field"
    INVALID_VALUE = "invalid_value"
    KEY_MISMATCH = "key_mismatch"
    UNKNOWN_UNIT = "unknown_unit"
    UNKNOWN_POLICY = "unknown_policy"
    # Only the gateway can say these: they depend on who is asking.
    SOURCE_NOT_YOURS = "source_not_yours"
    UNIT_NOT_YOURS = "unit_not_yours"
    ID_REUSED = "id_reused"


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing wrong with a message: `pointer` (RFC 6901) to the place, and what is expected there."""

    pointer: str
    reason: Reason
    message: str


class ContractError(Exception):
    """The message is wrong: refuse it at the door, park it when it is already in the log."""

    def __init__(self, *flaws: Flaw) -> None:
        if not flaws:
            raise ValueError("a contract error names at least one flaw")
        self.flaws = flaws
        super().__init__("; ".join(f"{flaw.pointer or '/'}: {flaw.message}" for flaw in flaws))

    @property
    def reason(self) -> Reason:
        """The first flaw's reason: what a dead letter is filed under."""
        return self.flaws[0].reason


class Unavailable(Exception):
    """The world is down (broker, ClickHouse, network): retry with a limit, then stop. The text names what to change."""


class SettingsError(Exception):
    """The settings cannot work: the text names the variable and what it should be."""


class Fenced(Exception):
    """Another process owns this now: stop at once and write nothing more."""
