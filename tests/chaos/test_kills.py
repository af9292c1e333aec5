"""Kill rounds on the real broker and engine, under load with repeats and in shuffled order.

A short round belongs to `make test`; the long ones are `make chaos`. A seed repeats a round's load and its order of
kills (not the moment a process dies at, which is the machine's).
"""

import asyncio
import os
import signal
from contextlib import suppress
from random import Random

import pytest

from schemas.errors import Unavailable
from services.demo.year import YEAR_END
from tests.chaos.compare import differences
from tests.chaos.load import Load, shuffled_year
from tests.chaos.stand import Stand, stand, until

PARTITIONS = {0, 1, 2, 3}


async def kill(stand_: Stand, name: str) -> None:
    """kill -9, and wait until the supervisor has started it anew."""
    await until(lambda: stand_.pid_of(name) is not None, f"{name} runs")  # an earlier kill may have ended it too
    before = stand_.pid_of(name)
    os.kill(before, signal.SIGKILL)
    await until(lambda: stand_.pid_of(name) not in (before, None), f"{name} started again")


async def pause_worker(stand_: Stand) -> None:
    """SIGSTOP a worker until the other owns everything; when it wakes up it must end, fenced, and start anew."""
    stand_.ensure_second_worker()
    second_port = stand_.second_port

    async def both_work() -> bool:
        return bool(await stand_.owned(second_port)) and bool(await stand_.owned(stand_.settings.worker_port))

    await until(both_work, "both workers own partitions")  # this one may just have been starting anew
    paused = stand_.pid_of("worker")
    os.kill(paused, signal.SIGSTOP)
    try:

        async def taken_over() -> bool:
            return await stand_.owned(second_port) == PARTITIONS

        await until(taken_over, "the other worker owns everything")
    finally:
        with suppress(ProcessLookupError):
            os.kill(paused, signal.SIGCONT)

    async def shared_again() -> bool:
        own, other = await stand_.owned(stand_.settings.worker_port), await stand_.owned(second_port)
        return bool(own) and own | other == PARTITIONS and not own & other

    await until(shared_again, "the partitions are shared again")


async def round_of_kills(folder, *, seed: int, dossiers: int, kills: list[str]) -> None:
    random = Random(seed)
    stream = shuffled_year(random, dossiers=dossiers)
    random.shuffle(kills)
    async with stand(folder) as stand_:
        load = Load(address=stand_.stack.urls["gateway"], key=stand_.stack.key or "")
        sending = asyncio.create_task(load.send(stream))
        for number, victim in enumerate(kills, start=1):
            reached = asyncio.create_task(load.reached(number * len(stream) // (len(kills) + 1) // 100))
            await asyncio.wait({reached, sending}, return_when=asyncio.FIRST_COMPLETED)
            reached.cancel()
            print(f"{load.bodies} bodies through; {victim}")
            await (pause_worker(stand_) if victim == "pause" else kill(stand_, victim))
        await sending
        await stand_.settled()
        found: list[str] = ["not compared"]

        async def equal() -> bool:
            nonlocal found
            with suppress(Unavailable):
                found = await differences(stand_, load.acknowledged)
            return not found

        with suppress(AssertionError):
            await until(equal, "everything equal")
        assert found == []
        assert stand_.settings.now() == YEAR_END


@pytest.mark.timeout(280)
def test_a_short_round(tmp_path, seed, broker_jars):
    kills = ["worker", "sink", "gateway", "broker", "pause"]
    asyncio.run(round_of_kills(tmp_path / "var", seed=seed, dossiers=3_000, kills=kills))


@pytest.mark.chaos
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("repetition", range(4))
def test_a_long_round(tmp_path, seed, broker_jars, repetition):
    kills = ["worker", "sink", "gateway", "broker", "pause", "worker", "sink", "broker"] * 2
    asyncio.run(round_of_kills(tmp_path / "var", seed=seed + repetition, dossiers=40_000, kills=kills))
