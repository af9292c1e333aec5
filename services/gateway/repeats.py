"""Recognises repeats: a bounded memory of the events that the log has acknowledged.

Best effort, to spare the sender doubt and the log space: the fold recognises every repeat by itself. What is
forgotten, or was being written by two requests at once, is simply accepted again.
"""

from collections.abc import Mapping
from typing import Generic, TypeVar

from schemas.codec import Event

ContentT = TypeVar("ContentT")


def fingerprint(event: Event) -> tuple[int, int]:
    """Two 64-bit hashes: of the identity (source, id and dossier), and of what was said.

    What was said is kind, time and data: the spelling of the JSON and the sender's trace are not part of it, because
    the fold does not see them either. Python's hash is keyed per process, so senders cannot aim for a collision.
    """
    return identity_of(event.source, event.id, event.subject), hash((event.type, event.time, event.data))


def identity_of(source: str, event_id: str, dossier_id: str) -> int:
    """The first of the two."""
    return hash((source, event_id, dossier_id))


class Window(Generic[ContentT]):
    """Identity to content of the last events. At ~110 bytes an event, a million take about 110 MB.

    Two generations instead of one queue: the older is dropped whole, so forgetting costs nothing per event, and
    between half of `events_max` and all of it is remembered.
    """

    def __init__(self, events_max: int) -> None:
        self._half = events_max // 2
        self._young: dict[int, ContentT] = {}
        self._old: dict[int, ContentT] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, identity: int) -> ContentT | None:
        """The content that was acknowledged under this identity, if it is remembered."""
        found = self._young.get(identity)
        return self._old.get(identity) if found is None else found

    def remember(self, acknowledged: Mapping[int, ContentT]) -> None:
        """Add what the broker has acknowledged, and only that."""
        self._young.update(acknowledged)
        if len(self._young) > self._half:
            self._old, self._young = self._young, {}
            if len(self._old) > self._half * 2:
                self._old = {}
