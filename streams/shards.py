"""The shards of this worker: which are ours, opening them once, and what to do when one fails.

An exception never leaves here into a Faust agent, where it would pass for success. A fenced shard ends the process: its
partition has a new owner. Any other failure of the broker is met by opening the shard again, with a limit.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from time import monotonic
from typing import Any, Final

import structlog
from aiokafka.errors import KafkaError, ProducerFenced
from faust.types import TP

from schemas.settings import Settings
from schemas.topics import EVENTS
from streams.cache import CacheError
from streams.ending import end_fenced, end_unavailable
from streams.reference import Reference
from streams.shard import Shard
from streams.slices import Slice

log = structlog.get_logger()

# A broker that was killed is back within seconds; after a minute a supervisor should know.
REOPEN_S_MAX: Final = 60.0
REOPEN_WAIT_S: Final = 0.5
# Faust may drop a fetched slice at a rebalance, and a log may end in commit markers, which nobody delivers. When
# nothing came for this long, look which of them it is.
STALL_S: Final = 5.0
REFERENCE_S: Final = 5.0


class Shards:
    """Shards by partition. `seek` moves Faust's consumer."""

    def __init__(
        self,
        *,
        settings: Settings,
        reference: Reference,
        now: Callable[[], int],
        seek: Callable[[TP, int], Awaitable[Any]],
    ) -> None:
        self._settings = settings
        self._reference = reference
        self._rules = ""  # the fingerprint of the rules that all open shards go by
        self._now = now
        self._seek = seek
        self._topic = settings.topics[EVENTS]
        self._shards: dict[int, Shard] = {}
        self._ours: frozenset[int] = frozenset()
        self._assigned = asyncio.Event()
        self._looked_at = 0.0
        self._moved_at: dict[int, tuple[int, float]] = {}

    def __iter__(self) -> Any:
        return iter([shard for shard in self._shards.values() if shard.is_open])

    async def revoke(self) -> None:
        """Before a rebalance: finish what travels and give all producers up, keeping the books warm."""
        self._assigned.clear()
        for shard in self._shards.values():
            async with shard.lock:
                await shard.close(keep=True)

    def assign(self, partitions: Iterable[int]) -> None:
        """After a rebalance: these are ours; books of others' partitions are forgotten."""
        self._ours = frozenset(partitions)
        for partition in set(self._shards) - self._ours:
            self._shards.pop(partition).leave()
        self._assigned.set()

    async def take(self, slice_: Slice) -> None:
        """Hand a slice to its owner. It waits for the assignment: Faust may deliver before it has announced it."""
        await self._assigned.wait()
        await self._guarded(slice_.partition, lambda shard: self._take(shard, slice_))

    async def tick(self) -> None:
        """Let the clock move the counters of every partition that is ours."""
        if not self._assigned.is_set():
            return
        await self._follow_reference()
        await self._each(self._tick)

    async def _follow_reference(self) -> None:
        """Now and then, look whether reference data was written; changed rules go to every open shard."""
        if monotonic() - self._looked_at < REFERENCE_S:
            return
        self._looked_at = monotonic()
        try:
            if await self._reference.has_moved():
                await self._reference.refresh()
        except (KafkaError, OSError) as error:
            log.warning("reference data not read, again later", error=type(error).__name__)
            return
        if self._reference.rules.fingerprint != self._rules:
            self._rules = self._reference.rules.fingerprint
            await self._each(Shard.go_by_reference)

    async def _each(self, act: Callable[[Shard], Awaitable[None]]) -> None:
        """With every shard of ours, side by side: one that has to be opened waits for the broker many times."""
        await asyncio.gather(*(self._guarded(partition, act) for partition in self._ours))

    async def _take(self, shard: Shard, slice_: Slice) -> None:
        if await shard.joins(slice_):
            await shard.take(slice_)
        elif slice_.value[0].offset > shard.next:
            log.warning("hole, reading again", partition=shard.partition, next=shard.next, got=slice_.value[0].offset)
            await self._seek(TP(self._topic, shard.partition), shard.next)

    async def _tick(self, shard: Shard) -> None:
        await shard.tick()
        next_, since = self._moved_at.get(shard.partition, (-1, 0.0))
        if shard.next != next_:
            self._moved_at[shard.partition] = shard.next, monotonic()
        elif monotonic() - since > STALL_S:
            self._moved_at[shard.partition] = shard.next, monotonic()
            if not await shard.catch_up():
                log.warning("stalled, reading again", partition=shard.partition, next=shard.next)
                await self._seek(TP(self._topic, shard.partition), shard.next)

    async def _guarded(self, partition: int, act: Callable[[Shard], Awaitable[None]]) -> None:
        """Do something with an open shard of ours; open it, or open it again, when that is what it takes."""
        if partition not in self._ours:
            return
        shard = self._shards.setdefault(partition, self._new(partition))
        async with shard.lock:
            if not self._assigned.is_set():
                return  # revoked while we waited: the new owner reads this again
            try:
                if not shard.is_open:
                    await self._open(shard)
                await act(shard)
            except ProducerFenced:
                end_fenced(f"partition {partition} has a new owner; this worker was away too long")
            except (KafkaError, CacheError) as error:
                log.warning("shard failed, opening again", partition=partition, error=_told(error))
                await shard.close(keep=False)
                await self._open(shard)
                await self._seek(TP(self._topic, partition), shard.next)

    async def _open(self, shard: Shard) -> None:
        give_up_at = monotonic() + REOPEN_S_MAX
        while True:
            try:
                if not self._reference.is_read:
                    await self._reference.refresh()
                await shard.open()
                await shard.go_by_reference()
                return
            except ProducerFenced:
                raise
            except CacheError as error:
                end_unavailable(str(error))
            except (KafkaError, OSError) as error:
                if monotonic() > give_up_at:
                    end_unavailable(
                        f"the broker at {self._settings.bootstrap} did not answer for {REOPEN_S_MAX:.0f} s "
                        f"({type(error).__name__}); check HOSO_KAFKA",
                    )
                await asyncio.sleep(REOPEN_WAIT_S)

    def _new(self, partition: int) -> Shard:
        return Shard(partition=partition, settings=self._settings, reference=self._reference, now=self._now)


def _told(error: KafkaError | CacheError) -> str:
    return str(error) if isinstance(error, CacheError) else type(error).__name__
