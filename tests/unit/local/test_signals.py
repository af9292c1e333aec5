"""A signal ends a block in good order; a second one ends the cleaning up."""

import asyncio
import os
from signal import SIGINT, SIGTERM, Signals

import pytest

from services.local.signals import left_on_signals


@pytest.mark.asyncio
@pytest.mark.parametrize("number", [SIGINT, SIGTERM])
async def test_a_signal_cancels_the_block_and_is_no_error_afterwards(number: Signals) -> None:
    cleaned = False
    with left_on_signals() as leaving:
        try:
            os.kill(os.getpid(), number)
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned = True
    assert (leaving.signal, cleaned) == (number, True)
    await asyncio.sleep(0)  # nothing of the cancellation is left


@pytest.mark.asyncio
async def test_a_second_signal_cancels_the_cleaning_up() -> None:
    cut_short = False
    with left_on_signals() as leaving:
        try:
            os.kill(os.getpid(), SIGINT)
            await asyncio.Event().wait()
        finally:
            try:
                os.kill(os.getpid(), SIGTERM)
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cut_short = True
    assert (leaving.signal, cut_short) == (SIGTERM, True)
    await asyncio.sleep(0)


@pytest.mark.asyncio
async def test_another_cancellation_stays_one() -> None:
    async def body() -> None:
        with left_on_signals():
            await asyncio.Event().wait()

    task = asyncio.create_task(body())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.asyncio
async def test_an_error_of_the_block_stays_one() -> None:
    with pytest.raises(KeyError), left_on_signals():
        raise KeyError("x")
