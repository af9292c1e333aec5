"""One time limit for bodies on their way in, however many there are.

`asyncio.timeout` makes and takes back a timer for each: a tenth of what a request with one event costs.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Arrivals:
    """Cancels tasks that wait too long; one timer, armed for the oldest of them."""

    def __init__(self) -> None:
        self._deadlines: dict[asyncio.Task[object], float] = {}  # in the order of their beginning, so of their end
        self._timer: asyncio.TimerHandle | None = None

    @contextmanager
    def within(self, limit_s: float) -> Iterator[None]:
        """What the current task does inside ends with `TimeoutError` after `limit_s`, the same for all."""
        task = asyncio.current_task()
        assert task is not None
        loop = task.get_loop()
        self._deadlines[task] = loop.time() + limit_s
        if self._timer is None:
            self._timer = loop.call_later(limit_s, self._end_late, loop)
        try:
            yield
        except asyncio.CancelledError:
            if task in self._deadlines:
                raise  # somebody else's
            task.uncancel()
            raise TimeoutError from None
        finally:
            self._deadlines.pop(task, None)

    def _end_late(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        for task, deadline in [*self._deadlines.items()]:
            if deadline > loop.time():
                self._timer = loop.call_at(deadline, self._end_late, loop)
                return
            del self._deadlines[task]
            task.cancel()
