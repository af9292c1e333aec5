"""What no formula in docs/scale.md says plainly: skew over partitions, rows of counters, the daily peak, a lost worker.

`python -m benchmarks.simulate` prints the two tables of that page: what was measured (`Machine`, which is the place for
newer figures), and what follows for a province, the country and a hundred countries. Dice have a seed, so that the page
and this program say the same; a test holds them equal.
"""

import random
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import ceil, exp, inf
from typing import Final

WORKING_DAYS: Final = 250
EVENTS_PER_DOSSIER: Final = 6
DAYS_OPEN: Final = 12  # working days from reception to resolution, in the mean
PEAK_S: Final = 3600  # sources that upload in the evening send a day's events within an hour: the daily peak
SEED: Final = 20211231


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One worker and its broker as measured, on one core."""

    events_per_s: float = 20_000.0  # folded exactly once, with changelog
    transaction_s: float = 0.05  # from one transaction of a partition to the next, however small they are
    slice_events_max: int = 5_000  # HOSO_SLICE_EVENTS_MAX
    opening_s: float = 0.5  # a shard, from its cache
    dossiers_read_per_s: float = 32_000.0  # opening a shard without its cache
    session_timeout_s: float = 10.0  # HOSO_SESSION_TIMEOUT_S
    rebalance_s: float = 3.0  # from the group's decision to the first slice
    worker_bytes: float = 150e6  # memory, before it has a partition
    partition_bytes: float = 80e6  # memory for the dossiers and counters of late
    cached_bytes: float = 1_500.0  # of a dossier, on a worker's disk
    event_bytes: float = 300.0  # in Kafka, not compressed
    state_bytes: float = 1_200.0  # the last one of a dossier, in Kafka
    event_row_bytes: float = 34.0  # in ClickHouse, compressed: raw.events with the record itself
    dossier_row_bytes: float = 69.0
    tally_row_bytes: float = 12.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Whose dossiers, and what is to carry them."""

    name: str
    dossiers_per_year: int
    units: int
    partitions: int
    workers: int

    @property
    def open_dossiers(self) -> float:
        """Dossiers in progress at once: arrivals per day times days of stay (Little's law)."""
        return self.dossiers_per_year / WORKING_DAYS * DAYS_OPEN

    @property
    def peak_per_s(self) -> float:
        """Events a second in the hour of the peak."""
        return self.dossiers_per_year / WORKING_DAYS * EVENTS_PER_DOSSIER / PEAK_S


PLACES: Final = (
    Place(name="a province", dossiers_per_year=1_000_000, units=200, partitions=4, workers=1),
    Place(name="the country", dossiers_per_year=60_000_000, units=12_000, partitions=8, workers=2),
    Place(name="a hundred countries", dossiers_per_year=6_000_000_000, units=1_200_000, partitions=128, workers=64),
)


def largest_over_mean(keys: int, partitions: int, dice: random.Random) -> float:
    """The largest partition's share over the mean one's, when a hash spreads the keys."""
    counts = Counter(dice.randrange(partitions) for _ in range(keys))
    return max(counts.values()) * partitions / keys


def sizes_of_units(units: int) -> Sequence[float]:
    """Each unit's share of all dossiers: a tenth of the units has a third of them, as in `history_fill`."""
    return [((unit + 1) / units) ** 0.5 - (unit / units) ** 0.5 for unit in range(units)]


def tally_rows_per_day(units: int, dossiers_per_day: float, partitions: int) -> float:
    """Rows of `core.tallies` that a day adds: pairs of unit and partition in which a dossier came or was resolved.

    Each dossier gives two chances to touch a pair. This is the expectation; the test throws the dice.
    """
    chances = (2 * dossiers_per_day * share / partitions for share in sizes_of_units(units))
    return partitions * sum(1 - exp(-chance) for chance in chances)


def waits_s(arrivals: Sequence[int], step_s: float, machine: Machine) -> list[float]:
    """How long each event waits until its slice is committed, oldest first.

    `arrivals`: how many came in each step of `step_s`. A worker takes all that waits, at most a slice, and takes no
    other until that is committed: so a slice grows when it is behind, and more events share the cost of a transaction.
    """
    waiting: deque[tuple[float, int]] = deque()  # when, how many
    free_at, waits = 0.0, []
    for step, count in enumerate([*arrivals, 0]):
        now = (step + 1) * step_s if step < len(arrivals) else inf
        while waiting and (begin := max(free_at, waiting[0][0])) < now:
            taken, room = [], machine.slice_events_max
            while waiting and waiting[0][0] <= begin and room:
                came_at, there = waiting.popleft()
                fits = min(there, room)
                taken.append((came_at, fits))
                room -= fits
                if there > fits:
                    waiting.appendleft((came_at, there - fits))
            free_at = begin + machine.transaction_s + sum(n for _, n in taken) / machine.events_per_s
            waits += [free_at - came_at for came_at, n in taken for _ in range(n)]
        if count:
            waiting.append((now, count))
    return waits


def poisson_arrivals(per_s: float, *, seconds: int, step_s: float, dice: random.Random) -> list[int]:
    """Random arrivals per step, as many single sources make them."""
    gaps = accumulate(dice.expovariate(per_s) for _ in range(int(per_s * seconds)))
    counts = Counter(int(at / step_s) for at in gaps)
    return [counts[step] for step in range(ceil(seconds / step_s))]


def lost_worker_s(place: Place, machine: Machine) -> tuple[float, float]:
    """When one worker is lost with its disk at the peak: seconds for which its counters stand still, and behind.

    Its partitions go to the others, which read a year's dossiers and then what was left lying.
    """
    others = max(1, place.workers - 1)  # the only one is started again
    orphans = place.dossiers_per_year / place.workers
    takers = min(others, ceil(place.partitions / place.workers))  # a partition is read by one
    still = machine.session_timeout_s + machine.rebalance_s + orphans / takers / machine.dossiers_read_per_s
    behind = still * place.peak_per_s / place.workers
    spare = others * machine.events_per_s - place.peak_per_s
    return still, still + behind / spare


def row_of(place: Place, machine: Machine) -> dict[str, str]:
    """One line of the table."""
    dice = random.Random(SEED)
    per_day = place.dossiers_per_year / WORKING_DAYS
    load = poisson_arrivals(place.peak_per_s / place.workers, seconds=60, step_s=0.005, dice=dice)
    waits = sorted(waits_s(load, 0.005, machine))
    still, caught_up = lost_worker_s(place, machine)
    keys = min(int(place.open_dossiers), 1_000_000)
    memory = machine.worker_bytes + place.partitions / place.workers * machine.partition_bytes
    disk = place.dossiers_per_year / place.workers * machine.cached_bytes
    tally_rows = tally_rows_per_day(place.units, per_day, place.partitions) * WORKING_DAYS
    events = place.dossiers_per_year * EVENTS_PER_DOSSIER
    kafka = events * machine.event_bytes + place.dossiers_per_year * machine.state_bytes
    clickhouse = (
        events * machine.event_row_bytes
        + place.dossiers_per_year * machine.dossier_row_bytes
        + tally_rows * machine.tally_row_bytes
    )
    return {
        "place": place.name,
        "partitions": f"{place.partitions}",
        "workers": f"{place.workers}",
        "events/s at the peak": f"{place.peak_per_s:,.0f}",
        "of the workers' speed": f"{place.peak_per_s / place.workers / machine.events_per_s:.2%}",
        "p99 in the worker at the peak, ms": f"{waits[int(len(waits) * 0.99)] * 1000:.0f}",
        "memory, GB a worker": f"{memory / 1e9:.2f}",
        "cache, GB of disk a worker": f"{disk / 1e9:,.1f}",
        "largest partition / mean": f"{largest_over_mean(keys, place.partitions, dice):.2f}",
        "tally rows a year, millions": f"{tally_rows / 1e6:,.1f}",
        "tally rows per dossier": f"{tally_rows / place.dossiers_per_year:.2f}",
        "Kafka, GB a replica": f"{kafka / 1e9:,.0f}",
        "ClickHouse, GB a replica": f"{clickhouse / 1e9:,.1f}",
        "a year replayed, hours": f"{events / machine.events_per_s / place.workers / 3600:,.2f}",
        "counters stand still after a worker is started again, s": (
            f"{machine.session_timeout_s + machine.rebalance_s + machine.opening_s:.0f}"
        ),
        "counters stand still after one is lost with its disk, s": f"{still:,.0f}",
        "caught up after, s": f"{caught_up:,.0f}",
    }


def figures(machine: Machine) -> dict[str, str]:
    """What was measured, as the page shows it."""
    return {
        "events a second, one worker, exactly once": f"{machine.events_per_s:,.0f}",
        "between two transactions of a partition, ms": f"{machine.transaction_s * 1000:g}",
        "opening a shard from its cache, s": f"{machine.opening_s:g}",
        "dossiers a second, opening a shard without it": f"{machine.dossiers_read_per_s:,.0f}",
        "rebalance, s": f"{machine.rebalance_s:g}",
        "MB of memory, a worker and each of its partitions": (
            f"{machine.worker_bytes / 1e6:.0f}, {machine.partition_bytes / 1e6:.0f}"
        ),
        "bytes a dossier on a worker's disk": f"{machine.cached_bytes:,.0f}",
        "bytes an event, bytes a state (Kafka)": f"{machine.event_bytes:,.0f}, {machine.state_bytes:,.0f}",
        "bytes a row of events, dossiers, tallies (ClickHouse)": (
            f"{machine.event_row_bytes:g}, {machine.dossier_row_bytes:g}, {machine.tally_row_bytes:g}"
        ),
    }


def tables(places: Sequence[Place], machine: Machine) -> list[str]:
    """Both tables of the page, in Markdown."""
    rows = [row_of(place, machine) for place in places]
    return [
        _markdown([{"measured": name, "value": value} for name, value in figures(machine).items()]),
        _markdown(
            [{"per year": name, **{row["place"]: row[name] for row in rows}} for name in rows[0] if name != "place"]
        ),
    ]


def _markdown(rows: Sequence[dict[str, str]]) -> str:
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def main() -> None:
    """Print both tables."""
    print("\n".join(tables(PLACES, Machine())))


if __name__ == "__main__":
    main()
