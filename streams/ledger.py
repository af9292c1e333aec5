"""The books of one partition: states, counters, due times. Records and a time in, what must be published out.

`advance`, then `fold` any number of times, then `take_changes`: after each such round the counters equal
`recount(states)` at `as_of`, and the changes are the content of one transaction. Once that is committed, `keep`.
"""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from schemas.codec import Event, decode_record
from schemas.errors import ContractError, Flaw, Reason
from schemas.state import Dossier
from schemas.tallies import Counts, Progress, Tally, is_of_procedure, progress_key, tally_key
from streams.cache import Cache, Head, check_of
from streams.domain.deadline import Rulebook
from streams.domain.dossier import append, entry_of, fold, history_of, new_dossier
from streams.domain.tally import (
    BOOK_VERSION,
    NOWHERE,
    Footprint,
    Standing,
    TallyBook,
    footprint,
    standing,
    without_zeros,
)
from streams.slices import Record
from streams.states import States, read_state

COUNTS_KEPT_MAX: Final = 50_000  # in memory from one checkpoint to the next, but for those that moved

_ENCODER: Final = msgspec.json.Encoder()
_TALLY: Final = msgspec.json.Decoder(Tally)


@dataclass(slots=True)
class Changes:
    """What one round changed, encoded: the content of one transaction."""

    progress: Progress
    parts: bool  # nothing waits for a later round
    states: list[tuple[bytes, bytes]] = field(default_factory=list)
    tallies: list[tuple[str, bytes, bytes]] = field(default_factory=list)  # unit (decides the partition), key, value
    parked: list[tuple[Record, ContractError]] = field(default_factory=list)


def read_records(records: Iterable[Record]) -> list[Event | ContractError]:
    """Decode a slice; what is no event stands as its error."""
    found: list[Event | ContractError] = []
    for record in records:
        try:
            found.append(decode_record(key=record.key, value=record.value, headers=record.headers))
        except ContractError as error:
            found.append(error)
    return found


def names_of(read: Iterable[Event | ContractError]) -> tuple[set[str], set[str]]:
    """Every unit and every policy that these events name."""
    units: set[str] = set()
    policies: set[str] = set()
    for event in read:
        if isinstance(event, Event):
            data = event.data
            units.add(data.unit_id)
            if data.to_unit_id is not None:
                units.add(data.to_unit_id)
            if data.policy_id is not None:
                policies.add(data.policy_id)
    return units, policies


def refuse_unknown(
    event: Event | ContractError, *, units: Container[str], policies: Container[str]
) -> Event | ContractError:
    """The event itself, or why it cannot be folded: it names what the reference data does not have."""
    if isinstance(event, ContractError):
        return event
    data = event.data
    if data.unit_id not in units:
        return ContractError(Flaw("/data/unit_id", Reason.UNKNOWN_UNIT, "expected a unit of the units topic"))
    if data.to_unit_id is not None and data.to_unit_id not in units:
        return ContractError(Flaw("/data/to_unit_id", Reason.UNKNOWN_UNIT, "expected a unit of the units topic"))
    if data.policy_id is not None and data.policy_id not in policies:
        return ContractError(Flaw("/data/policy_id", Reason.UNKNOWN_POLICY, "expected a policy of the rulebook"))
    return event


class _Before(NamedTuple):
    """A dossier as this round found it."""

    standing: Standing
    footprint: Footprint | None  # None: it is new
    history: msgspec.Raw | None
    anomalies: int


_NEW: Final = _Before(NOWHERE, None, None, 0)


class Ledger:
    """States by dossier, their counters and due index. `as_of` never goes back, whatever the clock does."""

    def __init__(self, *, partition: int, rules: Rulebook, cache: Cache) -> None:
        head = cache.head or Head(
            offset=-1, check=0, as_of=0, dossiers=0, anomalies=0, rules=[rules.fingerprint], book=BOOK_VERSION
        )
        self.partition = partition
        self.as_of = head.as_of
        self.dossiers = head.dossiers
        self.book = TallyBook(self._counts_of)
        self.parked = 0
        self.cache = cache
        self.states = States(cache)
        self._read_to = head.offset, head.check  # the last record of `dossier-states` that is in these books
        self._rules = rules
        self._concluded_by = set(head.rules)
        self._looked_to: bytes | None = None  # the last dossier that `renew` looked at; None: all are of these rules
        # When the clock moves which dossier, if that is not in the cache yet. An entry outlives a changed promise, and
        # stays when its moment has passed: the next checkpoint may be of an earlier one.
        self._due: list[tuple[int, str]] = []
        self._anomalies = head.anomalies
        self._touched: dict[str, _Before] = {}  # in this round
        self._parked: list[tuple[Record, ContractError]] = []  # in this round

    @property
    def read_to(self) -> int:
        """The offset of the last state that is in these books; -1: none."""
        return self._read_to[0]

    def follows(self, first: Record) -> bool:
        """Whether the states topic, which from `read_to` on begins with `first`, is the one that these books read."""
        offset, check = self._read_to
        return first.offset > offset or check_of(first.key, first.value) == check

    def load(self, records: Sequence[Record]) -> None:
        """Take over states that were published, by whoever it was, one after the other.

        Also those that were replaced since: a dossier may be where these books had it, and have moved a counter in
        between that was published then, and since then waits for a tick that never came.
        """
        states = [(record.key, record.value) for record in records if record.key and record.value]
        for _, value in states:
            dossier = read_state(value)
            known = self.states.recall(dossier.id)
            before = _NEW if known is None else self._before(known)
            now = standing(dossier, self.as_of)
            self.book.move(before.footprint, footprint(dossier, now.bucket))
            self._add_due(now.until, dossier.id)
            self._anomalies += len(dossier.anomalies) - before.anomalies
            self.dossiers += known is None
            self._concluded_by.add(dossier.rules)
            self.states.latest[dossier.id] = dossier
        last = records[-1]
        self._read_to = last.offset, check_of(last.key, last.value)
        # Flow was published with the states, but for those parts of it that waited for a tick.
        published = {key for key in self.book.moved_flow if not is_of_procedure(key[1])}
        self.book.moved_flow -= published
        tallies = [self._tally(*key, offset=0) for key in published]
        self.cache.write(
            states=states,
            tallies=[(tally.key.encode(), _ENCODER.encode(tally)) for tally in tallies],
            due=self._due,
        )
        self._due.clear()
        self._age()

    def go_by(self, rules: Rulebook) -> None:
        """Fold by these rules from now on; what others concluded waits for `renew`."""
        self._rules = rules
        self._looked_to = b"" if self._concluded_by - {rules.fingerprint} else None
        self._concluded_by.add(rules.fingerprint)

    def renew(self, at_most: int) -> bool:
        """Look at so many dossiers and fold those anew that other rules concluded; whether there are more.

        A part of this round. What earlier rounds changed must be kept by now.
        """
        if self._looked_to is None:
            return False
        looked_at = self.cache.states_after(self._looked_to, at_most)
        if not looked_at:
            self._looked_to, self._concluded_by = None, {self._rules.fingerprint}
            return False
        self._looked_to = looked_at[-1][0]
        for key, _ in looked_at:
            known = self.states.recall(key.decode())
            assert known is not None
            if known.rules != self._rules.fingerprint:
                self._touched.setdefault(known.id, self._before(known))
                dossier = fold(known.id, history_of(known), self._rules)
                dossier.offset = known.offset
                self.states.latest[dossier.id] = dossier
        return True

    def advance(self, as_of: int) -> None:
        """Begin a round: let the clock alone move what it moves. One in which something was folded keeps its time."""
        if self._touched:
            return
        was, self.as_of = self.as_of, max(self.as_of, as_of)
        if was == self.as_of:
            return
        passed = {dossier_id for moment, dossier_id in self._due if was < moment <= self.as_of}
        for dossier_id in passed.union(self.cache.due(was, self.as_of)):
            dossier = self.states.recall(dossier_id)
            assert dossier is not None
            now = standing(dossier, self.as_of)
            self.book.move(footprint(dossier, standing(dossier, was).bucket), footprint(dossier, now.bucket))
            self._add_due(now.until, dossier_id)

    def fold(self, records: Iterable[Record], read: Iterable[Event | ContractError]) -> None:
        """Fold what was read of these records. What was read as an error is parked and changes nothing."""
        touched, latest, recall, rules = self._touched, self.states.latest, self.states.recall, self._rules
        for record, event in zip(records, read, strict=True):
            if isinstance(event, ContractError):
                self._parked.append((record, event))
                continue
            dossier_id = event.subject
            dossier = latest.get(dossier_id) or recall(dossier_id)
            if dossier is None:
                self.dossiers += 1
                dossier = new_dossier(dossier_id, rules)
                touched[dossier_id] = _NEW
            elif dossier_id not in touched:
                touched[dossier_id] = self._before(dossier)
            history = dossier.history
            dossier = append(dossier, entry_of(event), rules)
            if dossier.history is not history:  # no repeat
                dossier.offset = record.offset
                latest[dossier_id] = dossier

    def take_changes(self, *, next_offset: int, parts: bool = True) -> Changes:
        """End a round: the states and counters that moved, as absolute values, and the heartbeat.

        Without `parts`, counters by procedure wait for a later round: there are too many of them for every slice.
        """
        self.parked += len(self._parked)
        states: list[tuple[bytes, bytes]] = []
        for dossier_id, before in self._touched.items():
            dossier = self.states.recall(dossier_id)
            assert dossier is not None
            if dossier.history is before.history:
                continue
            now = standing(dossier, self.as_of)
            self.book.move(before.footprint, footprint(dossier, now.bucket))
            if now.until != before.standing.until:
                self._add_due(now.until, dossier_id)
            self._anomalies += len(dossier.anomalies) - before.anomalies
            states.append((dossier_id.encode(), _ENCODER.encode(dossier)))
        progress = Progress(
            partition=self.partition,
            offset=next_offset,
            as_of=self.as_of,
            dossiers=self.dossiers,
            anomalies=self._anomalies,
            parked=self.parked,
        )
        changes = Changes(progress, parts, states, parked=self._parked)
        self._touched, self._parked = {}, []
        stock, flow = self.book.take_moved(parts=parts)
        for key in (*stock, *flow):
            tally = self._tally(*key, offset=next_offset)
            changes.tallies.append((tally.unit_id, tally.key.encode(), _ENCODER.encode(tally)))
        heartbeat = progress_key(self.partition)
        changes.tallies.append((heartbeat, heartbeat.encode(), _ENCODER.encode(progress)))
        return changes

    def keep(self, changes: Changes, last_state: int | None) -> None:
        """A round is committed: it goes into the cache. `last_state`: the offset of its last state, if it had any.

        With all its parts it is a checkpoint: states and counters of the cache belong together.
        """
        if last_state is not None:
            self._read_to = last_state, check_of(*changes.states[-1])
        self.cache.write(
            states=changes.states,
            tallies=[(key, value) for _, key, value in changes.tallies],
            due=self._due,
        )
        self._due.clear()
        if changes.parts:
            offset, check = self._read_to
            self.cache.checkpoint(
                Head(
                    offset=offset,
                    check=check,
                    as_of=changes.progress.as_of,
                    dossiers=changes.progress.dossiers,
                    anomalies=changes.progress.anomalies,
                    rules=sorted(self._concluded_by),
                    book=BOOK_VERSION,
                )
            )
        self._age()

    def _age(self) -> None:
        self.states.age()
        if len(self.book.stock) + len(self.book.flow) > COUNTS_KEPT_MAX:
            self.book.forget()

    def _tally(self, unit_id: str, subset: str, day: str | None = None, *, offset: int) -> Tally:
        counts = self.book.stock[unit_id, subset] if day is None else self.book.flow[unit_id, subset, day]
        return Tally(
            unit_id=unit_id,
            subset=subset,
            day=day,
            counts=without_zeros(counts),
            partition=self.partition,
            offset=offset,
            as_of=self.as_of,
        )

    def _counts_of(self, unit_id: str, subset: str, day: str | None = None) -> Counts:
        """As they were last published."""
        key = tally_key(unit_id=unit_id, partition=self.partition, day=day, subset=subset)
        value = self.cache.tally(key.encode())
        return {} if value is None else _TALLY.decode(value).counts

    def _add_due(self, until: int | None, dossier_id: str) -> None:
        if until is not None:
            self._due.append((until, dossier_id))

    def _before(self, dossier: Dossier) -> _Before:
        was = standing(dossier, self.as_of)
        return _Before(was, footprint(dossier, was.bucket), dossier.history, len(dossier.anomalies))
