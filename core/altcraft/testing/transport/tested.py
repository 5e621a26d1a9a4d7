"""A transport of either kind, as a test's thread uses it, so that the cases need not know which kind it is."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any, Literal, Protocol, TypeAlias, TypeVar, cast

from altcraft.errors import AltcraftError
from altcraft.wire.messages import Headers, HttpRequest, HttpResponse
from altcraft.wire.transport import AsyncTransport, Transport

__all__ = ["BODY_TOKEN", "HEADER_TOKEN", "Loop", "MakeTransport", "Tested", "request"]

T = TypeVar("T")

Loop: TypeAlias = Literal["asyncio", "trio"]
MakeTransport: TypeAlias = "Callable[..., Transport] | Callable[..., AsyncTransport]"

BODY_TOKEN = "body-s3cret-token"
HEADER_TOKEN = "header-s3cret-token"

_PATIENCE = 20.0


def request(url: str, body: bytes = b"", *, method: str = "POST") -> HttpRequest:
    """Returns a request with a token in its body and one among its headers, which no error may show."""
    headers = Headers({
        "Content-Type": "application/json", "Accept": "application/json", "Authorization": f"Bearer {HEADER_TOKEN}"
    })  # fmt: skip
    return HttpRequest(method, url, headers, body or f'{{"token":"{BODY_TOKEN}"}}'.encode())


class Tested:
    """The transport under test. Everything is begun in the background, and its outcome is a `Future`."""

    def __init__(self, make: Callable[[], Transport | AsyncTransport], loop: Loop | None) -> None:
        self._runner: _Runner = _Threads() if loop is None else _Asyncio() if loop == "asyncio" else _Trio()
        try:
            self.transport: Any = self._runner.start(make).result(_PATIENCE)
        except BaseException:
            self._runner.end()
            raise

    def begin(self, request: HttpRequest, timeout: float = 5.0) -> Future[HttpResponse]:
        """Begins an exchange."""
        return self._runner.start(lambda: self.transport.send(request, timeout=timeout))

    def begin_to_cancel(self, request: HttpRequest, timeout: float = 5.0) -> Callable[[], None]:
        """Begins an exchange in the event loop, and returns what cancels it and waits until its task has ended.

        `Future.cancel` of an exchange that was begun with `begin` returns before the event loop knows of it.
        """
        ended = threading.Event()
        begun = threading.Event()

        async def exchange() -> None:
            begun.set()
            try:
                await self.transport.send(request, timeout=timeout)
            finally:
                ended.set()

        future = self._runner.start(exchange)
        assert begun.wait(_PATIENCE)

        def cancel() -> None:
            assert future.cancel(), "the exchange ended before it was cancelled"
            assert ended.wait(_PATIENCE), "the cancelled exchange does not end"

        return cancel

    def send(self, request: HttpRequest, timeout: float = 5.0) -> HttpResponse:
        """Carries out an exchange."""
        return self.begin(request, timeout).result(timeout + _PATIENCE)

    def sleep(self, seconds: float) -> Future[None]:
        """Begins a sleep."""
        return self._runner.start(lambda: self.transport.sleep(seconds))

    def begin_after_stall(self, seconds: float, request: HttpRequest) -> Future[HttpResponse]:
        """Begins an exchange in a task that computed for so many seconds before, while the event loop stood still."""

        def call() -> Any:
            time.sleep(seconds)
            return self.transport.send(request, timeout=5.0)

        return self._runner.start(call)

    def cancel_after(self, turns: int, request: HttpRequest) -> None:
        """Begins an exchange in the event loop, and cancels it after so many turns of the loop."""
        self._runner.cancel_after(turns, lambda: self.transport.send(request, timeout=5.0)).result(_PATIENCE)

    def close(self) -> None:
        """Closes the transport; its loop, or threads, go on."""
        self._runner.start(self.transport.close).result(_PATIENCE)

    def __enter__(self) -> Tested:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.close()
        finally:
            self.transport = None
            self._runner.end()


class _Runner(Protocol):
    """Where the calls are made."""

    def start(self, call: Callable[[], Any]) -> Future[Any]:
        """Makes a call, and awaits what it returns if that is to be awaited."""
        ...

    def cancel_after(self, turns: int, call: Callable[[], Any]) -> Future[None]:
        """Awaits what a call returns, for so many turns of the loop only."""
        ...

    def end(self) -> None:
        """Ends the loop, or waits for the threads."""
        ...


class _Threads:
    """A thread for each call."""

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []

    def start(self, call: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        thread = threading.Thread(target=_fulfil, args=(future, call))
        self._threads = [started for started in self._threads if started.is_alive()] + [thread]
        thread.start()
        return future

    def cancel_after(self, turns: int, call: Callable[[], Any]) -> Future[None]:
        raise NotImplementedError("no call can be cancelled in a thread")

    def end(self) -> None:
        for thread in self._threads:
            thread.join(_PATIENCE)


class _Asyncio:
    """A task for each call, in a loop that runs in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def start(self, call: Callable[[], Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(_awaited(call), self._loop)

    def cancel_after(self, turns: int, call: Callable[[], Any]) -> Future[None]:
        async def begin_and_cancel() -> None:
            task = asyncio.ensure_future(_awaited(call))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait((task,))
            if not task.cancelled():
                task.exception()  # it was quicker, or failed: either will do

        return self.start(begin_and_cancel)

    def end(self) -> None:
        self.start(self._loop.shutdown_asyncgens).result(_PATIENCE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE)
        self._loop.close()


class _Trio:
    """The same under trio."""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._token: Any = None
        self._nursery: Any = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._ready.wait(_PATIENCE)

    def _run(self) -> None:
        import trio

        async def main() -> None:
            async with trio.open_nursery() as nursery:
                self._nursery, self._token = nursery, trio.lowlevel.current_trio_token()
                self._ready.set()
                await trio.sleep_forever()

        trio.run(main)

    def start(self, call: Callable[[], Any]) -> Future[Any]:
        import trio

        future: Future[Any] = Future()

        async def work() -> None:
            answer = None
            with trio.CancelScope() as scope:
                future.add_done_callback(
                    lambda done: self._token.run_sync_soon(scope.cancel) if done.cancelled() else None
                )
                try:
                    answer = await _awaited(call)
                except Exception as error:
                    if not future.done():
                        future.set_exception(error)
                    return
            if not future.done():
                future.set_result(answer)

        self._token.run_sync_soon(lambda: self._nursery.start_soon(work))
        return future

    def cancel_after(self, turns: int, call: Callable[[], Any]) -> Future[None]:
        import trio

        async def carry_out() -> None:
            with contextlib.suppress(AltcraftError):  # the exchange may be quicker, or fail: either will do
                await _awaited(call)

        async def begin_and_cancel() -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(carry_out)
                for _ in range(turns):
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()

        return self.start(begin_and_cancel)

    def end(self) -> None:
        self._token.run_sync_soon(self._nursery.cancel_scope.cancel)
        self._thread.join(_PATIENCE)


async def _awaited(call: Callable[[], Any]) -> Any:
    answer = call()
    return await cast("Awaitable[Any]", answer) if hasattr(answer, "__await__") else answer


def _fulfil(future: Future[T], call: Callable[[], T]) -> None:
    try:
        future.set_result(call())
    except BaseException as error:
        future.set_exception(error)
