"""`python -m streams`: one worker."""

import gc
import sys
from typing import Final

import faust

from schemas.errors import SettingsError
from schemas.logs import configure_logs
from schemas.settings import read_settings
from streams.app import create_app

EXIT_SETTINGS: Final = 2  # starting again would not help


# What lives long here (states, events) is outside the collector's care; the default of 700 objects makes it walk the
# records of each fetch over and over: a tenth of the time of an event.
GC_THRESHOLD: Final = 100_000

# Faust reads Kafka in a thread of its own, which takes turns with the folding at each of a fetch's steps. With Python's
# 5 ms a turn, an event waits some 50 ms before it is seen (benchmarks/latency.py).
SWITCH_S: Final = 0.0005


def main() -> int:
    """Run a worker until a signal; exit code 2 when the settings cannot work."""
    try:
        settings = read_settings()
        configure_logs(settings)
        app = create_app(settings, now=settings.now)
    except (SettingsError, KeyError) as error:
        print(f"hoso worker: {error}", file=sys.stderr)
        return EXIT_SETTINGS
    gc.set_threshold(GC_THRESHOLD)
    sys.setswitchinterval(SWITCH_S)
    # Quiet, without a spinner and with our logs: Faust would draw on standard output and set up logging of its own.
    worker = faust.Worker(app, quiet=True, override_logging=False, redirect_stdouts=False)
    worker.spinner = None
    worker.execute_from_commandline()
    return 0


if __name__ == "__main__":
    sys.exit(main())
