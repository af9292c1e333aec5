"""The units that the log may name, read from the `units` topic."""

from typing import Final

from schemas.topics import UNITS
from streams.kafka import Log

PARTITION: Final = 0


class KnownUnits:
    """Ids of all units. Who adds a unit writes it before any event that names it, so an unknown one is worth a look."""

    def __init__(self, log: Log, prefix: str) -> None:
        self.known: frozenset[str] = frozenset()
        self._log = log
        self._topic = f"{prefix}{UNITS.name}"

    async def refresh(self) -> None:
        """Read the topic to its present end."""
        known: set[str] = set()
        async for records in self._log.read_to_end(self._topic, PARTITION):
            for record in records:
                unit = (record.key or b"").decode()
                known.discard(unit) if record.value is None else known.add(unit)
        self.known = frozenset(known)
