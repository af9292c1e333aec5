"""Starting Kafka clients beside a broker that may be starting too."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from aiokafka.errors import KafkaConnectionError

from schemas.errors import Unavailable

START_S_MAX: Final = 60.0  # the local broker answers after 5 s, on a busy machine after 20
RETRY_S: Final = 0.5


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
            await client.stop()
            if loop.time() >= deadline:
                raise Unavailable(f"no broker answers at {bootstrap}; start it or set HOSO_KAFKA") from error
        except BaseException:
            await client.stop()
            raise
        await asyncio.sleep(RETRY_S)
