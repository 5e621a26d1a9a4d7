"""Carries out the engine's effects in an event loop, through an `AsyncTransport`. It decides nothing.

asyncio is imported with its first use, so that a program without an event loop never pays for it. Under another loop
(trio), a sleep can't be cut short from here: hints are heard at its end, and waiting callers look ten times a second.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

from altcraft.engine.effects import Effects, SendRequest, SleepFor, WaitFor
from altcraft.engine.threads import SleptTime, clock_of, wall_of
from altcraft.errors import UsedAfterFork
from altcraft.wire.messages import HttpResponse
from altcraft.wire.transport import AsyncTransport

if TYPE_CHECKING:
    import asyncio

__all__ = ["LoopRunner", "LoopWorkers"]

T = TypeVar("T")

_LOOK_AGAIN = 0.1
"""Seconds between the looks of a waiting caller, under a loop whose sleeps can't be cut short."""


class LoopRunner:
    """The I/O of one client's coroutines."""

    longest_sleep = math.inf

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self.now = clock_of(transport)
        self.wall = wall_of(self.now)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sleeps: dict[object, set[asyncio.Future[None]]] = {}
        self._forked = False

    def signal(self) -> LoopSignal:
        """A new signal."""
        return LoopSignal()

    def wake(self, key: object) -> None:
        """Ends the sleeps with that key, in the loop."""
        if self._loop is not None:
            _call_in(self._loop, self._cut_short, key)

    def after_fork(self) -> None:
        """Refuses all work: the event loop is the parent's."""
        self._forked = True

    async def run(self, effects: Effects[T]) -> T:
        """Carries out the effects, one after the other; returns, or raises, what they come to."""
        answer: HttpResponse | None = None
        error: BaseException | None = None
        try:
            self._enter()
            while True:
                effect = effects.send(answer) if error is None else effects.throw(error)
                answer = error = None
                try:
                    if isinstance(effect, SendRequest):
                        answer = await self._transport.send(effect.request, timeout=effect.timeout)
                    elif isinstance(effect, SleepFor):
                        await self._sleep(effect)
                    else:
                        await self._wait(effect)
                except BaseException as raised:  # a cancellation, too, goes through the effects' own handlers
                    error = raised
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            answer = error = None  # what is raised keeps this frame, which must not keep a reply
            effects.close()

    def workers(self, most: int) -> LoopWorkers:
        """At most so many coroutines that share some work. asyncio only."""
        return LoopWorkers(self, most)

    async def close(self) -> None:
        """Ends every sleep, and closes the transport. Close the engine first."""
        for sleeps in tuple(self._sleeps.values()):
            for sleep in tuple(sleeps):
                sleep.cancel()
        await self._transport.close()

    async def _sleep(self, effect: SleepFor) -> None:
        loop = self._loop
        if loop is None:
            await self._sleep_out(effect.seconds)
            return
        sleep = loop.create_task(self._sleep_out(effect.seconds))
        sleeps = self._sleeps.setdefault(effect.key, set())
        sleeps.add(sleep)
        try:
            await _settled(sleep)
        finally:
            sleeps.discard(sleep)
            if not sleeps:
                self._sleeps.pop(effect.key, None)

    async def _sleep_out(self, seconds: float) -> None:
        since = self.now()
        await self._transport.sleep(seconds)
        if isinstance(self.now, SleptTime):
            self.now.slept(seconds, since)

    async def _wait(self, effect: WaitFor) -> None:
        loop = self._loop
        if loop is None:
            await self._sleep_out(_LOOK_AGAIN if effect.seconds is None else min(_LOOK_AGAIN, effect.seconds))
            return
        await cast(LoopSignal, effect.signal).wait(loop.create_future(), effect.seen, effect.seconds)

    def _cut_short(self, key: object) -> None:
        for sleep in tuple(self._sleeps.get(key, ())):
            sleep.cancel()

    def _enter(self) -> None:
        """Notes the loop of the first call. RuntimeError in another one, UsedAfterFork in a forked child."""
        if self._forked:
            raise UsedAfterFork("this AsyncClient belongs to the process that made it: make one after the fork")
        loop = running_loop()
        if loop is self._loop:
            return
        if self._loop is not None:
            raise RuntimeError(
                "this AsyncClient belongs to the event loop of its first call: make one client in each loop, "
                "or have altcraft.PerLoop do so"
            )
        self._loop = loop


class LoopWorkers:
    """Coroutines that share some work, spawned one by one as the work asks for them."""

    def __init__(self, runner: LoopRunner, most: int) -> None:
        if most < 1:
            raise ValueError(f"max_in_flight={most!r}: at least 1")
        self._runner = runner
        self._most = most
        self._tasks: list[asyncio.Task[None]] = []

    def spawn(self, work: Callable[[], Effects[None]], failed: Callable[[BaseException], None]) -> bool:
        """Starts one more coroutine on the work; `failed` gets what ends it early. False: there are enough."""
        if len(self._tasks) >= self._most:
            return False
        loop = running_loop()
        if loop is None:
            raise RuntimeError(
                "as_completed, wait and submit_many need asyncio: under another event loop, await each task by itself"
            )
        self._tasks.append(loop.create_task(self._carry_out(work, failed)))
        return True

    async def join(self, *, cancel: bool) -> None:
        """Returns when all coroutines have ended; with `cancel`, what they are doing is broken off."""
        if not self._tasks:
            return
        import asyncio

        if cancel:
            for task in self._tasks:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=cancel)

    async def _carry_out(self, work: Callable[[], Effects[None]], failed: Callable[[BaseException], None]) -> None:
        try:
            await self._runner.run(work())
        except BaseException as error:
            failed(error)


class LoopSignal:
    """A Signal for the coroutines of one loop."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Future[None], None] = {}
        self.version = 0

    def notify(self, count: int | None = None) -> None:
        """Lets coroutines go on, those first that have waited longest."""
        self.version += 1
        if not self._waiting:
            return
        for future in tuple(self._waiting)[:count]:
            self._waiting.pop(future, None)
            loop = future.get_loop()
            if loop is running_loop():
                _let_go(future)
            else:
                _call_in(loop, _let_go, future)

    async def wait(self, notified: asyncio.Future[None], seen: int, seconds: float | None) -> None:
        """Waits until the version is no longer `seen`, or the time is over; `notified` is a new future."""
        self._waiting[notified] = None
        timer = None if seconds is None else notified.get_loop().call_later(seconds, _let_go, notified)
        try:
            if self.version == seen:  # read after the entry is made: `notify` does it the other way round
                await notified
        finally:
            self._waiting.pop(notified, None)
            if timer is not None:
                timer.cancel()


def running_loop() -> asyncio.AbstractEventLoop | None:
    """asyncio's loop where it runs in this thread, else None."""
    module = sys.modules.get("asyncio")  # a program that runs its loop has imported it
    try:
        loop: asyncio.AbstractEventLoop | None = module.get_running_loop() if module else None
    except RuntimeError:
        return None
    return loop


def _call_in(loop: asyncio.AbstractEventLoop, function: Callable[[T], object], argument: T) -> None:
    """Calls the function in the loop, from any thread; not in a closed loop, in which no coroutine waits."""
    try:
        loop.call_soon_threadsafe(function, argument)
    except RuntimeError:
        if not loop.is_closed():
            raise


def _let_go(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def _settled(future: asyncio.Future[None]) -> None:
    """Waits until the future is done or cancelled; the future does not outlive the wait."""
    import asyncio

    try:
        await asyncio.wait((future,))
        if future.done() and not future.cancelled():
            future.result()
    finally:
        future.cancel()
