"""`make bench`, `python -m benchmarks [NAME...]`: measure beside peers, print the table, write docs/performance.*."""

import argparse
import logging
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from benchmarks import catch_up, fan_out, gateway, history, latency, opening, processor, scale, sink, working_time
from benchmarks.report import Comparison, Published, machine, publish
from services.cli.output import console, print_rows

BENCHMARKS: Final[Mapping[str, Callable[[], list[Comparison]]]] = {
    "working_time": working_time.main,
    "processor": processor.main,
    "scale": scale.main,
    "opening": opening.main,
    "gateway": gateway.main,
    "sink": sink.main,
    "latency": latency.main,
    "fan_out": fan_out.main,
    "catch_up": catch_up.main,
    "history": history.main,
}
INTERRUPTED: Final = 130  # as a shell says it


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks that are named, or all; exit code 1 when a target is missed or a benchmark fails.

    What a finished benchmark measured is published before the next begins.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one or more of: {', '.join(BENCHMARKS)}")
    names = parser.parse_args(arguments).names or list(BENCHMARKS)
    if unknown := [name for name in names if name not in BENCHMARKS]:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a new broker is asked before it is ready
    console.print(machine(), highlight=False)
    measured: list[Comparison] = []
    failed = []
    for name in names:
        console.rule(name, align="left")
        print(_job(BENCHMARKS[name]), flush=True)
        try:
            comparisons = BENCHMARKS[name]()
        except KeyboardInterrupt:
            print(f"\nstopped in {name}; what was finished before is published")
            return INTERRUPTED
        except Exception:  # noqa: BLE001 - the others can still be measured
            traceback.print_exc()
            failed.append(name)
            continue
        measured += comparisons
        publish(_published(name, comparisons), order=list(BENCHMARKS))
    print_rows([comparison.cells() for comparison in measured])
    if failed:
        print(f"failed: {', '.join(failed)}")
    return int(bool(failed) or not all(comparison.is_met for comparison in measured))


def _job(benchmark: Callable[[], list[Comparison]]) -> str:
    """The job, as the module of the benchmark says it first."""
    return (sys.modules[benchmark.__module__].__doc__ or "").partition("\n\n")[0]


def _published(name: str, comparisons: Sequence[Comparison]) -> list[Published]:
    where = {"benchmark": name, "machine": machine(), "measured_on": datetime.now(UTC).date().isoformat()}
    return [Published(**msgspec.structs.asdict(comparison), **where) for comparison in comparisons]


if __name__ == "__main__":
    sys.exit(main())
