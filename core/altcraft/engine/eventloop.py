"""Carries out the engine's steps in an event loop, through an `AsyncTransport`. It decides nothing.

asyncio is imported on first use, so that whoever stays with threads never pays for it. Under another loop (trio), a
sleep can't be cut short from here: hints are heard at its end, and followers look ten times a second.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeVar, cast

from altcraft.engine.effects import Effects, SendRequest, SleepFor, WaitFor
from altcraft.engine.engine import Engine
from altcraft.engine.threads import SleptTime
from altcraft.wire.messages import HttpResponse
from altcraft.wire.transport import AsyncTransport

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = ["LoopRunner"]

T = TypeVar("T")

_LOOK_AGAIN = 0.1


class LoopRunner:
    """The I/O of one client's coroutines."""

    def __init__(self, transport: AsyncTransport, engine: Engine) -> None:
        self._transport = transport
        self.engine = engine
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sleeps: dict[object, set[asyncio.Future[None]]] = {}
        engine.gate = LoopSignal
        engine.changed = engine.gate()
        engine.wake = self._wake

    async def run(self, steps: Effects[T]) -> T:
        """Carries the steps out, one after the other; returns, or raises, what they come to."""
        answer: HttpResponse | None = None
        error: Exception | None = None
        try:
            self._enter()
            while True:
                step = steps.send(answer) if error is None else steps.throw(error)
                answer = error = None
                try:
                    if isinstance(step, SendRequest):
                        answer = await self._transport.send(step.request, timeout=step.timeout)
                    elif isinstance(step, SleepFor):
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
        self.engine.close()
        for sleeps in tuple(self._sleeps.values()):
            for sleep in tuple(sleeps):
                sleep.cancel()
        await self._transport.close()

    async def _sleep(self, step: SleepFor) -> None:
        loop = self._loop
        if loop is None:
            await self._sleep_out(step.seconds)
            return
        sleep = loop.create_task(self._sleep_out(step.seconds))
        sleeps = self._sleeps.setdefault(step.over, set())
        sleeps.add(sleep)
        try:
            await _settled(sleep)
        finally:
            sleeps.discard(sleep)
            if not sleeps:
                self._sleeps.pop(step.over, None)

    async def _sleep_out(self, seconds: float) -> None:
        clock = self.engine.now
        since = clock()
        await self._transport.sleep(seconds)
        if isinstance(clock, SleptTime):
            clock.slept(seconds, since)

    async def _pause(self, step: WaitFor) -> None:
        loop = self._loop
        if loop is None:
            await self._sleep_out(_LOOK_AGAIN if step.seconds is None else min(_LOOK_AGAIN, step.seconds))
            return
        gate = cast(LoopSignal, step.gate)
        await gate.wait(loop.create_future(), step.seen, step.seconds)

    def _wake(self, over: object) -> None:
        """From any thread: ends the sleep over that thing, in the loop."""
        if self._loop is not None:
            _call_in(self._loop, self._cut_short, over)

    def _cut_short(self, over: object) -> None:
        for sleep in tuple(self._sleeps.get(over, ())):
            sleep.cancel()

    def _enter(self) -> None:
        """Takes to asyncio's loop where it runs, before there is anything to wake. RuntimeError in any other one."""
        loop = _running_loop()
        if loop is self._loop:
            return
        if self._loop is not None:
            raise RuntimeError(
                "this AsyncClient belongs to the event loop of its first call: make one client in each loop"
            )
        self._loop = loop


class LoopWorkers:
    """Coroutines that share some work, at most so many; hired one by one, as the work asks for them. asyncio only."""

    def __init__(self, driver: LoopRunner, most: int) -> None:
        if most < 1:
            raise ValueError(f"max_in_flight={most!r}: at least 1")
        self._driver = driver
        self._most = most
        self._tasks: list[asyncio.Task[None]] = []

    def hire(self, work: Callable[[], Effects[None]], failed: Callable[[BaseException], None]) -> bool:
        """Starts one more coroutine on the work; `failed` is told what ends it early. False: there are enough."""
        if len(self._tasks) >= self._most:
            return False
        loop = _running_loop()
        if loop is None:
            raise RuntimeError(
                "as_completed, wait and submit_many need asyncio: under another event loop, await each task by itself"
            )
        self._tasks.append(loop.create_task(self._carry_out(work, failed)))
        return True

    async def _carry_out(self, work: Callable[[], Effects[None]], failed: Callable[[BaseException], None]) -> None:
        try:
            await self._driver.run(work())
        except BaseException as error:
            failed(error)

    async def join(self, *, cancel: bool) -> None:
        """Returns when all of them have left; with `cancel`, whatever they are at is broken off."""
        if not self._tasks:
            return
        import asyncio

        if cancel:
            for task in self._tasks:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=cancel)


class LoopSignal:
    """A Signal for the coroutines of one loop; opened from any thread."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Future[None], None] = {}
        self.version = 0

    def open(self, count: int | None = None) -> None:
        """Lets coroutines go on, those first that have waited longest."""
        self.version += 1
        if not self._waiting:
            return
        for future in tuple(self._waiting)[:count]:
            self._waiting.pop(future, None)
            loop = future.get_loop()
            if loop is _running_loop():
                _let_go(future)
            else:
                _call_in(loop, _let_go, future)

    async def wait(self, opened: asyncio.Future[None], seen: int, seconds: float | None) -> None:
        """Waits until the version is no longer `seen`, or the time is over; `opened` is a new future."""
        self._waiting[opened] = None
        timer = None if seconds is None else opened.get_loop().call_later(seconds, _let_go, opened)
        try:
            if self.version == seen:  # looked at after the entry is made: whoever opens does it the other way round
                await opened
        finally:
            self._waiting.pop(opened, None)
            if timer is not None:
                timer.cancel()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    """asyncio's loop where it runs in this thread, else None."""
    module = sys.modules.get("asyncio")  # whoever runs a loop of it has imported it
    try:
        loop: asyncio.AbstractEventLoop | None = module.get_running_loop() if module else None
    except RuntimeError:
        return None
    return loop


def _call_in(loop: asyncio.AbstractEventLoop, function: Callable[[T], object], argument: T) -> None:
    """Has it called in the loop, from any thread; not where the loop is closed, for then nobody waits there."""
    try:
        loop.call_soon_threadsafe(function, argument)
    except RuntimeError:
        if not loop.is_closed():
            raise


def _let_go(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def _settled(future: asyncio.Future[None]) -> None:
    """Until the future is done or cancelled; it does not outlive the waiting."""
    import asyncio

    try:
        await asyncio.wait((future,))
        if future.done() and not future.cancelled():
            future.result()
    finally:
        future.cancel()
