"""What one partition of `dossier-events` owns, and the only hand that writes for it.

Opening a shard, in this order: start the transactional producer (fences the earlier owner and ends its open
transaction), take the group's committed offset, read the states topic from where the cache ends. What was folded while
one transaction travelled is the next one, so transactions are small and quick when little comes, and large when the
worker is behind: states, tallies, parked records and the input offset move together or not at all. With the offset goes
the moment that the counters are as of, for whoever opens the shard next.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import aclosing
from time import monotonic
from typing import Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from schemas import topics
from schemas.codec import Event
from schemas.errors import ContractError
from schemas.settings import Settings
from streams.cache import Cache, CacheError
from streams.domain.tally import BOOK_VERSION
from streams.kafka import Log, Message, partition_of, send_all, transactional_producer
from streams.ledger import Changes, Ledger, names_of, read_records, refuse_unknown
from streams.reference import Reference
from streams.slices import Record, Slice

log = structlog.get_logger()

# Between the beginnings of two transactions: one costs worker and broker some 3 ms however little it holds. With less
# between them, counters come later, because both are busy with transactions (benchmarks/latency.py).
TRANSACTION_EVERY_S: Final = 0.05
PORTION_EVENTS: Final = 100  # folded at a stretch, about 2 ms
RENEWED_MAX: Final = 5_000  # dossiers of one transaction when rules change
CLOCKS_APART_US: Final = 60_000_000  # by which another worker's clock may be ahead of ours


class Shard:
    """One partition's ledger, its next offset and its producer. Calls are made under `lock`, one at a time."""

    def __init__(self, *, partition: int, settings: Settings, reference: Reference, now: Callable[[], int]) -> None:
        self.partition = partition
        self.lock = asyncio.Lock()
        self.next = 0
        self._settings = settings
        self._reference = reference
        self._now = now
        self._log = Log(settings.bootstrap)
        self._ledger: Ledger | None = None
        self._producer: AIOKafkaProducer | None = None
        self._pending: asyncio.Task[None] | None = None  # transactions, one after the other
        self._due = False  # there is something to commit after the one that travels
        self._parts = False  # counters by procedure go with it
        self._folded = 0  # events since the last transaction began
        self._room = asyncio.Event()
        self._begun_at = 0.0  # the last transaction, by the machine's clock
        self._states_end = -1  # of the states topic when this shard was last closed

    @property
    def ledger(self) -> Ledger:
        """The books; only an open shard has them."""
        assert self._ledger is not None
        return self._ledger

    @property
    def is_open(self) -> bool:
        """Whether this process owns the partition's producer."""
        return self._producer is not None

    async def open(self) -> None:
        """Fence, read back, take the committed offset. A shard that nobody wrote for meanwhile reads nothing."""
        settings, names = self._settings, self._settings.topics
        producer = transactional_producer(settings.bootstrap, f"{settings.group}-{self.partition}")
        await producer.start()
        try:
            self.next, said = await self._log.committed(settings.group, names[topics.EVENTS], self.partition)
            moment = followed(said, self._now())
            end = await self._log.end_offset(names[topics.STATES], self.partition)
            if self._ledger is None or end != self._states_end or moment < self._ledger.as_of:
                self.leave()
                self._ledger = await self._read_back(names[topics.STATES], moment)
            self._ledger.advance(moment)
        except BaseException:
            await producer.stop()
            raise
        self._producer = producer
        self._due, self._parts, self._folded = False, False, 0  # what an earlier failure left
        log.info("shard open", partition=self.partition, dossiers=self._ledger.dossiers, next=self.next)

    async def close(self, *, keep: bool) -> None:
        """Finish the pending transaction and give the producer up; `keep` the books for a warm reopening."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            if keep:
                await self.settle()
                self._states_end = await self._log.end_offset(self._settings.topics[topics.STATES], self.partition)
        except (KafkaError, CacheError) as error:
            log.warning("shard not kept", partition=self.partition, error=type(error).__name__)
            keep = False
        finally:
            if not keep:
                if self._pending is not None:
                    self._pending.cancel()
                    await asyncio.gather(self._pending, return_exceptions=True)
                self.leave()
            self._pending = None
            await producer.stop()

    def leave(self) -> None:
        """Forget the books, if there are any; the cache stays as it was at the last checkpoint."""
        ledger, self._ledger = self._ledger, None
        if ledger is not None:
            ledger.cache.close()

    async def joins(self, slice_: Slice) -> bool:
        """Whether this slice continues the books; False: it was seen before, or something before it is missing.

        A slice that begins above `next` may follow numbers without a record (commit markers, retention). Only the log
        can tell: when it has a record in between, the slice must not be folded.
        """
        if slice_.offset < self.next:
            return False
        first = slice_.value[0].offset
        if first <= self.next:
            return True
        return await self._log.first_offset_from(slice_.topic, self.partition, self.next) == first

    async def catch_up(self) -> bool:
        """Pass over numbers without a record at the log's end; False when a record waits there that never came."""
        topic = self._settings.topics[topics.EVENTS]
        end = await self._log.end_offset(topic, self.partition)
        if end > self.next:
            if await self._log.first_offset_from(topic, self.partition, self.next) is not None:
                return False
            self.next = end
        return True

    async def take(self, slice_: Slice) -> None:
        """Fold a slice that joins, and have it committed; while too much is on its way, wait first."""
        records = [record for record in slice_.value if record.offset >= self.next]
        await self._wait_for_room()
        self.ledger.advance(self._now())
        for start in range(0, len(records), PORTION_EVENTS):
            portion = records[start : start + PORTION_EVENTS]
            read = await self._read(portion)
            self.ledger.fold(portion, read)
            self.next = portion[-1].offset + 1  # at once: a transaction may begin whenever we wait
            self._folded += len(portion)
            await asyncio.sleep(0)  # the transactions of other partitions travel meanwhile
        self._commit()

    async def tick(self) -> None:
        """Publish what the clock alone changed, and the heartbeat."""
        self.ledger.advance(self._now())
        self._commit(parts=True)

    async def go_by_reference(self) -> None:
        """Take over the rules that the reference data has now, and fold anew what others concluded."""
        await self.settle()
        self.ledger.go_by(self._reference.rules)
        self.ledger.advance(self._now())
        renewed = 0
        while self.ledger.renew(RENEWED_MAX):
            renewed += 1
            self._commit(parts=True)
            await self.settle()
            self.ledger.advance(self._now())
        if renewed:
            log.info("folded anew by changed rules", partition=self.partition, rules=self._reference.rules.fingerprint)

    async def settle(self) -> None:
        """Await everything that is to be committed, and raise what that raised."""
        if self._pending is not None:
            await self._pending

    async def _read(self, records: Sequence[Record]) -> list[Event | ContractError]:
        read = read_records(records)
        units, policies = names_of(read)
        reference = self._reference
        if not (units <= reference.units and policies <= reference.rules.own_calendar.keys()):
            await reference.refresh()  # a unit or policy is written before the events that name it
        known = reference.rules.own_calendar
        if units <= reference.units and policies <= known.keys():
            return read
        return [refuse_unknown(event, units=reference.units, policies=known) for event in read]

    def _commit(self, *, parts: bool = False) -> None:
        """Have all that is folded committed, now or right after the transaction that travels.

        Counters by procedure (`parts`) go with the tick alone: there are too many of them for every slice.
        """
        self._raise_failure()
        self._due, self._parts = True, self._parts or parts
        if self._pending is None or self._pending.done():
            assert self._producer is not None
            self._pending = asyncio.create_task(self._travel(self._producer))

    def _raise_failure(self) -> None:
        if self._pending is not None and self._pending.done():
            self._pending.result()

    async def _wait_for_room(self) -> None:
        self._raise_failure()
        if self._folded >= self._settings.slice_events_max:
            self._room.clear()
            await self._room.wait()
            self._raise_failure()

    async def _travel(self, producer: AIOKafkaProducer) -> None:
        """One transaction after the other until nothing is due."""
        try:
            while self._due:
                await asyncio.sleep(self._begun_at + TRANSACTION_EVERY_S - monotonic())
                self._begun_at = monotonic()
                ledger = self.ledger
                changes = ledger.take_changes(next_offset=self.next, parts=self._parts)
                self._due, self._parts, self._folded = False, False, 0
                self._room.set()
                ledger.keep(changes, await self._transact(producer, changes))
        finally:
            self._room.set()  # whoever waits finds out what failed

    async def _transact(self, producer: AIOKafkaProducer, changes: Changes) -> int | None:
        """Publish all of it at once; the offset of the last state, if there was one."""
        settings, names = self._settings, self._settings.topics
        tallies: dict[int, list[Message]] = defaultdict(list)
        for unit, key, value in changes.tallies:
            tallies[partition_of(unit, settings.partitions)].append((key, value, []))
        # No abort on an error: the shard is closed and opened again, and opening ends what was left open.
        await producer.begin_transaction()
        last_state, *_ = await asyncio.gather(
            send_all(producer, names[topics.STATES], self.partition, [(*state, []) for state in changes.states]),
            send_all(producer, names[topics.DEAD_LETTERS], self.partition, map(_dead_letter, changes.parked)),
            *(send_all(producer, names[topics.TALLIES], partition, sent) for partition, sent in tallies.items()),
        )
        # Not beside the others: the broker answers `NOT_ENOUGH_REPLICAS` to a batch while a group is being added, and
        # the producer waits 100 ms before it tries again.
        tp = TopicPartition(names[topics.EVENTS], self.partition)
        position = OffsetAndMetadata(changes.progress.offset, str(changes.progress.as_of))
        await producer.send_offsets_to_transaction({tp: position}, settings.group)
        await producer.commit_transaction()
        return last_state

    async def _read_back(self, topic: str, moment: int) -> Ledger:
        """The books of the cache, and what the topic got since; all of the topic when that does not go together."""
        settings = self._settings
        folder = settings.var / "worker" / str(settings.worker_port) / f"{topic}-{self.partition}"
        cache = Cache(folder, book=BOOK_VERSION)
        try:
            ledger = Ledger(partition=self.partition, rules=self._reference.rules, cache=cache)
            if moment < ledger.as_of or not await self._read_on(ledger, topic):
                log.warning("the cache does not lead to what was published, not used", partition=self.partition)
                cache.clear()
                ledger = Ledger(partition=self.partition, rules=self._reference.rules, cache=cache)
                await self._read_on(ledger, topic)
        except BaseException:
            cache.close()
            raise
        return ledger

    async def _read_on(self, ledger: Ledger, topic: str) -> bool:
        """Load what comes after the books; False when they are those of another topic."""
        is_known = ledger.read_to < 0
        if is_known:
            ledger.advance(self._now())
        async with aclosing(self._log.read_to_end(topic, self.partition, start=max(ledger.read_to, 0))) as runs:
            async for records in runs:
                is_known = is_known or ledger.follows(records[0])
                if not is_known:
                    break
                ledger.load(records)
        return is_known


def followed(said: str, now: int) -> int:
    """The moment that the last transaction's counters are as of; -1: its clock was wrong, do not go on from there.

    Books of an earlier moment lead to the same counters once the clock has passed it. From later books they do not:
    somebody with an earlier clock has put counters back, and nobody would correct them. Such books are made anew, and
    then all counters are published.
    """
    moment = int(said) if said.isdecimal() else 0  # a tool that moved the offset says nothing, or something else
    return moment if moment <= now + CLOCKS_APART_US else -1


def _dead_letter(parked: tuple[Record, ContractError]) -> Message:
    """The record as it was, with its address and the first reason against it."""
    record, error = parked
    flaw = error.flaws[0]
    headers = [
        *record.headers,
        (topics.DLQ_REASON, flaw.reason.encode()),
        (topics.DLQ_DETAIL, f"{flaw.pointer}: {flaw.message}".encode()),
        (topics.DLQ_TOPIC, record.topic.encode()),
        (topics.DLQ_PARTITION, str(record.partition).encode()),
        (topics.DLQ_OFFSET, str(record.offset).encode()),
    ]
    return record.key or b"", record.value, headers
