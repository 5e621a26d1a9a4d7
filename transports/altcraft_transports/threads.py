"""For an AsyncClient: runs a transport for threads in worker threads, so that async needs no extra library.

Works under asyncio, and under trio. A cancelled exchange is left to its thread, which ends it within its timeout.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from altcraft.errors import ConnectError
from altcraft.wire.messages import HttpRequest, HttpResponse
from altcraft.wire.transport import Clock, Transport, TransportRegistry
from altcraft_transports._common.sleep import AsyncSleeper, under_trio

__all__ = ["ThreadsTransport", "create_async"]

T = TypeVar("T")


def create_async(url: str, *, transport: Transport | None = None, workers: int = 16) -> ThreadsTransport:
    """The given transport in threads, or urllib3 with its default settings."""
    return ThreadsTransport(transport or TransportRegistry().create("urllib3", url), workers=workers)


class ThreadsTransport:
    """An AsyncTransport out of any Transport, which it then owns: at most `workers` exchanges at once, the rest queue.

    Sleeping takes no thread. A transport with a clock of its own keeps it, and sleeps by itself.
    """

    def __init__(self, transport: Transport, *, workers: int = 16) -> None:
        self._transport = transport
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix="altcraft-transport")
        self._sleeper = AsyncSleeper()
        self._closed = False
        self._has_clock = isinstance(transport, Clock)
        if isinstance(transport, Clock):
            self.monotonic = transport.monotonic  # present only where there is one: see `altcraft.wire.transport.Clock`

    async def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        """One exchange in a worker thread. Errors as the transport's; ConnectError where no worker got free in time."""
        deadline = time.monotonic() + timeout

        def exchange() -> HttpResponse:
            left = deadline - time.monotonic()
            if self._closed:
                raise ConnectError("the transport is closed")
            if left <= 0:
                raise ConnectError("no free worker thread in time: more exchanges at once than workers")
            return self._transport.send(request, timeout=left)

        return await self._run(exchange)

    async def sleep(self, seconds: float) -> None:
        """Sleeps, until the transport is closed."""
        if self._has_clock:
            await self._run(lambda: self._transport.sleep(seconds))
        else:
            await self._sleeper.sleep(seconds)

    async def close(self) -> None:
        """Closes the transport, which ends its exchanges, and waits for the threads to end."""
        self._closed = True
        self._sleeper.close()

        def end() -> None:
            self._transport.close()
            self._workers.shutdown()

        closer = ThreadPoolExecutor(1, thread_name_prefix="altcraft-close")  # the workers may all be busy
        ended = closer.submit(end)
        try:
            await _outcome(ended)
        finally:
            closer.shutdown(wait=ended.done())

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            future = self._workers.submit(work)
        except RuntimeError:  # the pool is shut down
            raise ConnectError("the transport is closed") from None
        return await _outcome(future)


async def _outcome(future: Future[T]) -> T:
    """Awaits what a thread is working on, under whichever loop runs. Cancelling it takes a queued work back."""
    if under_trio():
        import trio

        done, token = trio.Event(), trio.lowlevel.current_trio_token()

        def tell(_: Future[T]) -> None:
            try:
                token.run_sync_soon(done.set)
            except trio.RunFinishedError:
                return  # nobody is left to be told

        future.add_done_callback(tell)
        try:
            await done.wait()
        except trio.Cancelled:
            future.cancel()
            raise
        return future.result()
    import asyncio

    return await asyncio.wrap_future(future)
