"""The job of a peer written in Python: our own fold, one event and one encoded state at a time."""

import msgspec

from schemas.codec import decode
from schemas.reference import read_calendars, read_policies
from schemas.settings import Settings
from schemas.state import Dossier
from schemas.tallies import RECEIVED
from streams.domain.deadline import Rulebook
from streams.domain.dossier import append, entry_of, micros, new_dossier
from streams.domain.tally import standing

Moves = list[tuple[str, int]]  # counter's key, step


class Fold:
    """`step` takes a dossier's encoded state, or None, and an event's bytes; it gives the new state and the moves."""

    def __init__(self, settings: Settings) -> None:
        self._rules = Rulebook.of(read_policies(), read_calendars(), default=settings.policy)
        self._as_of = micros(settings.now())
        self._decoder = msgspec.json.Decoder(Dossier)
        self._encoder = msgspec.json.Encoder()

    def step(self, known: bytes | None, value: bytes) -> tuple[bytes, Moves]:
        """The state after one more event, and the counters that it moves."""
        event = decode(value)
        dossier = self._decoder.decode(known) if known else new_dossier(event.subject, self._rules)
        flows, place = len(dossier.flows), (dossier.unit_id, standing(dossier, self._as_of).bucket)
        dossier = append(dossier, entry_of(event), self._rules)
        moves = [(f"{flow.unit_id}/{flow.day}/{flow.counter}", 1) for flow in dossier.flows[flows:]]
        now_at = dossier.unit_id, standing(dossier, self._as_of).bucket
        if now_at != place:
            for (unit, bucket), step in ((place, -1), (now_at, +1)):
                if bucket is not None:
                    moves.append((f"{unit}/{bucket}", step))
        return self._encoder.encode(dossier), moves


def is_received(key: str) -> bool:
    """Whether a counter's key counts dossiers received."""
    return key.rpartition("/")[2] in RECEIVED.values()
