"""Stand-ins that behave like the real thing where a test asks for it."""

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.codec import STRUCTURED, Event, encode


@dataclass(slots=True)
class FakeRecord:
    """A consumed Kafka record."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = (("content-type", STRUCTURED.encode()),)
    topic: str = "dossier-events"
    partition: int = 0
    timestamp: int = 0
    timestamp_type: int = 0


def records_of(events: Sequence[Event], *, first: int = 0) -> list[FakeRecord]:
    """The events as they would lie in one partition."""
    return [
        FakeRecord(offset=offset, key=event.subject.encode(), value=encode(event))
        for offset, event in enumerate(events, start=first)
    ]
