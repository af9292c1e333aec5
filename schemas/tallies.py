"""The counters: what is counted, and the values of `unit-tallies` and `unit-counters`.

Stock is counted at an instant, flow per local day. The identities of report form II.06a hold for every unit and day:
opening + received + transferred in + reopened = resolved + transferred out + open (without the registered), and
resolved = early + on time + overdue + undated. Partial tallies are absolute values of one partition with the offset
they include, so late or repeated messages are harmless: a reader keeps the latest per key and sums over partitions.
"""

from typing import Final

import msgspec

from schemas.events import Channel
from schemas.state import Micros, Timeliness

OPEN_REGISTERED: Final = "open_registered"
OPEN_WITHIN_DUE: Final = "open_within_due"  # and not yet due soon
OPEN_DUE_SOON: Final = "open_due_soon"
OPEN_OVERDUE: Final = "open_overdue"
OPEN_PAUSED: Final = "open_paused"
OPEN_UNDATED: Final = "open_undated"
STOCK: Final = (OPEN_REGISTERED, OPEN_WITHIN_DUE, OPEN_DUE_SOON, OPEN_OVERDUE, OPEN_PAUSED, OPEN_UNDATED)
OPEN_ACCEPTED: Final = STOCK[1:]  # what the report form calls "in progress"

RECEIVED: Final = {channel: f"received_{channel.value}" for channel in Channel}
RESOLVED: Final = {
    Timeliness.EARLY: "resolved_early",
    Timeliness.ON_TIME: "resolved_on_time",
    Timeliness.OVERDUE: "resolved_overdue",
    Timeliness.UNDATED: "resolved_undated",
}
OUTCOMES: Final = ("granted", "rejected", "returned", "withdrawn", "stopped")
OUTCOME: Final = {outcome: f"outcome_{outcome}" for outcome in OUTCOMES}  # the same dossiers as RESOLVED, split again
APOLOGISED: Final = "overdue_apologised"  # of RESOLVED overdue: a letter had told the applicant so
REFUSED: Final = "refused"  # at the counter: never received
WITHDRAWN: Final = "withdrawn"  # before acceptance: never received
TRANSFERRED_IN: Final = "transferred_in"
TRANSFERRED_OUT: Final = "transferred_out"
REOPENED: Final = "reopened"
FLOW: Final = (
    *RECEIVED.values(),
    *RESOLVED.values(),
    *OUTCOME.values(),
    APOLOGISED,
    REFUSED,
    WITHDRAWN,
    TRANSFERRED_IN,
    TRANSFERRED_OUT,
    REOPENED,
)

Counts = dict[str, int]  # counter to count; a counter that is zero may be absent


class Tally(msgspec.Struct, gc=False, kw_only=True, omit_defaults=True):
    """One partition's share of a unit's counters: stock when `day` is None, else the flow of that local day.

    A tally with a `subset` counts a part of the unit's dossiers, which its other tallies count too: those of one
    procedure (`procedure=CODE`; the flow of a calendar year, `day` is its first), those that are `linked` to a root
    elsewhere, which sums over levels leave out (ADR 0012), or both (`procedure=CODE,linked`). Those of procedures
    follow the others within a tick.

    Key: `{unit_id}/{partition}`, then `/{day}` (empty for stock) and `/{subset}` where there are any.
    """

    unit_id: str
    partition: int
    offset: int  # the next offset of `dossier-events`: everything below it is counted
    as_of: Micros  # microseconds: the instant at which open dossiers were placed
    counts: Counts
    day: str | None = None
    subset: str = ""

    @property
    def key(self) -> str:
        """The topic key of this tally."""
        return tally_key(unit_id=self.unit_id, partition=self.partition, day=self.day, subset=self.subset)


class Progress(msgspec.Struct, gc=False, kw_only=True):
    """A partition's heartbeat on `unit-tallies`: how far its counters reach, also when none moved."""

    partition: int
    offset: int
    as_of: Micros
    dossiers: int
    anomalies: int
    parked: int  # dead letters since the shard was opened


class LinkedCounters(msgspec.Struct, gc=False, kw_only=True):
    """The part of a unit's totals that is linked to a root elsewhere."""

    stock: Counts
    total: Counts  # flow since the first day
    years: dict[str, Counts]  # flow per calendar year


class UnitCounters(msgspec.Struct, gc=False, kw_only=True, omit_defaults=True):
    """A unit's totals over all partitions: the value of `unit-counters`, key the unit.

    Whoever sums units over levels takes `linked` off each of them first (ADR 0012). Procedures are not told here: a
    message would grow with the catalogue and be sent whole at every change; `unit-tallies` and the monitor's API have
    them.
    """

    unit_id: str
    version: int  # sum of included offsets: grows with every change
    as_of: Micros  # the oldest share
    stock: Counts
    total: Counts  # flow since the first day
    years: dict[str, Counts] = {}  # flow per calendar year
    linked: LinkedCounters | None = None  # absent: none was ever linked


def tally_key(*, unit_id: str, partition: int, day: str | None = None, subset: str = "") -> str:
    """The key of a tally; unit ids, days and subsets hold no slash."""
    if subset:
        return f"{unit_id}/{partition}/{day or ''}/{subset}"
    return f"{unit_id}/{partition}" if day is None else f"{unit_id}/{partition}/{day}"


WHOLE: Final = ""  # all of the unit's dossiers
LINKED: Final = "linked"
_PROCEDURE: Final = "procedure="


def of_procedure(procedure_id: str, *, linked: bool = False) -> str:
    """The subset of one procedure's dossiers, or of those of them that are linked to a root elsewhere."""
    return f"{_PROCEDURE}{procedure_id},{LINKED}" if linked else f"{_PROCEDURE}{procedure_id}"


def read_subset(subset: str) -> tuple[str | None, bool]:
    """The procedure that a subset is of, None for all, and whether it holds the linked alone."""
    if subset == LINKED:
        return None, True
    procedure, _, linked = subset.removeprefix(_PROCEDURE).partition(",")
    return procedure or None, linked == LINKED


def is_of_procedure(subset: str) -> bool:
    """Whether a subset is that of one procedure."""
    return subset.startswith(_PROCEDURE)


def progress_key(partition: int) -> str:
    """The key of a partition's heartbeat; no unit is named by the empty text."""
    return f"/{partition}"
