"""Sleeping in a way that others can end, in threads and in event loops: what the transports have in common."""

from __future__ import annotations

import sys
import threading
from collections.abc import Awaitable, Callable

__all__ = ["AsyncSleeper", "Sleeper", "Sleeping", "under_trio"]


class Sleeper:
    """Sleeps that end when their time is over, when somebody wakes all sleepers, or for good when it is closed.

    A thread that is woken just before it falls asleep does not fall asleep: each remembers the last waking it has
    seen, so none gets lost in between. Thread-safe.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._wakings = 0
        self._seen = threading.local()
        self._closed = False

    def sleep(self, seconds: float) -> None:
        """Returns after so many seconds, or earlier for one of the reasons above."""
        seen = getattr(self._seen, "wakings", 0)
        with self._condition:
            self._condition.wait_for(lambda: self._closed or self._wakings != seen, timeout=seconds)
            self._seen.wakings = self._wakings

    def wake(self) -> None:
        """Ends all the sleeps under way, and the next one of each thread that is just about to."""
        with self._condition:
            self._wakings += 1
            self._condition.notify_all()

    def close(self) -> None:
        """Ends all sleeps, the future ones too."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()


class Sleeping:
    """What the transports for threads do while nothing is to be sent. `close` is each transport's own."""

    def __init__(self) -> None:
        self._sleeper = Sleeper()

    def sleep(self, seconds: float) -> None:
        """Sleeps, until the transport is woken or closed."""
        self._sleeper.sleep(seconds)

    def wake(self) -> None:
        """Ends all sleeps."""
        self._sleeper.wake()


class AsyncSleeper:
    """Sleeps of one event loop's tasks, asyncio's or trio's, that end early when it is closed. Not thread-safe."""

    def __init__(self) -> None:
        self._ends: set[Callable[[], object]] = set()
        self._closed = False

    async def sleep(self, seconds: float) -> None:
        """Returns after so many seconds, or once it is closed."""
        seconds = 0.0 if self._closed else max(0.0, seconds)
        if under_trio():
            import trio

            with trio.move_on_after(seconds) as scope:
                await self._until(trio.sleep_forever, scope.cancel)
            return
        import asyncio

        loop = asyncio.get_running_loop()
        over = loop.create_future()

        def end() -> None:
            if not over.done():
                over.set_result(None)

        timer = loop.call_later(seconds, end)
        try:
            await self._until(lambda: over, end)
        finally:
            timer.cancel()

    def close(self) -> None:
        """Ends all sleeps, the future ones too."""
        self._closed = True
        for end in tuple(self._ends):
            end()

    async def _until(self, sleep: Callable[[], Awaitable[None]], end: Callable[[], object]) -> None:
        self._ends.add(end)
        try:
            await sleep()
        finally:
            self._ends.discard(end)


def under_trio() -> bool:
    """Whether it is trio that runs the current task; without importing it for those who don't use it."""
    trio = sys.modules.get("trio")
    return trio is not None and bool(trio.lowlevel.in_trio_run())


class Limit:
    """Bounds a piece of work in time, under asyncio or trio; `end` ends it at once, from the same event loop."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._is_over = False
        self._cancel: Callable[[], object] | None = None

    async def within(self, work: Callable[[], Awaitable[object]]) -> bool:
        """Carries it out; False where the time was up, or `end` was called, before it was done. It is cancelled then.

        A cancellation from outside passes through, after the work has seen it.
        """
        if self._is_over:
            return False
        if under_trio():
            import trio

            with trio.move_on_after(max(0.0, self._seconds)) as scope:
                self._cancel = scope.cancel
                await work()
            return not scope.cancelled_caught
        import asyncio

        task = asyncio.ensure_future(_awaited(work))
        self._cancel = task.cancel
        try:
            await asyncio.wait((task,), timeout=max(0.0, self._seconds))
        finally:
            ended = not task.done() and task.cancel()
            if ended:
                await asyncio.wait((task,))
        if task.cancelled():
            return False
        task.result()
        return True

    def end(self) -> None:
        """Ends the work as if its time were up."""
        self._is_over = True
        if self._cancel is not None:
            self._cancel()


async def _awaited(work: Callable[[], Awaitable[object]]) -> object:
    return await work()
