"""The sink waits for the world to come back, not for ever, and not when it was told to stop."""

import asyncio

import pytest

from schemas.errors import Unavailable
from services.sink import retry
from services.sink.retry import patiently


class Flaky:
    """Answers after so many refusals."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.refusals:
            raise Unavailable("not now")
        return "here"


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "DELAY_S_FIRST", 0.001)
    monkeypatch.setattr(retry, "DELAY_S_MAX", 0.002)


@pytest.mark.asyncio
async def test_it_asks_again_until_there_is_an_answer() -> None:
    call = Flaky(refusals=3)
    assert await patiently(call, stop=asyncio.Event()) == "here"
    assert call.calls == 4


@pytest.mark.asyncio
async def test_it_gives_up_after_the_limit() -> None:
    with pytest.raises(Unavailable, match="not now"):
        await patiently(Flaky(refusals=10**9), stop=asyncio.Event(), limit_s=0.02)


@pytest.mark.asyncio
async def test_it_does_not_wait_once_told_to_stop() -> None:
    stop = asyncio.Event()
    stop.set()
    call = Flaky(refusals=1)
    with pytest.raises(Unavailable):
        await patiently(call, stop=stop)
    assert call.calls == 1
