"""The books of one partition: states, counters, due times. Pure: records and a time in, what must be published out.

`advance`, then `fold` any number of times, then `take_changes`: after each such round the counters equal
`recount(states)` at `as_of`, and the changes are the content of one transaction.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec

from schemas.codec import Event, decode_record
from schemas.errors import ContractError, Flaw, Reason
from schemas.state import Dossier
from schemas.tallies import Progress, Tally, is_of_procedure, progress_key
from streams.domain.deadline import Rulebook
from streams.domain.dossier import append, entry_of, fold, history_of, new_dossier
from streams.domain.tally import NOWHERE, DueIndex, Footprint, Standing, TallyBook, footprint, standing, without_zeros
from streams.slices import Record

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Dossier)


@dataclass(slots=True)
class Changes:
    """What one round changed, encoded: the content of one transaction."""

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

    def __init__(self, *, partition: int, rules: Rulebook) -> None:
        self.partition = partition
        self.as_of = 0
        self.states: dict[str, Dossier] = {}
        self.book = TallyBook()
        self.parked = 0
        self._rules = rules
        self._index = DueIndex()
        self._anomalies = 0
        self._stale: list[str] = []  # concluded by other rules
        self._touched: dict[str, _Before] = {}  # in this round
        self._parked: list[tuple[Record, ContractError]] = []  # in this round

    def load(self, values: Iterable[bytes], as_of: int) -> None:
        """Take over states that were read back; all stock counts as moved, because the clock went on meanwhile."""
        self.as_of = max(self.as_of, as_of)
        for value in values:
            dossier = _DECODER.decode(value)
            dossier.history = dossier.history.copy()  # a view would keep the whole message in memory
            self.states[dossier.id] = dossier
            at = standing(dossier, self.as_of)
            self.book.move(None, footprint(dossier, at.bucket))
            self._index.add(at.until, dossier.id)
            self._anomalies += len(dossier.anomalies)
        # Flows were published with the states, but for those that wait for a tick.
        self.book.moved_flow = {key for key in self.book.moved_flow if is_of_procedure(key[1])}

    def go_by(self, rules: Rulebook) -> None:
        """Fold by these rules from now on; what others concluded waits for `renew`."""
        self._rules = rules
        self._stale = [id_ for id_, dossier in self.states.items() if dossier.rules != rules.fingerprint]

    def renew(self, at_most: int) -> bool:
        """Fold so many dossiers that others concluded anew, as part of this round; whether there were any."""
        renewed, self._stale = self._stale[:at_most], self._stale[at_most:]
        for dossier_id in renewed:
            known = self.states[dossier_id]
            self._touched.setdefault(dossier_id, self._before(known))
            dossier = fold(dossier_id, history_of(known), self._rules)
            dossier.offset = known.offset
            self.states[dossier_id] = dossier
        return bool(renewed)

    def advance(self, as_of: int) -> None:
        """Begin a round: let the clock alone move what it moves. One in which something was folded keeps its time."""
        if self._touched:
            return
        was, self.as_of = self.as_of, max(self.as_of, as_of)
        for dossier_id in self._index.pop_passed(self.as_of):
            dossier = self.states[dossier_id]
            now = standing(dossier, self.as_of)
            self.book.move(footprint(dossier, standing(dossier, was).bucket), footprint(dossier, now.bucket))
            self._index.add(now.until, dossier_id)

    def fold(self, records: Iterable[Record], read: Iterable[Event | ContractError]) -> None:
        """Fold what was read of these records. What was read as an error is parked and changes nothing."""
        touched, states, rules = self._touched, self.states, self._rules
        for record, event in zip(records, read, strict=True):
            if isinstance(event, ContractError):
                self._parked.append((record, event))
                continue
            dossier_id = event.subject
            dossier = states.get(dossier_id)
            if dossier is None:
                dossier = new_dossier(dossier_id, rules)
                touched[dossier_id] = _NEW
            elif dossier_id not in touched:
                touched[dossier_id] = self._before(dossier)
            history = dossier.history
            dossier = append(dossier, entry_of(event), rules)
            if dossier.history is not history:  # no repeat
                dossier.offset = record.offset
                states[dossier_id] = dossier

    def take_changes(self, *, next_offset: int, parts: bool = True) -> Changes:
        """End a round: the states and counters that moved, as absolute values, and the heartbeat.

        Without `parts`, counters by procedure wait for a later round: there are too many of them for every slice.
        """
        changes = Changes(parked=self._parked)
        self.parked += len(self._parked)
        for dossier_id, before in self._touched.items():
            dossier = self.states[dossier_id]
            if dossier.history is before.history:
                continue
            now = standing(dossier, self.as_of)
            self.book.move(before.footprint, footprint(dossier, now.bucket))
            if now.until != before.standing.until:
                self._index.add(now.until, dossier_id)
            self._anomalies += len(dossier.anomalies) - before.anomalies
            changes.states.append((dossier_id.encode(), _ENCODER.encode(dossier)))
        self._touched, self._parked = {}, []
        self._add_tallies(changes, next_offset, parts=parts)
        return changes

    def _add_tallies(self, changes: Changes, next_offset: int, *, parts: bool) -> None:
        stock, flow = self.book.take_moved(parts=parts)
        common: dict[str, Any] = {"partition": self.partition, "offset": next_offset, "as_of": self.as_of}
        tallies = [
            Tally(unit_id=unit, subset=subset, counts=without_zeros(self.book.stock[unit, subset]), **common)
            for unit, subset in stock
        ] + [
            Tally(
                unit_id=unit, subset=subset, day=day, counts=without_zeros(self.book.flow[unit, subset, day]), **common
            )
            for unit, subset, day in flow
        ]
        changes.tallies.extend((tally.unit_id, tally.key.encode(), _ENCODER.encode(tally)) for tally in tallies)
        progress = Progress(
            partition=self.partition,
            offset=next_offset,
            as_of=self.as_of,
            dossiers=len(self.states),
            anomalies=self._anomalies,
            parked=self.parked,
        )
        key = progress_key(self.partition)
        changes.tallies.append((key, key.encode(), _ENCODER.encode(progress)))

    def _before(self, dossier: Dossier) -> _Before:
        was = standing(dossier, self.as_of)
        return _Before(was, footprint(dossier, was.bucket), dossier.history, len(dossier.anomalies))
