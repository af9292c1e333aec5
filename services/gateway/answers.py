"""What a sender is told about each event."""

from collections import Counter
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from schemas.errors import Flaw, Reason

Status = Literal["accepted", "duplicate", "refused", "failed"]


class Error(msgspec.Struct, frozen=True, gc=False):
    """One thing wrong with an event."""

    pointer: str
    code: Reason
    message: str


class Item(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """The answer for one event.

    `accepted`: in the log, at `partition` and `offset` (absent when the broker no longer knew where). `duplicate`: in
    the log already. `refused`: it will never be taken, `errors` say why. `failed`: the broker did not acknowledge it
    in time; it may still arrive, and sending it again is safe.
    """

    status: Status
    partition: int | None = None
    offset: int | None = None
    reason: Reason | None = None
    errors: list[Error] = []


class Answer(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The answer for a body of several events: the counts, and one item per event in the body's order."""

    total: int
    accepted: int
    duplicate: int
    refused: int
    failed: int
    items: Sequence[Item]


DUPLICATE: Final = Item(status="duplicate")
FAILED: Final = Item(status="failed")


def accepted(partition: int, offset: int) -> Item:
    """It is in the log."""
    return Item(status="accepted", partition=partition, offset=offset if offset >= 0 else None)


def errors_of(flaws: Sequence[Flaw]) -> list[Error]:
    """Flaws as they are shown."""
    return [Error(flaw.pointer, flaw.reason, flaw.message) for flaw in flaws]


def refused(flaws: Sequence[Flaw]) -> Item:
    """It will never be taken as it is."""
    return Item(status="refused", reason=flaws[0].reason, errors=errors_of(flaws))


def summary(items: Sequence[Item]) -> Answer:
    """Items with their counts."""
    counts = Counter(item.status for item in items)
    return Answer(
        total=len(items),
        accepted=counts["accepted"],
        duplicate=counts["duplicate"],
        refused=counts["refused"],
        failed=counts["failed"],
        items=items,
    )
