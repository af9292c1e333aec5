"""The dossiers of one partition: those of late in memory, all in the cache."""

from typing import Final

import msgspec

from schemas.state import Dossier
from streams.cache import Cache

GENERATION: Final = 20_000  # dossiers; two of them are in memory

_DECODER: Final = msgspec.json.Decoder(Dossier)


def read_state(value: bytes) -> Dossier:
    """A state from its published form."""
    dossier = _DECODER.decode(value)
    dossier.history = dossier.history.copy()  # a view would keep the whole message in memory
    return dossier


class States:
    """States by dossier. One that was asked for or put stays in memory until `age` was called twice after that."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self.latest: dict[str, Dossier] = {}
        self._earlier: dict[str, Dossier] = {}

    def recall(self, dossier_id: str) -> Dossier | None:
        """The state of a dossier, from wherever it is; None: there is none."""
        dossier = self.latest.get(dossier_id) or self._earlier.get(dossier_id)
        if dossier is None:
            value = self._cache.state(dossier_id.encode())
            if value is None:
                return None
            dossier = read_state(value)
        self.latest[dossier_id] = dossier
        return dossier

    def age(self) -> None:
        """When there are many, forget those that nobody asked for of late. All states must be in the cache by now."""
        if len(self.latest) > GENERATION:
            self.latest, self._earlier = {}, self.latest
