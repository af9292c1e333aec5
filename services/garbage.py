"""Python's search for reference cycles, made seldom in processes that make none while they work."""

import gc
from typing import Final

# New objects before it looks again, instead of 700. A request of the gateway and a batch of the sink leave no cycles,
# but their many records are looked through each time: 8 % of a request, more of a batch.
OBJECTS_MAX: Final = 50_000


def collect_seldom() -> None:
    """Call once the modules are loaded: these stay for ever, and are not looked through any more."""
    gc.freeze()
    gc.set_threshold(OBJECTS_MAX)
