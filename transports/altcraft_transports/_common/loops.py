"""Waiting under asyncio and under trio: for a flag, for a time, for a slot. trio is imported by those who run it."""

from __future__ import annotations

import sys
from collections import deque
from types import TracebackType
from typing import Any

__all__ = ["AsyncSleeper", "Bound", "Flag", "Slots", "under_trio"]


def under_trio() -> bool:
    """Whether it is trio that runs the current task."""
    trio = sys.modules.get("trio")
    return trio is not None and bool(trio.lowlevel.in_trio_run())


class Flag:
    """What a task waits for. It belongs to the event loop in which it was made."""

    def __init__(self) -> None:
        self._event: Any
        self._loop: Any
        self.is_set = False
        if under_trio():
            import trio

            self._event, self._loop = trio.Event(), trio.lowlevel.current_trio_token()
        else:
            import asyncio

            self._loop = asyncio.get_running_loop()
            self._event = self._loop.create_future()

    def set(self) -> None:
        """Wakes the task, from its own loop."""
        self.is_set = True
        if not hasattr(self._event, "set_result"):
            self._event.set()
        elif not self._event.done():
            self._event.set_result(None)

    def set_from_thread(self) -> None:
        """Wakes the task, from any thread. Does nothing if the loop has ended."""
        schedule = self._loop.call_soon_threadsafe if hasattr(self._event, "set_result") else self._loop.run_sync_soon
        try:
            schedule(self.set)
        except RuntimeError:  # the loop has ended, and with it the task; trio.RunFinishedError is one, too
            return

    async def wait(self, seconds: float | None = None) -> None:
        """Returns once the flag is set, or after so many seconds."""
        if not hasattr(self._event, "set_result"):
            import trio

            with trio.move_on_after(float("inf") if seconds is None else max(0.0, seconds)):
                await self._event.wait()
            return
        import asyncio

        await asyncio.wait((self._event,), timeout=None if seconds is None else max(0.0, seconds))


class AsyncSleeper:
    """Sleeps of one event loop's tasks, which end early once this is closed. Not thread-safe."""

    def __init__(self) -> None:
        self._asleep: set[Flag] = set()
        self._closed = False

    async def sleep(self, seconds: float) -> None:
        """Returns after so many seconds, or once this is closed."""
        flag = Flag()
        self._asleep.add(flag)
        try:
            await flag.wait(0.0 if self._closed else seconds)
        finally:
            self._asleep.discard(flag)

    def close(self) -> None:
        """Ends all sleeps, the future ones too."""
        self._closed = True
        for flag in tuple(self._asleep):
            flag.set()


class Slots:
    """So many tasks at once; the others wait in their order. A cancelled task leaves no slot behind."""

    def __init__(self, number: int) -> None:
        self._free = number
        self._waiting: deque[Flag] = deque()

    async def __aenter__(self) -> None:
        if self._free:
            self._free -= 1
            return
        flag = Flag()
        self._waiting.append(flag)
        try:
            await flag.wait()
        except BaseException:
            if flag.is_set:  # the slot had been handed over by then
                self._release()
            else:
                self._waiting.remove(flag)
            raise

    async def __aexit__(self, *_: object) -> None:
        self._release()

    def _release(self) -> None:
        if self._waiting:
            flag = self._waiting.popleft()
            flag.set()
        else:
            self._free += 1


class Bound:
    """Bounds a block in time: TimeoutError once it is over, or when `end` is called. Not thread-safe.

    Under asyncio as asyncio.timeout, which Python 3.10 lacks.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._is_over = False
        self._scope: Any = None

    async def __aenter__(self) -> Bound:
        if under_trio():
            import trio

            self._scope = trio.move_on_after(max(0.0, self._seconds))
            self._scope.__enter__()
            return self
        import asyncio

        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._cancellations = task.cancelling() if sys.version_info >= (3, 11) else 0
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self.end)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        if self._scope is not None:
            if self._scope.__exit__(kind, error, frames) and error is not None:
                raise TimeoutError
            return
        self._timer.cancel()
        if not self._is_over:
            return
        import asyncio

        if sys.version_info >= (3, 11) and self._task.uncancel() > self._cancellations:
            return  # the task was cancelled from outside, too
        if isinstance(error, asyncio.CancelledError):
            raise TimeoutError from error

    def end(self) -> None:
        """Ends the block as if its time were up."""
        if self._is_over:
            return
        self._is_over = True
        if self._scope is not None:
            self._scope.cancel()
        else:
            self._task.cancel()
