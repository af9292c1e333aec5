"""Starting and stopping Kafka clients whose broker may be starting too, or gone."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from aiokafka.errors import KafkaConnectionError

from schemas.errors import Unavailable

START_S_MAX: Final = 60.0  # the local broker answers after 5 s, on a busy machine after 20
STOP_S_MAX: Final = 3.0  # stopping comes after every promise was kept or taken back
RETRY_MS: Final = 500  # aiokafka's own 100 ms writes 50 log lines a second while the broker is away


async def started(make: Callable[[], Any], *, bootstrap: str) -> Any:
    """The client that `make` makes, started; `Unavailable` when no broker has answered for START_S_MAX."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + START_S_MAX
    while True:
        client = make()
        try:
            async with asyncio.timeout_at(deadline):
                await client.start()
            return client
        except (KafkaConnectionError, TimeoutError) as error:
            await stop(client)
            if loop.time() >= deadline:
                raise Unavailable(f"no broker answers at {bootstrap}; start it or set HOSO_KAFKA") from error
        except BaseException:
            await stop(client)
            raise
        await asyncio.sleep(RETRY_MS / 1000)


async def stop(client: Any) -> bool:
    """Stop a client; False when it had to be left after STOP_S_MAX.

    In a task of its own: a consumer whose broker is away lets a CancelledError out (aiokafka 0.14, Fetcher.close).
    """
    stopping = asyncio.create_task(client.stop())
    await asyncio.wait([stopping], timeout=STOP_S_MAX)
    if stopping.done():
        return stopping.cancelled() or stopping.exception() is None
    stopping.cancel()
    return False
