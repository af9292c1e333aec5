"""How far the numbers can be trusted: no data, stale, behind or live, judged from heartbeats and the log's end.

Heartbeats are judged by the wall clock, never by the office's, which a demonstration may hold still.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from services.monitor.board import Heartbeat
from services.monitor.views import Freshness, State

# Progress is told once a second and the log's end is asked once a second: an event that was counted at once may still
# look uncounted for two. Only what waits longer is called behind, or a wall would flicker with every event.
BEHIND_AFTER_S: Final = 2.5
MARKS_MAX: Final = 600  # per partition, an even number: ten minutes by the second, then coarser

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Lag(NamedTuple):
    """Events in the log that are not counted, and how long the oldest of them has waited, as far as was seen."""

    events: int
    waiting_s: float


class LogEnds:
    """Remembers when the log was seen to reach where, so that lag can be told in seconds."""

    def __init__(self) -> None:
        self.seen_at_s: float | None = None
        self.ends: dict[int, int] = {}
        self._marks: dict[int, list[tuple[int, float]]] = {}  # (end, first seen at), what may not be counted yet

    def observe(self, ends: Mapping[int, int], at_s: float) -> None:
        """The end of each partition of the log, as it was at `at_s`."""
        for partition, end in ends.items():
            marks = self._marks.setdefault(partition, [])
            if marks and end < marks[-1][0]:
                marks.clear()  # the log was made anew
            if not marks or marks[-1][0] != end:
                marks.append((end, at_s))
            if len(marks) > MARKS_MAX:  # two become one that waits since the earlier
                marks[1:] = [(later[0], earlier[1]) for earlier, later in zip(marks[1::2], marks[2::2], strict=True)]
        self.ends = dict(ends)
        self.seen_at_s = at_s

    def lag(self, counted: Mapping[int, int], now_s: float) -> Lag:
        """How far `counted`, the next offset per partition, is behind. A partition nobody counts is behind by all."""
        events, waiting_s = 0, 0.0
        for partition, end in self.ends.items():
            done = counted.get(partition, 0)
            events += max(0, end - done)
            marks = self._marks[partition]
            while len(marks) > 1 and marks[0][0] <= done:
                del marks[0]
            if marks[0][0] > done:
                waiting_s = max(waiting_s, now_s - marks[0][1])
        return Lag(events, waiting_s)


def judge(
    heartbeats: Sequence[Heartbeat], log: LogEnds, *, now_s: float, stale_after_s: float, zone: ZoneInfo
) -> Freshness:
    """The state of the numbers at wall clock `now_s`."""
    reachable = log.seen_at_s is not None and now_s - log.seen_at_s <= stale_after_s
    lag = log.lag({each.progress.partition: each.progress.offset for each in heartbeats}, now_s) if reachable else None
    heartbeat_s = min((each.at_ms / 1000 for each in heartbeats), default=None)
    as_of = min((each.progress.as_of for each in heartbeats), default=None)
    if heartbeat_s is None:
        state = State.NO_DATA
    elif now_s - heartbeat_s > stale_after_s:
        state = State.STALE
    elif lag and lag.waiting_s > BEHIND_AFTER_S:
        state = State.BEHIND
    else:
        state = State.LIVE
    heartbeat_at = None if heartbeat_s is None else datetime.fromtimestamp(heartbeat_s, zone)
    return Freshness(
        state=state,
        as_of=None if as_of is None else (_EPOCH + timedelta(microseconds=as_of)).astimezone(zone),
        heartbeat_at=heartbeat_at,
        stale_since=heartbeat_at if state is State.STALE else None,
        lag_events=lag.events if lag else None,
        lag_s=round(lag.waiting_s, 1) if lag else None,
        broker_reachable=reachable,
        zone=zone.key,
    )
