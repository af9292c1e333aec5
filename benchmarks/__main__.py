"""`make bench`: run every benchmark, print the table, write docs/performance.json."""

import logging
import sys
from pathlib import Path

from benchmarks import processor, working_time
from benchmarks.report import machine, write
from services.cli.output import console, print_rows

OUT = Path(__file__).parents[1] / "docs" / "performance.json"


def main() -> int:
    """Exit code 1 when a target is missed."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a new broker is asked before it is ready
    console.print(machine(), highlight=False)
    comparisons = [working_time.main(), processor.main()]
    print_rows(
        [
            {
                "what": comparison.name,
                "ours": f"{comparison.ours:,.0f} {comparison.unit}",
                "peer": f"{comparison.peer:,.0f} ({comparison.peer_name})",
                "ratio": f"{comparison.ratio:.1f}x",
                "target": f"{comparison.target:g}x",
            }
            for comparison in comparisons
        ]
    )
    write(OUT, comparisons)
    return int(any(comparison.ratio < comparison.target for comparison in comparisons))


if __name__ == "__main__":
    sys.exit(main())
