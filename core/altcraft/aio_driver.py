"""Carries out the conductor's steps in an event loop, through an `AsyncTransport`. It decides nothing.

asyncio is imported on first use, so that whoever stays with threads never pays for it. Under another loop (trio), a
sleep can't be cut short from here: hints are heard at its end, and followers look ten times a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from altcraft.conduct import Conductor, Pause, Rest, Steps, Transmit
from altcraft.handle import TaskBase
from altcraft.messages import HttpResponse
from altcraft.ports import AsyncTransport

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable

__all__ = ["AsyncDriver"]

T = TypeVar("T")

_LOOK_AGAIN = 0.1


class AsyncDriver:
    """The I/O of one client's coroutines."""

    def __init__(self, transport: AsyncTransport, conductor: Conductor) -> None:
        self._transport = transport
        self._conductor = conductor
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sleeps: dict[TaskBase[Any] | None, set[asyncio.Future[None]]] = {}
        self._pauses: set[asyncio.Future[None]] = set()
        conductor.announce = self._announce
        conductor.wake = self._wake

    async def run(self, steps: Steps[T]) -> T:
        """Carries the steps out, one after the other; returns, or raises, what they come to."""
        answer: HttpResponse | None = None
        error: Exception | None = None
        try:
            while True:
                step = steps.send(answer) if error is None else steps.throw(error)
                answer = error = None
                try:
                    if isinstance(step, Transmit):
                        answer = await self._transport.send(step.request, timeout=step.timeout)
                    elif isinstance(step, Rest):
                        await self._sleep(step)
                    else:
                        await self._pause(step)
                except Exception as raised:
                    error = raised
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            steps.close()

    async def close(self) -> None:
        """Ends every wait, and closes the transport."""
        self._conductor.close()
        for sleeps in tuple(self._sleeps.values()):
            for sleep in tuple(sleeps):
                sleep.cancel()
        await self._transport.close()

    async def _sleep(self, step: Rest) -> None:
        loop = self._running_loop()
        if loop is None:
            await self._transport.sleep(step.seconds)
            return
        sleep = loop.create_task(_awaited(self._transport.sleep(step.seconds)))
        sleeps = self._sleeps.setdefault(step.task, set())
        sleeps.add(sleep)
        try:
            await self._settled(sleep)
        finally:
            sleeps.discard(sleep)
            if not sleeps:
                self._sleeps.pop(step.task, None)

    async def _pause(self, step: Pause) -> None:
        loop = self._running_loop()
        if loop is None:
            await self._transport.sleep(_LOOK_AGAIN if step.seconds is None else min(_LOOK_AGAIN, step.seconds))
            return
        if self._conductor.changes != step.seen:
            return
        change = loop.create_future()
        self._pauses.add(change)
        try:
            await self._settled(change, step.seconds)
        finally:
            self._pauses.discard(change)

    async def _settled(self, future: asyncio.Future[None], seconds: float | None = None) -> None:
        """Until the future is done or cancelled, or so many seconds are over; it does not outlive the waiting."""
        import asyncio

        try:
            await asyncio.wait((future,), timeout=seconds)
            if future.done() and not future.cancelled():
                future.result()
        finally:
            future.cancel()

    def _wake(self, task: TaskBase[Any]) -> None:
        """From any thread: ends the sleep over a task, in the loop."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._cut_short, task)

    def _cut_short(self, task: TaskBase[Any]) -> None:
        for sleep in tuple(self._sleeps.get(task, ())):
            sleep.cancel()

    def _announce(self) -> None:
        for change in tuple(self._pauses):
            if not change.done():
                change.set_result(None)

    def _running_loop(self) -> asyncio.AbstractEventLoop | None:
        """asyncio's loop where it runs, else None."""
        import asyncio

        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            return None
        return self._loop


async def _awaited(awaitable: Awaitable[None]) -> None:
    """A coroutine around whatever a transport's `sleep` returns."""
    await awaitable
