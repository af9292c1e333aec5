"""Reads the topics by hand, committed records only, and spills what they say."""

import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Self

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition
from pydantic import ValidationError

from schemas import topics
from schemas.codec import decode_record, encode
from schemas.errors import ContractError
from schemas.reference import CalendarRecord, PolicyRecord, ReferenceRecord, Unit, read_calendars, read_policies
from schemas.settings import Settings
from schemas.state import Dossier
from schemas.tallies import Progress
from schemas.topics import Topic
from services.audit.calendar import micros
from services.audit.rules import Rules
from services.audit.spill import Row, Spill
from services.audit.states import of_state, plain

FETCH_BYTES: Final = 1024 * 1024
WAIT_MS: Final = 20  # what is asked after a partition was read waits for a fetch at its end: 0.5 s by default
STATES: Final = topics.STATES.name

Tick = Callable[[int], None]  # so many records more were read
_DOSSIER: Final = msgspec.json.Decoder(Dossier)


class Log:
    """The topics of a deployment, and how far each partition was read."""

    def __init__(self, settings: Settings, consumer: AIOKafkaConsumer, spill: Spill, tick: Tick) -> None:
        self._settings, self._consumer, self._spill, self._tick = settings, consumer, spill, tick
        self._read_to: dict[TopicPartition, int] = {}
        self.last: dict[TopicPartition, int] = {}  # offset of the last record read
        self.progress: dict[int, tuple[Progress, int]] = {}  # latest heartbeat by partition; offset on its topic

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, spill: Spill, tick: Tick) -> AsyncIterator[Self]:
        """A consumer outside any group."""
        async with AIOKafkaConsumer(
            bootstrap_servers=settings.bootstrap,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_wait_ms=WAIT_MS,
        ) as consumer:
            yield cls(settings, consumer, spill, tick)

    def partitions(self, topic: Topic) -> list[TopicPartition]:
        """All partitions of a topic."""
        count = self._settings.partitions if topic.partitions == "setting" else topic.partitions
        return [TopicPartition(self._settings.topics[topic], partition) for partition in range(count)]

    async def rules(self) -> Rules:
        """Reference data as the processor reads it: topics, and under them the files of policies and calendars."""
        settings = self._settings
        return Rules(
            {**read_policies(settings.policies_file), **await self._reference(topics.POLICIES, PolicyRecord)},
            {**read_calendars(settings.calendars_file), **await self._reference(topics.CALENDARS, CalendarRecord)},
            await self._reference(topics.UNITS, Unit),
            default=settings.policy,
        )

    async def _reference(self, topic: Topic, model: type[ReferenceRecord]) -> dict[str, Any]:
        """The latest record of each id; what cannot be read is passed over."""
        found: dict[str, Any] = {}
        async for record in self._new(topic):
            id_ = (record.key or b"").decode(errors="replace")
            try:
                found[id_] = None if record.value is None else model.model_validate_json(record.value)
            except ValidationError:
                continue
        return {id_: record for id_, record in found.items() if record is not None}

    async def spill_events(self) -> None:
        """Every record of `dossier-events`."""
        await self._spill_each(topics.EVENTS, "records", _event_row)

    async def spill_states(self) -> None:
        """The latest state of every dossier."""
        await self._spill_each(topics.STATES, "claims", _state_row)
        self._spill.keep_latest(STATES)

    async def spill_letters(self) -> None:
        """The addresses and reasons of the dead letters."""
        await self._spill_each(topics.DEAD_LETTERS, "letters", _letter_row)

    async def spill_tallies(self) -> None:
        """Every share that is new since the last call; heartbeats are kept apart."""
        await self._spill_each(topics.TALLIES, "tallies", self._tally_row)

    async def counters(self, known: dict[str, tuple[int, int, dict[str, Any]]]) -> None:
        """Totals per unit, with partition and offset, that are new since the last call."""
        async for record in self._new(topics.COUNTERS):
            if record.key and record.value:
                known[record.key.decode()] = record.partition, record.offset, json.loads(record.value)

    async def _spill_each(self, topic: Topic, table: str, row_of: Callable[[Any], Row | None]) -> None:
        rows: list[Row] = []
        async for record in self._new(topic):
            if row := row_of(record):
                rows.append(row)
            if len(rows) >= 1000:
                self._spill.add(table, rows)
                self._tick(len(rows))
                rows = []
        self._spill.add(table, rows)
        self._tick(len(rows))

    def _tally_row(self, record: Any) -> Row | None:
        key = (record.key or b"").decode()
        if record.value is None:
            return None
        if key.startswith("/"):
            found = msgspec.json.decode(record.value, type=Progress)
            self.progress[found.partition] = found, record.offset
            return None
        value = json.loads(record.value)
        return key, value["partition"], value["offset"], value["as_of"], record.partition, record.offset, record.value

    async def _new(self, topic: Topic) -> AsyncIterator[Any]:
        """Records from where the last reading ended to the present end, one partition after another.

        Ends by position: the log may end in commit markers.
        """
        consumer = self._consumer
        for tp in self.partitions(topic):
            end = (await consumer.end_offsets([tp]))[tp]
            consumer.assign([tp])
            start = self._read_to.get(tp)
            if start is None:
                start = (await consumer.beginning_offsets([tp]))[tp]
            consumer.seek(tp, start)
            while await consumer.position(tp) < end:
                for record in (await consumer.getmany(tp, timeout_ms=200)).get(tp, []):
                    self.last[tp] = record.offset
                    yield record
            self._read_to[tp] = max(start, await consumer.position(tp))


def digest(key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes | None]]) -> str:
    """A record's bytes, absent ones told from empty ones; `DIGEST` in tables.py is the same in SQL."""
    parts = [b"-" if part is None else b"+" + part for part in (key, value)]
    parts += [name.encode() + b"=" + (text or b"") for name, text in headers]
    return hashlib.md5(b"\0".join(parts), usedforsecurity=False).hexdigest()


def _event_row(record: Any) -> Row:
    head = record.partition, record.offset, record.timestamp, digest(record.key, record.value, record.headers)
    try:
        event = decode_record(
            key=record.key, value=record.value, headers=[(name, text or b"") for name, text in record.headers]
        )
    except ContractError as error:
        return *head, str(error.reason), None, "", "", "", "", 0, None, None
    data = event.data
    due = None if data.due_at is None else micros(data.due_at)
    return (
        *head,
        "",
        *(event.subject, event.source, event.id, data.kind.value, data.unit_id, micros(event.time), due, encode(event)),
    )


def _state_row(record: Any) -> Row | None:
    dossier = (record.key or b"").decode(errors="replace")
    if record.value is None:
        return STATES, record.partition, record.offset, dossier, -1, None
    try:
        state = _DOSSIER.decode(record.value)
    except msgspec.MsgspecError:
        return STATES, record.partition, record.offset, dossier, -1, b'{"readable":false}'
    said = {"id": state.id, "offset": state.offset, **plain(of_state(state))}
    return STATES, record.partition, record.offset, dossier, state.offset, msgspec.json.encode(said)


def _letter_row(record: Any) -> Row | None:
    headers: Mapping[str, bytes] = dict(record.headers)
    reason = headers.get(topics.DLQ_REASON, b"").decode()
    partition, offset = (headers.get(name, b"-1") for name in (topics.DLQ_PARTITION, topics.DLQ_OFFSET))
    return int(partition), int(offset), reason, record.partition, record.offset


def moved_units(spill: Spill, cuts: Mapping[int, tuple[int, int]]) -> Counter[str]:
    """Units of which a share is newer than what is judged."""
    found: Counter[str] = Counter()
    for partition, (until, as_of) in cuts.items():
        query = "SELECT DISTINCT key FROM tallies WHERE partition = ? AND (until, as_of) > (?, ?)"
        found.update(str(key).partition("/")[0] for (key,) in spill.ask(query, partition, until, as_of))
    return found
