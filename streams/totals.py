"""The agent's half of `unit-counters`: partial tallies in, totals per unit out.

It keeps no offset of its own: every assignment reads `unit-tallies` (compacted) from the beginning, which is harmless
because shares are absolute. Totals are published by the tick, so that a replay does not publish every step of the way.
"""

from collections.abc import Awaitable, Callable

import msgspec

from schemas.tallies import Tally
from streams.domain.totals import Totals
from streams.slices import Slice

_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Tally)


class TotalsPublisher:
    """Merges shares and publishes the units that moved."""

    def __init__(self, send: Callable[[bytes, bytes], Awaitable[None]]) -> None:
        self._send = send
        self._totals = Totals()
        self._moved: set[str] = set()

    def take(self, slice_: Slice) -> None:
        """Merge a slice of `unit-tallies`; heartbeats (keys without a unit) say nothing about a unit."""
        for record in slice_.value:
            if record.key is None or record.value is None or record.key.startswith(b"/"):
                continue
            tally = _DECODER.decode(record.value)
            if self._totals.apply(tally):
                self._moved.add(tally.unit_id)

    async def publish(self) -> None:
        """Send the totals of every unit that moved since the last call."""
        moved, self._moved = self._moved, set()
        for unit_id in moved:
            await self._send(unit_id.encode(), _ENCODER.encode(self._totals.counters(unit_id)))
