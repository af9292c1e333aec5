"""Runs of records of one partition, cut into batches: the unit of insert, retry and proof."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from services.sink.clickhouse import Columns

BYTES_MAX: Final = 64 * 1024 * 1024
"""A batch of long records is cut earlier: far below the 256 MB at which the engine would make two parts of it."""

BEHIND_TIMES: Final = 4
"""A batch that would have to wait for another insert anyway grows for so many times its wait, but is not forgotten."""


class Record(Protocol):
    """What we read of a Kafka record."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Records of one partition, in offset order, with none of the log's records left out in between."""

    topic: str
    partition: int
    records: Sequence[Record]
    prev_offset: int  # of the record before the first; -1: there is none
    repeats: bool = False  # an insert of an earlier run, again; no records at all: the log has lost them

    @property
    def first_offset(self) -> int:
        """Offset of the first record."""
        return self.records[0].offset

    @property
    def last_offset(self) -> int:
        """Offset of the last record."""
        return self.records[-1].offset

    @property
    def token(self) -> str:
        """Equal offsets give an equal token, so the server drops a repeated insert."""
        return f"{self.topic}:{self.partition}:{self.first_offset}:{self.last_offset}"


@dataclass(frozen=True, slots=True)
class Rows:
    """What a batch becomes: the columns of its table, and the records that could not be read for it."""

    columns: Columns
    unreadable: Sequence[Record] = ()


@dataclass(slots=True, kw_only=True)
class Cutter:
    """Collects one partition's records until they make a batch: enough rows, enough bytes, or waited enough.

    `repeat_to`: the first batch repeats an earlier insert and ends exactly there, whatever its size and wait.
    """

    topic: str
    partition: int
    prev_offset: int
    rows_max: int
    wait_s: float
    repeat_to: int | None = None
    _records: list[Record] = field(default_factory=list)
    _bytes: int = 0
    _since: float = 0.0

    @property
    def first_offset(self) -> int | None:
        """Offset of the oldest record that still waits."""
        return self._records[0].offset if self._records else None

    @property
    def due_at(self) -> float | None:
        """When what waits has waited enough; None: nothing waits, or it waits for its last record."""
        return self._since + self.wait_s if self._records and self.repeat_to is None else None

    def add(self, records: Sequence[Record], *, now: float) -> None:
        """Take the next records."""
        if not self._records:
            self._since = now
        self._records.extend(records)
        self._bytes += sum(len(record.value or b"") for record in records)

    def cut(self, *, now: float, behind: bool = False) -> Batch | None:
        """The next batch, if there is one yet; `behind` another insert a small one waits and grows for longer."""
        if not self._records:
            return None
        if self.repeat_to is not None:
            if self._records[-1].offset < self.repeat_to:
                return None
            rows = sum(record.offset <= self.repeat_to for record in self._records)
            self.repeat_to = None
            return self._take(rows, now=now, repeats=True)
        if len(self._records) >= self.rows_max:
            return self._take(self.rows_max, now=now)
        wait_s = self.wait_s * (BEHIND_TIMES if behind else 1)
        if self._bytes >= BYTES_MAX or now >= self._since + wait_s:
            return self._take(len(self._records), now=now)
        return None

    def _take(self, rows: int, *, now: float, repeats: bool = False) -> Batch:
        taken, self._records = self._records[:rows], self._records[rows:]
        self._bytes = sum(len(record.value or b"") for record in self._records)
        self._since = now
        batch = Batch(
            topic=self.topic, partition=self.partition, records=taken, prev_offset=self.prev_offset, repeats=repeats
        )
        self.prev_offset = taken[-1].offset if taken else self.prev_offset
        return batch
