"""For an AsyncClient: runs a transport for threads in worker threads, so that async needs no extra library.

Works under asyncio and trio. A cancelled exchange is left to its thread, which ends it within its timeout.
"""

from __future__ import annotations

import contextvars
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Thread
from typing import TypeVar

from altcraft.errors import ConnectError, UsedAfterFork
from altcraft.wire.messages import HttpRequest, HttpResponse
from altcraft.wire.transport import Clock, Transport, TransportRegistry, TransportSettings
from altcraft_transports._common.errors import CLOSED
from altcraft_transports._common.forks import FORKED, heed_forks
from altcraft_transports._common.loops import AsyncSleeper, Flag

__all__ = ["ThreadsTransport", "create_async"]

_WORKERS = 16
_NO_THREAD = (
    "no worker thread can be started, for this process or this machine has too many: close clients that are done with, "
    "or choose a transport without threads, such as aiohttp or httpx"
)

_NO_WORKER = "no free worker thread in time: more exchanges at once than workers"

T = TypeVar("T")


class ThreadsTransport:
    """An AsyncTransport out of any Transport, which it then owns: at most `workers` exchanges at once, the rest queue.

    There are as many workers as the transport has connections, if that is known, else 16. Sleeping takes no thread. A
    transport with a clock of its own keeps it, and sleeps by itself.
    """

    def __init__(self, transport: Transport, *, workers: int | None = None) -> None:
        settings = getattr(transport, "settings", None)
        if workers is None:
            workers = (isinstance(settings, TransportSettings) and settings.connections) or _WORKERS
        self._transport = transport
        self._workers = ThreadPoolExecutor(workers, "altcraft-transport", self._note_worker)
        self._has_worker = self._closed = self._forked = False
        self._sleeper = AsyncSleeper()
        self._has_clock = isinstance(transport, Clock)
        if isinstance(transport, Clock):
            self.monotonic = transport.monotonic  # present only if the transport has it: see `Clock`
        heed_forks(self)

    async def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        """Carries out one exchange in a worker thread. Raises the transport's errors; ConnectError without a worker."""
        deadline = time.monotonic() + timeout

        def exchange() -> HttpResponse:
            left = deadline - time.monotonic()
            if self._closed:
                raise ConnectError(CLOSED)
            if left <= 0:
                raise ConnectError(_NO_WORKER)
            return self._transport.send(request, timeout=left)

        context = contextvars.copy_context()  # what the caller has set holds in the worker, too
        return await self._run(lambda: context.run(exchange), timeout)

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
        if self._forked:
            return  # the threads are the parent's
        closing: Future[None] = Future()
        closer = Thread(target=_fulfil, args=(closing, self._end), name="altcraft-close")  # the workers may all be busy
        try:
            closer.start()
        except RuntimeError:  # no thread can be started, so the event loop has to wait
            self._end()
            return
        await _outcome(closing)
        closer.join()

    def after_fork(self) -> None:
        """Notes, in a forked child, that the worker threads and the event loop are the parent's."""
        self._forked = True

    def _note_worker(self) -> None:
        self._has_worker = True

    def _end(self) -> None:
        self._transport.close()
        self._workers.shutdown()

    async def _run(self, work: Callable[[], T], patience: float | None = None) -> T:
        """Has a worker do the work. ConnectError if none begins it within `patience` seconds."""
        if self._forked:
            raise UsedAfterFork(FORKED)
        future: Future[T] = Future()
        try:
            self._workers.submit(_fulfil, future, work)
        except RuntimeError as error:
            # The work is in the queue although no thread could be started for it. A running worker will do it;
            # without one it is taken back, so that a worker that is started later doesn't.
            if self._closed or not self._has_worker:
                future.cancel()
                raise ConnectError(CLOSED if self._closed else f"{_NO_THREAD} ({error})") from None
        return await _outcome(future, patience)


def create_async(
    url: str, *, transport: Transport | None = None, settings: TransportSettings | None = None
) -> ThreadsTransport:
    """Runs a transport in threads, urllib3 if none is given. `settings` are for urllib3, `connections` for both."""
    made = transport or TransportRegistry().create("urllib3", url, settings)
    return ThreadsTransport(made, workers=None if settings is None else settings.connections)


def _fulfil(future: Future[T], work: Callable[[], T]) -> None:
    """Does the work, unless the future was cancelled in the meantime."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(work())
    except BaseException as error:
        future.set_exception(error)


async def _outcome(future: Future[T], patience: float | None = None) -> T:
    """Awaits what a thread is working on. Cancelling it takes work back that is still queued."""
    flag = Flag()
    future.add_done_callback(lambda _: flag.set_from_thread())
    try:
        await flag.wait(patience)
        if not future.done() and future.cancel():
            raise ConnectError(_NO_WORKER)
        await flag.wait()
    except BaseException:
        future.cancel()
        raise
    return future.result()
