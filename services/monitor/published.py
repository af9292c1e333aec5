"""What every reader sees: the newest view of each unit, when it last changed, and how fresh all of it is.

A version counts the changes of one run; with the run before it, it names a state of the numbers: `{run}-{version}`. A
reader holds nothing but the last name it saw and gets the difference to the present, however long it was away, so no
queue can grow. A name of another run, or of another set of units, gets everything. Readers that know the same are told
the same: a message is made and encoded once, for a thousand of them as for one.
"""

import asyncio
import json
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Final, NamedTuple

from fastapi.sse import format_sse_event

from services.monitor.board import Board
from services.monitor.periods import unit_view
from services.monitor.views import Freshness, UnitView

FRESHNESS_EVERY_S: Final = 1.0  # it changes with every heartbeat; people read seconds


class Seen(NamedTuple):
    """What a reader knows: a version of this run, and a count of freshness changes."""

    version: int
    freshness: int


@dataclass(frozen=True)
class Message:
    """One message of the stream, and what its reader knows then."""

    event: str
    data: str
    id: str
    seen: Seen

    @cached_property
    def encoded(self) -> bytes:
        """As it goes over the wire."""
        return format_sse_event(event=self.event, data_str=self.data, id=self.id)


class _News:
    """What all readers wait for at once: something new, or the end of a silence."""

    def __init__(self) -> None:
        self.came = asyncio.Event()
        self.is_silence = False
        self.timer: asyncio.TimerHandle | None = None


class _Shown(NamedTuple):
    """A unit's view, its JSON, made once for all readers, and the version that brought it."""

    view: UnitView
    encoded: str
    version: int


class Published:
    """Written by `show` and `advance`, read by everyone else. `run` names this run and grows from run to run."""

    def __init__(self, *, run: int, page: str, freshness: Freshness) -> None:
        self.board = Board()
        self.page = page
        self.freshness = freshness
        self.readers = 0  # of the stream, now
        self.closed = False
        self._run = run
        self._version = 0
        self._grouped = 0  # the version at which the set of units last changed
        self._freshness_count = 0
        self._freshness_at_s = float("-inf")
        self._today: date | None = None
        self._shown: dict[str, _Shown] = {}
        self._new_board = False
        self._news = _News()
        self._told: dict[Seen | None, Message] = {}  # by what a reader knows; None: nothing that helps

    @property
    def name(self) -> str:
        """The name of the present state of the numbers."""
        return f"{self._run}-{self._version}"

    @property
    def today(self) -> date | None:
        """The office's local day of the numbers."""
        return self.freshness.as_of.date() if self.freshness.as_of else None

    @property
    def units(self) -> dict[str, UnitView]:
        """Every unit by id, each followed by those below it."""
        return {unit_id: shown.view for unit_id, shown in self._shown.items()}

    def show(self, board: Board) -> None:
        """From the next `advance` on, show this board instead."""
        self.board = board
        self._new_board = True

    def advance(self, freshness: Freshness, *, now_s: float) -> None:
        """Publish what moved on the board, and `freshness` when its state changed or a second has passed."""
        known = self.freshness
        if freshness.state is not known.state or (
            freshness != known and now_s - self._freshness_at_s >= FRESHNESS_EVERY_S
        ):
            self.freshness = freshness
            self._freshness_at_s = now_s
            self._freshness_count += 1
        if self._advance_units() or self.freshness is not known:
            self._told.clear()
            self._wake()

    def close(self) -> None:
        """End every stream."""
        self.closed = True
        self._wake()

    async def wait(self, timeout_s: float) -> bool:
        """Return True at the next news, False when there were none for so long: one timer wakes all who wait."""
        news = self._news
        if news.timer is None:
            news.timer = asyncio.get_running_loop().call_later(timeout_s, self._wake, True)
        await news.came.wait()
        return not news.is_silence

    def snapshot(self) -> str:
        """Everything, as `GET /v1/units` answers it."""
        members = (
            f'"version":"{self.name}"',
            f'"page":{json.dumps(self.page)}',
            f'"freshness":{self.freshness.model_dump_json()}',
            f'"units":[{",".join(shown.encoded for shown in self._shown.values())}]',
        )
        return f"{{{','.join(members)}}}"

    def seen_by(self, event_id: str | None) -> Seen | None:
        """What a reader knows whose last message had this id; None: nothing that still helps."""
        run, _, version = (event_id or "").partition("-")
        if run != str(self._run) or not version.isdecimal() or int(version) > self._version:
            return None
        return Seen(int(version), -1)

    def message_for(self, seen: Seen | None) -> Message | None:
        """What a reader has to be told; None: it knows all."""
        now = Seen(self._version, self._freshness_count)
        if seen == now:
            return None
        known = None if seen is None or seen.version < self._grouped else seen
        message = self._told.get(known)
        if message is None:
            message = self._told[known] = self._message(known, now)
        return message

    def _message(self, known: Seen | None, now: Seen) -> Message:
        if known is None:
            return Message("snapshot", self.snapshot(), self.name, now)
        common = f'"version":"{self.name}","freshness":{self.freshness.model_dump_json()}'
        if known.version == self._version:
            return Message("freshness", f"{{{common}}}", self.name, now)
        changed = ",".join(shown.encoded for shown in self._shown.values() if shown.version > known.version)
        return Message("units", f'{{{common},"units":[{changed}]}}', self.name, now)

    def _advance_units(self) -> bool:
        changes = self.board.take_changes()
        regrouped = changes.hierarchy or self._new_board
        everyone = regrouped or self.today != self._today
        if not everyone and not changes.units:
            return False
        self._version += 1
        if regrouped:
            self._grouped = self._version
            self._shown.clear()
        for unit_id in self.board.unit_ids() if everyone else changes.units:
            view = unit_view(
                unit_id,
                unit=self.board.units.get(unit_id),
                parent_id=self.board.parent_of(unit_id),
                family=self.board.family(unit_id),
                today=self.today,
            )
            self._shown[unit_id] = _Shown(view, view.model_dump_json(), self._version)
        self._new_board = False
        self._today = self.today
        return True

    def _wake(self, is_silence: bool = False) -> None:
        news, self._news = self._news, _News()
        if news.timer is not None:
            news.timer.cancel()
        news.is_silence = is_silence
        news.came.set()
