"""A worker that comes back: whatever its cache holds, what it publishes equals a recount of the states.

Hypothesis plays one partition: events in any order, transactions with and without parts, the clock, kills at any point,
two workers that take the partition from one another, deleted caches and rules that change. Little fits into memory.
"""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from schemas.codec import encode
from schemas.events import Kind
from schemas.state import Dossier
from schemas.tallies import Progress, Tally, tally_key
from streams import cache as cache_module
from streams import ledger as ledger_module
from streams import states as states_module
from streams.cache import Cache
from streams.domain.dossier import fold, history_of, micros
from streams.domain.tally import BOOK_VERSION, recount, without_zeros
from streams.domain.working_time import DAY_US
from streams.ledger import Changes, Ledger, read_records
from streams.shard import followed
from tests.factories import at, event, rules
from tests.fakes import FakeRecord
from tests.hostile.histories import hostile

RULEBOOKS = [rules(), rules(default="vn-instant-1")]
DAYS = st.sampled_from([-1, 0, 1, 1, 3, 10])
WORKERS = st.sampled_from("aab")
NUMBERS = st.sampled_from(range(len(RULEBOOKS)))
COUNTS = st.integers(1, 12)
DOSSIERS = [f"d{number}" for number in range(4)]


class Partition(RuleBasedStateMachine):
    """What lies in Kafka for one partition, and the worker that has it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = micros(at("2020-12-10 08:00"))
        self.rules = RULEBOOKS[0]
        self.log: list[FakeRecord] = []
        self.states: list[FakeRecord] = []
        self.published: dict[str, Tally] = {}
        self.progress: Progress | None = None
        self.committed = 0

    @initialize(random=st.randoms(use_true_random=False))
    def events_come(self, random: Any) -> None:
        arrivals = [(dossier, msgspec.json.encode(each)) for dossier in DOSSIERS for each in hostile(random, dossier)]
        random.shuffle(arrivals)
        for days, dossier in enumerate(DOSSIERS, 3):  # some are open, whatever else comes
            accepted = event(Kind.ACCEPTED, "2020-12-09 08:00", dossier=dossier, due_at=f"2020-12-{5 * days} 17:00")
            arrivals.insert(random.randrange(10), (dossier, encode(accepted)))
        self.log = [FakeRecord(offset, key.encode(), value) for offset, (key, value) in enumerate(arrivals)]
        self._root = TemporaryDirectory()
        self.open("a")

    def open(self, worker: str) -> None:
        """As a shard does it: the cache, the states that it lacks, the moment, the offset, the rules."""
        self.worker = worker
        self.cache = Cache(Path(self._root.name) / worker, book=BOOK_VERSION)
        self.books = Ledger(partition=0, rules=self.rules, cache=self.cache)
        moment = followed(str(self.progress.as_of) if self.progress else "", self.now)
        if moment < self.books.as_of:
            self.cache.clear()
            self.books = Ledger(partition=0, rules=self.rules, cache=self.cache)
        if self.books.read_to < 0:
            self.books.advance(self.now)
        tail = self.states[max(self.books.read_to, 0) :]
        assert not tail or self.books.follows(tail[0])
        for run in (tail[:3], tail[3:]):
            if run:
                self.books.load(run)
        self.books.advance(moment)
        self.next = self.committed
        self.go_by(self.rules)

    def go_by(self, rulebook: Any) -> None:
        self.rules = rulebook
        self.books.go_by(rulebook)
        self.books.advance(self.now)
        while self.books.renew(2):
            self.books.keep(changes := self.books.take_changes(next_offset=self.next), self.publish(changes))
            self.books.advance(self.now)

    def publish(self, changes: Changes) -> int | None:
        """A transaction; the offset of its last state."""
        for key, value in changes.states:
            self.states.append(FakeRecord(len(self.states), key, value))
        for _, key, value in changes.tallies:
            if not key.startswith(b"/"):
                self.published[key.decode()] = msgspec.json.decode(value, type=Tally)
        self.progress, self.committed = changes.progress, self.next
        return len(self.states) - 1 if changes.states else None

    @rule(parts=st.booleans())
    def commit(self, parts: bool) -> None:
        changes = self.books.take_changes(next_offset=self.next, parts=parts)
        self.books.keep(changes, self.publish(changes))
        if parts:
            self.check()

    @rule(count=COUNTS)
    def fold(self, count: int) -> None:
        records = self.log[self.next : self.next + count]
        self.books.advance(self.now)
        self.books.fold(records, read_records(records))
        self.next += len(records)

    @rule(days=DAYS)
    def clock_goes(self, days: int) -> None:
        self.now += days * DAY_US + 1
        self.books.advance(self.now)

    @rule(worker=WORKERS, rulebook=NUMBERS)
    def killed(self, worker: str, rulebook: int) -> None:
        self.cache.close()
        self.rules = RULEBOOKS[rulebook]
        self.open(worker)

    @rule(days=DAYS)
    def stopped_for_days(self, days: int) -> None:
        self.commit(parts=True)
        self.killed(self.worker, rulebook=0)
        self.clock_goes(days)
        self.commit(parts=True)

    @rule(counts=st.lists(COUNTS, min_size=2, max_size=4))
    def another_has_it_for_a_while(self, counts: list[int]) -> None:
        worker, rulebook = self.worker, RULEBOOKS.index(self.rules)
        self.commit(parts=True)
        self.killed("b" if worker == "a" else "a", rulebook)
        for count in counts[1:]:
            self.fold(count)
            self.commit(parts=True)
        self.fold(counts[0])
        self.commit(parts=False)
        self.killed(worker, rulebook)
        self.commit(parts=True)

    @rule(parts=st.booleans(), worker=WORKERS, rulebook=NUMBERS)
    def killed_before_it_was_kept(self, parts: bool, worker: str, rulebook: int) -> None:
        self.publish(self.books.take_changes(next_offset=self.next, parts=parts))
        self.killed(worker, rulebook)

    @rule(parts=st.booleans(), count=COUNTS, days=DAYS)
    def folds_while_a_transaction_travels(self, parts: bool, count: int, days: int) -> None:
        changes = self.books.take_changes(next_offset=self.next, parts=parts)
        last = self.publish(changes)
        self.clock_goes(days)
        self.fold(count)
        self.books.keep(changes, last)

    @rule()
    def cache_is_deleted(self) -> None:
        self.cache.close()
        shutil.rmtree(Path(self._root.name) / self.worker)
        self.open(self.worker)

    @rule(rulebook=NUMBERS)
    def rules_change(self, rulebook: int) -> None:
        self.commit(parts=True)
        self.go_by(RULEBOOKS[rulebook])

    def check(self) -> None:
        latest = {record.key: msgspec.json.decode(record.value or b"", type=Dossier) for record in self.states}
        for dossier in latest.values():
            anew = fold(dossier.id, history_of(dossier), self.rules)
            anew.offset = dossier.offset
            assert anew == dossier
        assert self.progress is not None
        book = recount(latest.values(), self.progress.as_of)
        expected = {tally_key(unit_id=key[0], partition=0, subset=key[1]): book.stock[key] for key in book.stock}
        expected |= {
            tally_key(unit_id=unit, partition=0, day=day, subset=part): counts
            for (unit, part, day), counts in book.flow.items()
        }
        assert {key: found for key, tally in self.published.items() if (found := tally.counts)} == {
            key: counted for key, counts in expected.items() if (counted := without_zeros(counts))
        }
        assert self.progress.dossiers == len(latest)
        assert self.progress.anomalies == sum(len(dossier.anomalies) for dossier in latest.values())

    def teardown(self) -> None:
        try:
            self.commit(parts=True)
        finally:
            self.cache.close()
            self._root.cleanup()


def test_what_is_published_equals_a_recount_through_kills_moves_and_deleted_caches(monkeypatch):
    monkeypatch.setattr(cache_module, "FILLED_MAX", 2)
    monkeypatch.setattr(states_module, "GENERATION", 1)
    monkeypatch.setattr(ledger_module, "COUNTS_KEPT_MAX", 2)
    options = settings(max_examples=100, stateful_step_count=30, deadline=None)
    run_state_machine_as_test(Partition, settings=options)
