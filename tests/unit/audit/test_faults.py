"""The audit over the real engine and topics in memory: silent on what is right; each of ten and more faults by name.

A seeded generator of hostile histories fills the log, the processor's own books derive states and counters from it,
and every topic is stored as the sink would store it.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from aiokafka.structs import TopicPartition

from schemas import topics
from schemas.reference import read_units
from schemas.settings import Settings
from schemas.tallies import Tally
from schemas.topics import Topic
from services.audit import log as log_module
from services.audit.findings import Difference
from services.audit.run import Audit, audit
from services.sink.batches import Batch
from services.sink.clickhouse import Warehouse, open_embedded
from services.sink.migrations import migrate, read_migrations
from services.sink.targets import TARGETS
from streams.domain.dossier import micros
from streams.domain.totals import Totals
from streams.ledger import Ledger, read_records, refuse_unknown
from streams.shard import _dead_letter
from tests.caches import new_cache
from tests.factories import at, rules
from tests.hostile.histories import hostile
from tests.unit.audit.memory import Record, Topics

NOW = micros(at("2021-04-01 08:00"))
DOSSIERS = 60
PARTITIONS = (0, 1)
SETTINGS = Settings(partitions=len(PARTITIONS), tick_s=0.01)
RULES = rules()
UNITS = read_units()

State = dict[str, Any]


@dataclass
class Stand:
    """Topics with everything derived, and the tables."""

    topics: Topics
    warehouse: Warehouse

    def records(self, topic: Topic, partition: int) -> list[Record]:
        """Everything in a partition."""
        return list(self.topics.records[TopicPartition(topic.name, partition)])

    def write(self, topic: Topic, partition: int, key: str, value: bytes | None) -> int:
        """A record as any producer may write it; its offset."""
        return self.topics.write(topic.name, partition, key.encode(), value)

    def upstream(self) -> None:
        """Hostile histories of many dossiers, mixed, with bytes that are no event and numbers without a record."""
        random = Random("audit")
        arrivals = [hostile(random, f"d{number}") for number in range(DOSSIERS)]
        mixed = [
            (f"d{number}", msgspec.json.encode(each)) for number, arrival in enumerate(arrivals) for each in arrival
        ]
        random.shuffle(mixed)
        mixed[50:50] = [("d1", b"no event"), ("d2", b"{}")]
        for number, (key, value) in enumerate(mixed):
            partition = int(key[1:]) % len(PARTITIONS)
            self.write(topics.EVENTS, partition, key, value)
            if number % 100 == 99:
                self.topics.mark(topics.EVENTS.name, partition)
        for partition in PARTITIONS:
            self.topics.mark(topics.EVENTS.name, partition)
        for unit in UNITS:
            self.write(topics.UNITS, 0, unit.id, unit.model_dump_json().encode())

    def derive(self) -> None:
        """States, shares, dead letters and totals, slice by slice."""
        known = {unit.id for unit in UNITS}
        totals = Totals()
        for partition in PARTITIONS:
            books = Ledger(partition=partition, rules=RULES, cache=new_cache())
            found = self.records(topics.EVENTS, partition)
            for start in range(0, len(found), 100):
                slice_ = found[start : start + 100]
                read = [refuse_unknown(e, units=known, policies=RULES.own_calendar) for e in read_records(slice_)]
                books.advance(NOW)
                books.fold(slice_, read)
                changes = books.take_changes(next_offset=slice_[-1].offset + 1)
                for key, value in changes.states:
                    self.topics.write(topics.STATES.name, partition, key, value)
                for unit, key, value in changes.tallies:
                    self.topics.write(topics.TALLIES.name, len(unit) % 2, key, value)
                    if not key.startswith(b"/"):
                        totals.apply(msgspec.json.decode(value, type=Tally))
                for letter in map(_dead_letter, changes.parked):
                    self.topics.write(topics.DEAD_LETTERS.name, partition, *letter)
        for unit in totals.units():
            self.write(topics.COUNTERS, 0, unit, msgspec.json.encode(totals.counters(unit)))

    def store(self) -> None:
        """Every topic into its table."""
        for target in TARGETS:
            for partition in PARTITIONS if target.topic.partitions == "setting" else (0,):
                if found := self.records(target.topic, partition):
                    batch = Batch(topic=target.topic.name, partition=partition, records=found, prev_offset=-1)
                    self.warehouse.insert(target.table, target.read(batch).columns, token=batch.token)

    def audited(self) -> Audit:
        """What the audit says now."""
        return asyncio.run(audit(SETTINGS, warehouse=self.warehouse, monitor=None, wait_s=0, shown=100))

    def states(self) -> list[tuple[int, int, str, State]]:
        """Partition, offset, dossier and value of each latest state, those that count most first."""
        latest = {}
        for partition in PARTITIONS:
            for record in self.records(topics.STATES, partition):
                if record.value is not None:
                    state = json.loads(record.value)
                    latest[record.key] = partition, record.offset, record.key.decode(), state
        return sorted(latest.values(), key=lambda state: (-len(state[3].get("flows", ())), state[2]))


@contextmanager
def stand(folder: Path) -> Iterator[Stand]:
    warehouse = open_embedded(folder)
    try:
        migrate(warehouse, read_migrations())
        found = Stand(Topics(), warehouse)
        found.upstream()
        found.derive()
        found.store()
        yield found
    finally:
        warehouse.close()


def test_a_clean_stand_is_equal_and_each_fault_is_named(tmp_path, monkeypatch):
    with stand(tmp_path) as stand_:
        monkeypatch.setattr(log_module, "AIOKafkaConsumer", stand_.topics.consumer)
        clean = stand_.audited()
        assert (clean.differences, clean.equal) == ([], True)
        assert clean.compared["dossier-states"] > DOSSIERS / 2
        assert min(clean.compared.values()) > 2
        known: set[tuple[Any, ...]] = set()
        for inject in FAULTS:
            expected = inject(stand_)
            found = {_name(difference) for difference in stand_.audited().differences}
            assert expected <= found - known, (inject.__name__, expected - found, found - known)
            known |= found


def _name(difference: Difference) -> tuple[Any, ...]:
    return difference.place, difference.what, difference.subject, difference.partition, difference.offset


FAULTS: list[Callable[[Stand], Any]] = []


def fault(inject: Callable[[Stand], Any]) -> Callable[[Stand], Any]:
    """A fault: does its harm and tells the names of the differences that must be found."""
    FAULTS.append(inject)
    return inject


@fault
def a_share_off_by_one(stand_: Stand) -> set[Any]:
    for partition in PARTITIONS:
        for record in stand_.records(topics.TALLIES, partition):
            value = json.loads(record.value)
            if value.get("day") and not value.get("subset"):
                value["counts"]["received_direct"] = value["counts"].get("received_direct", 0) + 1
                key = record.key.decode()
                offset = stand_.write(topics.TALLIES, partition, key, msgspec.json.encode(value))
                return {("unit-tallies", "differs", key, partition, offset)}
    raise AssertionError("no share of a day")


@fault
def a_missing_raw_row(stand_: Stand) -> set[Any]:
    return {("raw.events", "missing", *_harm(stand_, "DELETE WHERE", 3))}


@fault
def a_changed_byte(stand_: Stand) -> set[Any]:
    change = "UPDATE value = replaceOne(value, '2021', '2022') WHERE"
    return {("raw.events", "differs", *_harm(stand_, change, 8))}


@fault
def a_raw_row_of_another_unit(stand_: Stand) -> set[Any]:
    return {("raw.events", "differs", *_harm(stand_, "UPDATE unit_id = 'nobody' WHERE", 12))}


@fault
def a_raw_row_stored_twice(stand_: Stand) -> set[Any]:
    record = (stand_.records(topics.EVENTS, 1))[4]
    before = (stand_.records(topics.EVENTS, 1))[3].offset
    batch = Batch(topic="again", partition=1, records=[record], prev_offset=before)
    stand_.warehouse.command("SYSTEM STOP MERGES raw.events")  # two rows stay two, and no other change comes through
    stand_.warehouse.insert("raw.events", TARGETS[0].read(batch).columns, token="another")
    return {("raw.events", "duplicate", record.key.decode(), 1, record.offset)}


def _harm(stand_: Stand, change: str, number: int) -> tuple[str, int, int]:
    """Change one row of `raw.events`; its dossier, partition and offset."""
    ((dossier, offset),) = stand_.warehouse.query(
        "SELECT dossier_id, koffset FROM raw.events WHERE kpart = 0 AND flaw = '' AND value LIKE '%2021%' "
        f"ORDER BY koffset LIMIT 1 OFFSET {number}"
    )
    stand_.warehouse.command(
        f"ALTER TABLE raw.events {change} kpart = 0 AND koffset = {offset} SETTINGS mutations_sync = 1"
    )
    return dossier, 0, offset


def _restate(stand_: Stand, number: int, **changes: Any) -> set[Any]:
    """Write a state with other content; the difference on the topic."""
    partition, _, dossier, state = (stand_.states())[number]
    offset = stand_.write(topics.STATES, partition, dossier, msgspec.json.encode(state | changes))
    return {("dossier-states", "differs", dossier, partition, offset)}


@fault
def a_state_of_another_unit(stand_: Stand) -> set[Any]:
    return _restate(stand_, 0, unit_id="06820")


@fault
def a_flow_on_another_day(stand_: Stand) -> set[Any]:
    _, _, _, state = (stand_.states())[1]
    (_, unit, counter), *rest = state["flows"]
    return _restate(stand_, 1, flows=[["2021-06-06", unit, counter], *rest])


@fault
def a_stale_state(stand_: Stand) -> set[Any]:
    latest = {dossier: offset for _, offset, dossier, _ in stand_.states()}
    for partition in PARTITIONS:
        for record in stand_.records(topics.STATES, partition):
            dossier = record.key.decode()
            if record.offset < latest[dossier] and json.loads(record.value).get("status"):
                offset = stand_.write(topics.STATES, partition, dossier, record.value)
                return {("dossier-states", "differs", dossier, partition, offset)}
    raise AssertionError("no dossier has two states")


@fault
def a_state_that_was_deleted(stand_: Stand) -> set[Any]:
    partition, _, dossier, state = (stand_.states())[3]
    stand_.write(topics.STATES, partition, dossier, None)
    return {("dossier-states", "missing", dossier, partition, state["offset"])}


@fault
def a_state_of_a_dossier_without_events(stand_: Stand) -> set[Any]:
    partition, _, _, state = (stand_.states())[4]
    offset = stand_.write(topics.STATES, partition, "ghost", msgspec.json.encode(state | {"id": "ghost"}))
    return {("dossier-states", "foreign", "ghost", partition, offset)}


@fault
def a_total_off_by_one(stand_: Stand) -> set[Any]:
    for partition in PARTITIONS:
        for record in stand_.records(topics.COUNTERS, partition):
            value = json.loads(record.value)
            counter = next(iter(value["total"]))
            value["total"][counter] += 1
            unit = record.key.decode()
            offset = stand_.write(topics.COUNTERS, partition, unit, msgspec.json.encode(value))
            return {("unit-counters", "differs", unit, partition, offset)}
    raise AssertionError("no totals")


@fault
def a_row_of_core_with_another_outcome(stand_: Stand) -> set[Any]:
    ((dossier, partition, offset),) = stand_.warehouse.query(
        "SELECT dossier_id, kpart, koffset FROM core.dossiers FINAL WHERE outcome != '' "
        "ORDER BY dossier_id DESC LIMIT 1"
    )
    stand_.warehouse.command(
        f"ALTER TABLE core.dossiers UPDATE outcome = 'lost' WHERE dossier_id = '{dossier}' AND koffset = {offset} "
        "SETTINGS mutations_sync = 1"
    )
    return {("core.dossiers", "differs", dossier, partition, offset)}


@fault
def a_stored_share_that_is_lost(stand_: Stand) -> set[Any]:
    unit, day, partition = stand_.warehouse.query(
        "SELECT unit_id, toString(day), partition FROM core.tallies FINAL WHERE scope = 'flow' AND subset = '' "
        "ORDER BY unit_id DESC, day DESC LIMIT 1"
    )[0]
    stand_.warehouse.command(
        "ALTER TABLE core.tallies DELETE WHERE scope = 'flow' AND subset = '' "
        f"AND unit_id = '{unit}' AND day = '{day}' AND partition = {partition} SETTINGS mutations_sync = 1"
    )
    key = f"{unit}/{partition}/{day}"
    records = [record for kpart in PARTITIONS for record in stand_.records(topics.TALLIES, kpart)]
    record = [record for record in records if record.key.decode() == key][-1]
    return {("core.tallies", "missing", key, record.partition, record.offset)}


@fault
def a_dead_letter_twice(stand_: Stand) -> set[Any]:
    (letter, *_) = stand_.records(topics.DEAD_LETTERS, 0)
    stand_.topics.write(topics.DEAD_LETTERS.name, 0, letter.key, letter.value, letter.headers)
    offset = int(dict(letter.headers)[topics.DLQ_OFFSET])
    return {("dossier-events-dlq", "duplicate", "", 0, offset)}
