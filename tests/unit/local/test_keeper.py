"""A part that dies is told and started again, later each time; one that cannot live says why."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from schemas.errors import SettingsError, Unavailable
from services.local.keeper import HEALTHY_S, Backoff, Keeper, Part


class Clock:
    """Seconds that pass when somebody sleeps, or when a test says so."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now_s

    async def sleep(self, wait_s: float) -> None:
        self.now_s += wait_s
        self.waits.append(wait_s)
        await asyncio.sleep(0)


class Life:
    """One start of a process that lives for `lives_s`, writes a line and ends with `code`."""

    def __init__(self, code: int, *, lives_s: float = 0.0) -> None:
        self.code, self.lives_s = code, lives_s

    def begin(self, clock: Clock, log: Path) -> Callable[[], Awaitable["Process"]]:
        async def start() -> Process:
            with log.open("a") as file:
                file.write(f"last words before {self.code}\n")
            return Process(self, clock)

        return start


class Process:
    """A running `Life`."""

    def __init__(self, life: Life, clock: Clock) -> None:
        self.life, self.clock = life, clock
        self.ended_by = ""

    async def wait(self) -> int:
        for _ in range(5):  # time to be asked whether it is ready
            await asyncio.sleep(0)
        self.clock.now_s += self.life.lives_s
        return self.life.code

    async def stop(self) -> bool:
        return True

    async def kill(self) -> None:
        self.ended_by = "kill"


async def keep(
    lives: Sequence[Life], tmp_path: Path, *, ready: bool = True
) -> tuple[list[str], list[float], Exception]:
    """What was said, how long was waited, and how it ended, for a part that lives these lives."""
    clock, said = Clock(), list[str]()
    log = tmp_path / "part.log"
    log.write_text("an older run\n")
    starts = iter([life.begin(clock, log) for life in lives])

    async def start() -> Process:
        return await next(starts)()

    async def missing() -> str:
        return "" if ready else "the broker"

    part = Part(name="part", where="", log=log, start=start, missing=missing)
    keeper = Keeper(part, notify=said.append, clock=clock, sleep=clock.sleep)
    with pytest.raises((SettingsError, Unavailable)) as raised:
        await keeper.keep()
    return said, [wait_s for wait_s in clock.waits if wait_s >= 1], raised.value


def test_the_waits_double_up_to_half_a_minute_and_begin_anew_after_a_minute_of_health() -> None:
    backoff = Backoff()
    assert [backoff.after(0.0) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert backoff.after(HEALTHY_S - 1) == 30
    assert [backoff.after(HEALTHY_S), backoff.after(0.0)] == [1, 2]


@pytest.mark.asyncio
async def test_a_dead_part_is_told_with_its_last_words_and_started_again(tmp_path: Path) -> None:
    said, waits, ending = await keep([Life(1), Life(-9), Life(1, lives_s=HEALTHY_S), Life(2)], tmp_path)
    log = tmp_path / "part.log"
    assert said == [
        f"part ended with exit code 1; starting it again in 1 s; {log} ends with:\nlast words before 1",
        "part answers again",
        f"part was ended by SIGKILL; starting it again in 2 s; {log} ends with:\nlast words before -9",
        "part answers again",
        f"part ended with exit code 1; starting it again in 1 s; {log} ends with:\nlast words before 1",
        "part answers again",
    ]
    assert waits == [1, 2, 1]
    assert isinstance(ending, SettingsError)
    assert str(ending) == "part cannot go on:\nlast words before 2"


@pytest.mark.asyncio
async def test_a_part_that_never_answers_is_given_up(tmp_path: Path) -> None:
    said, waits, ending = await keep([Life(1), Life(1), Life(1)], tmp_path, ready=False)
    assert (len(said), waits) == (2, [1, 2])
    assert isinstance(ending, Unavailable)
    assert str(ending).startswith("part ended with exit code 1, 3 times in a row")


@pytest.mark.asyncio
async def test_a_part_that_cannot_be_started_is_tried_again_too(tmp_path: Path) -> None:
    async def start() -> Process:
        raise Unavailable("port 1 is taken")

    async def missing() -> str:
        return ""

    clock, said = Clock(), list[str]()
    part = Part(name="broker", where="", log=tmp_path / "broker.log", start=start, missing=missing)
    keeper = Keeper(part, notify=said.append, clock=clock, sleep=clock.sleep)
    with pytest.raises(Unavailable, match="broker does not start: port 1 is taken, 3 times in a row"):
        await keeper.keep()
    assert said == [f"broker does not start: port 1 is taken; starting it again in {wait_s} s" for wait_s in (1, 2)]
