"""Running a test's coroutine in an event loop that forgives nothing, and fakes whose steps can be counted."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from altcraft import ConnectError, ConnectionLost, HttpRequest, HttpResponse
from altcraft_transports._common.loops import AsyncSleeper
from engine.stage import PATIENCE

try:
    import uvloop
except ImportError:
    uvloop = None  # type: ignore[assignment]  # then the tests run on asyncio's own loop alone

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
if uvloop is not None:
    LOOPS["uvloop"] = uvloop.new_event_loop


def run_in(kind: str, main: Callable[[], Coroutine[Any, Any, Any]], *, debug: bool = True) -> None:
    """Runs it, in debug mode where that is quick enough; fails when it hangs, leaves a task, or the loop complains."""
    complaints: list[dict[str, Any]] = []
    loop = LOOPS[kind]()
    loop.set_debug(debug)
    loop.slow_callback_duration = PATIENCE
    loop.set_exception_handler(lambda _, context: complaints.append(context))

    async def watched() -> None:
        alarm = loop.call_later(PATIENCE, asyncio.current_task().cancel)  # type: ignore[union-attr]  # there is one
        await main()
        alarm.cancel()
        assert await leftovers() == set()

    try:
        loop.run_until_complete(watched())
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
    assert not complaints, complaints


def in_every_loop(test: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., None]:
    """Makes a test of a coroutine function, which asks for the fixture `loop_kind`."""

    @functools.wraps(test)
    def run(loop_kind: str, **arguments: Any) -> None:
        run_in(loop_kind, lambda: test(**arguments))

    parameters = [
        inspect.Parameter("loop_kind", inspect.Parameter.KEYWORD_ONLY),
        *(
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for parameter in inspect.signature(test).parameters.values()
        ),
    ]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what pytest reads
    return run


async def leftovers() -> set[asyncio.Task[Any]]:
    """The tasks that are there beside this one, after those that are ending have ended."""
    for _ in range(5):
        await asyncio.sleep(0)
    return asyncio.all_tasks() - {asyncio.current_task()}  # type: ignore[arg-type]  # there is a current one


class AsyncCall:
    """An exchange under way, which waits for its answer."""

    def __init__(self, request: HttpRequest, timeout: float) -> None:
        self.request = request
        self.timeout = timeout
        self.outcome: asyncio.Future[HttpResponse] = asyncio.get_running_loop().create_future()

    def answer(self, answer: HttpResponse | BaseException) -> None:
        """Lets it go on, with a reply or an error."""
        if not self.outcome.done():
            if isinstance(answer, BaseException):
                self.outcome.set_exception(answer)
            else:
                self.outcome.set_result(answer)


class AsyncStage:
    """An AsyncTransport whose exchanges wait until the test lets them go on. `under_way` holds those that do."""

    def __init__(self) -> None:
        self.under_way: set[AsyncCall] = set()
        self.closed = False
        self._calls: asyncio.Queue[AsyncCall] = asyncio.Queue()
        self._sleeps: asyncio.Queue[float] = asyncio.Queue()
        self._sleeper = AsyncSleeper()

    async def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        if self.closed:
            raise ConnectError("the transport is closed")
        call = AsyncCall(request, timeout)
        self.under_way.add(call)
        self._calls.put_nowait(call)
        try:
            return await call.outcome
        finally:
            self.under_way.discard(call)

    async def sleep(self, seconds: float) -> None:
        self._sleeps.put_nowait(seconds)
        await self._sleeper.sleep(seconds)

    async def close(self) -> None:
        self.closed = True
        self._sleeper.close()
        for call in tuple(self.under_way):
            call.answer(ConnectionLost("the transport was closed during the exchange"))

    async def next(self) -> AsyncCall:
        """The next exchange, as soon as there is one."""
        return await asyncio.wait_for(self._calls.get(), PATIENCE)

    async def asleep(self) -> float:
        """How long the next sleeper wants to sleep, as soon as there is one."""
        return await asyncio.wait_for(self._sleeps.get(), PATIENCE)

    def idle(self) -> bool:
        """Whether the test has taken every exchange."""
        return self._calls.empty()


class Prompt:
    """An AsyncTransport that answers at once, and sleeps as long as it is told to."""

    def __init__(self, answer: Callable[[HttpRequest], HttpResponse]) -> None:
        self.answer = answer
        self.asleep = 0
        self._sleeper = AsyncSleeper()

    async def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        return self.answer(request)

    async def sleep(self, seconds: float) -> None:
        self.asleep += 1
        await self._sleeper.sleep(seconds)

    async def close(self) -> None:
        self._sleeper.close()


class Steady:
    """An AsyncTransport in a time of its own, whose every call takes the same few turns of the loop.

    `answer` makes a reply of a request. `busy` counts what is under way: exchanges, sleeps and closings.
    """

    def __init__(self, answer: Callable[[HttpRequest], HttpResponse | BaseException]) -> None:
        self.answer = answer
        self.now = 0.0
        self.busy = 0
        self.closed = False
        self.sent: deque[HttpRequest] = deque()

    async def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        self.sent.append(request)
        await self._turns(3)
        answer = self.answer(request)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def sleep(self, seconds: float) -> None:
        await self._turns(2)
        self.now += seconds

    async def close(self) -> None:
        await self._turns(3)
        self.closed = True

    def monotonic(self) -> float:
        return self.now

    async def _turns(self, count: int) -> None:
        self.busy += 1
        try:
            for _ in range(count):
                await asyncio.sleep(0)
        finally:
            self.busy -= 1


async def cancelled_at(turn: int, task: asyncio.Future[Any]) -> bool:
    """Cancels it after so many turns of the loop; whether it was still under way then, and ended as cancelled."""
    for _ in range(turn):
        await asyncio.sleep(0)
    if task.done():
        return False
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return True
    raise AssertionError(f"the cancellation in turn {turn} was swallowed: {task!r}")
