"""`make hostile`: judge many hostile histories and print how fast. `python -m tests.hostile SEED COUNT`."""

import random
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from tests.hostile.check import Bench, seeds

CHUNK = 1000


def main() -> None:
    """Print the seed first: whoever finds a disagreement can repeat it."""
    seed, count = (int(text) for text in sys.argv[1:])
    seed = seed or random.SystemRandom().randrange(1, 2**32)
    print(f"{count:,} hostile histories, seed {seed}: make hostile SEED={seed} N={count}", flush=True)
    began, events, done = perf_counter(), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        for generator, part in seeds(seed, count, CHUNK):
            events += bench.check(generator, part)
            done += part
            print(f"\r{done:,} histories, {events:,} events", end="", file=sys.stderr, flush=True)
        bench.warehouse.close()
    took = perf_counter() - began
    print(
        f"\n{done:,} histories, {events:,} events in {took:.0f} s: all readings agree; {done / took:,.0f} histories/s"
    )


if __name__ == "__main__":
    main()
