"""Where to go on after a start: the table is its own checkpoint, Kafka's committed offset is only a hint.

`decide` is the whole decision table, pure. Every case in which going on could lose, double or mix records is an error
of its own that says what was found and what to do; the sink then stops and nothing is written.
"""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One partition of a topic and the table it fills."""

    topic: str
    partition: int
    table: str

    def __str__(self) -> str:
        return f"{self.topic}:{self.partition} -> {self.table}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What a table holds of one partition."""

    last: int  # its highest offset
    batch_first: int | None = None  # first offset of its last insert; None: the table is not asked to repeat it
    missing: int = 0  # numbers up to `last` that neither hold a record nor were skipped by the log itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What Kafka holds of one partition: `start` is its first offset, `end` the next to be written."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Read from `at`. Up to `repeat_to`, if any, is the last insert: send it again, as it was, under its old token."""

    at: int
    repeat_to: int | None = None


class UnsafeStartError(Exception):
    """The table and the log do not belong together any more; nothing was written."""

    def __init__(self, place: Place, found: str, remedy: str) -> None:
        super().__init__(f"{place}: {found}. {remedy}")
        self.place = place


class TopicRecreatedError(UnsafeStartError):
    """The topic is not the one the table was filled from: its offsets mean something else now."""


class TableEmptiedError(UnsafeStartError):
    """The group has read the topic, yet the table holds nothing of it."""


class LogShorterError(UnsafeStartError):
    """The table holds offsets that the log has not reached: the topic was truncated or restored from a backup."""


class LogTruncatedError(UnsafeStartError):
    """The log begins after what the table still needs: retention or a deletion has made a hole."""


class TableHoleError(UnsafeStartError):
    """Records below the mark are missing in the table."""


_REBUILD = "To fill the table from the log anew, empty it and start with --rebuild"


def check_topic(*, topic: str, table: str, filled_from: tuple[str, UUID] | None, topic_id: UUID) -> None:
    """Raise `TopicRecreatedError` unless `table` is new or was filled from this very topic."""
    if filled_from is None or filled_from == (topic, topic_id):
        return
    place = Place(topic=topic, partition=0, table=table)
    if filled_from[0] != topic:
        found = f"the table was filled from the topic {filled_from[0]}"
        raise TopicRecreatedError(place, found, "Set HOSO_TOPIC_PREFIX as it was, or use a database of its own")
    found = f"the topic was created anew (its id was {filled_from[1]} and is {topic_id})"
    raise TopicRecreatedError(place, found, f"Bring the old topic back. {_REBUILD}")


def decide(place: Place, *, mark: Mark | None, committed: int | None, log: Log, rebuild: bool = False) -> Start:
    """The decision table. `rebuild`: the operator says that an empty table is meant to be filled from the start."""
    if mark is None:
        if committed is not None and not rebuild:
            found = f"offsets up to {committed} were read before, but the table is empty"
            raise TableEmptiedError(place, found, "Bring the table back, or start with --rebuild to fill it anew")
        return Start(at=log.start)
    if mark.missing:
        found = f"{mark.missing} offsets up to {mark.last} are missing in the table"
        raise TableHoleError(place, found, f"Bring the lost part back. {_REBUILD}")
    if mark.last >= log.end:
        found = f"the table holds offset {mark.last}, but the log ends before {log.end}"
        raise LogShorterError(place, found, f"Bring the log back. {_REBUILD}")
    if mark.last + 1 < log.start:
        found = f"the table ends at offset {mark.last}, but the log begins at {log.start}"
        raise LogTruncatedError(place, found, "Bring the log back from a copy; what is between is lost otherwise")
    if mark.batch_first is None or mark.batch_first < log.start:
        return Start(at=mark.last + 1)
    return Start(at=mark.batch_first, repeat_to=mark.last)
