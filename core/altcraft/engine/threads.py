"""Carries out the engine's effects in threads, through a `Transport`. It decides nothing."""

from __future__ import annotations

import contextvars
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TypeVar, cast

from altcraft.engine.effects import Effects, SendRequest, SleepFor
from altcraft.errors import OutOfThreads
from altcraft.wire.messages import HttpResponse
from altcraft.wire.transport import Clock, Transport, Wakeable

__all__ = ["SleptTime", "ThreadRunner", "Workers", "clock_of", "wall_of"]

T = TypeVar("T")

_CLOCK_WAS_SET = 0.5
"""Seconds by which the distance of the clocks changes when one is set, or the machine was suspended."""

_NAP = 0.5
"""Seconds after which a sleeping worker looks whether the work has ended, over a transport without `wake`."""


def clock_of(transport: object) -> Callable[[], float]:
    """The transport's own clock, or this machine's, advanced by what the transport only pretends to sleep."""
    if isinstance(transport, Clock):
        return transport.monotonic
    return time.monotonic if isinstance(transport, Wakeable) else SleptTime()


class _WallTime:
    """A moment of this machine's clock, in seconds since 1970.

    The distance of the two clocks is kept until one of them was set, so that a moment has one time on the wall clock.
    """

    def __init__(self) -> None:
        self._distance = time.time() - time.monotonic()

    def __call__(self, at: float) -> float:
        distance = time.time() - time.monotonic()
        if abs(distance - self._distance) > _CLOCK_WAS_SET:
            self._distance = distance
        return round(at + self._distance, 6)  # microseconds, in which datetime and resume tokens keep it


_wall_time = _WallTime()
_LOADED = time.monotonic()


def wall_of(clock: Callable[[], float]) -> Callable[[float], float]:
    """The function that turns a moment of the clock into seconds since 1970.

    A clock that is not this machine's, such as a test's, counts from the moment at which this process loaded the
    library, so that all clients that share it agree.
    """
    if clock is time.monotonic or isinstance(clock, SleptTime):
        return _wall_time
    ahead: float | None = None

    def wall(at: float) -> float:
        nonlocal ahead
        if ahead is None:  # not before: the clock may be that of an event loop that does not run yet
            ahead = 0.0 if abs(clock() - time.monotonic()) <= _CLOCK_WAS_SET else _LOADED
        return _wall_time(at + ahead)

    return wall


class SleptTime:
    """This machine's clock. A sleep that returns far too early, as a test's transport does, counts as slept.

    Without that, a wait over such a transport would ask it to sleep again and again until the time has come.
    """

    def __init__(self) -> None:
        self._ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self._ahead

    def slept(self, seconds: float, since: float) -> None:
        """A sleep of so many seconds, begun at `since`, has run to its end."""
        missing = since + seconds - self()
        if missing > seconds / 2:
            self._ahead += missing


class ThreadRunner:
    """The I/O of one client's threads."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.now = clock_of(transport)
        self.wall = wall_of(self.now)
        self._wake_sleepers = transport.wake if isinstance(transport, Wakeable) else None
        self.longest_sleep = math.inf if self._wake_sleepers is not None else _NAP
        self._groups: set[Workers] = set()  # those whose threads may not have ended yet

    def signal(self) -> ThreadSignal:
        """A new signal."""
        return ThreadSignal()

    def wake(self, key: object) -> None:
        """Wakes all sleepers, since a transport can't tell them apart; the others go back to sleep."""
        if self._wake_sleepers is not None:
            self._wake_sleepers()

    def run(self, effects: Effects[T]) -> T:
        """Carries out the effects, one after the other, in this thread; returns, or raises, what they come to."""
        answer: HttpResponse | None = None
        error: BaseException | None = None
        try:
            while True:
                effect = effects.send(answer) if error is None else effects.throw(error)
                answer = error = None
                try:
                    if isinstance(effect, SendRequest):
                        answer = self._transport.send(effect.request, timeout=effect.timeout)
                    elif isinstance(effect, SleepFor):
                        self._sleep(effect.seconds)
                    else:
                        cast(ThreadSignal, effect.signal).wait(effect.seen, effect.seconds)
                except BaseException as raised:  # an interrupt, too, goes through the effects' own handlers
                    error = raised
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            answer = error = None  # what is raised keeps this frame, which must not keep a reply
            effects.close()

    def after_fork(self) -> None:
        """Forgets the parent's workers. The transport looks after its connections by itself."""
        self._groups.clear()

    def workers(self, most: int) -> Workers:
        """At most so many threads that share some work."""
        return Workers(self, most, self._groups)

    def close(self) -> None:
        """Closes the transport, and waits for the workers. Close the engine first."""
        self._transport.close()
        groups = tuple(self._groups)
        if not any(
            workers.works_here() for workers in groups
        ):  # a thread can't wait for itself, nor two for each other
            for workers in groups:
                workers.join()

    def _sleep(self, seconds: float) -> None:
        since = self.now()
        self._transport.sleep(seconds)
        if isinstance(self.now, SleptTime):  # such a transport can't cut a sleep short
            self.now.slept(seconds, since)


class Workers:
    """Threads that share some work, spawned one by one as the work asks for them. They run in the caller's context."""

    def __init__(self, runner: ThreadRunner, most: int, registry: set[Workers]) -> None:
        if most < 1:
            raise ValueError(f"max_in_flight={most!r}: at least 1")
        self._runner = runner
        self._most = most
        self._registry = registry
        self._lock = threading.RLock()
        self._context = contextvars.copy_context()
        self._threads: list[threading.Thread] = []

    def spawn(self, work: Callable[[], Effects[None]], failed: Callable[[BaseException], None]) -> bool:
        """Starts one more thread on the work; `failed` gets what ends its work early. False: there are enough."""
        with self._lock:
            if len(self._threads) >= self._most:
                return False
            thread = threading.Thread(
                target=self._context.copy().run,  # two threads can't share one context
                args=(self._carry_out, work, failed),
                name=f"altcraft-{len(self._threads)}",
                daemon=True,  # an iteration that is never closed does not keep the interpreter from ending
            )
            try:
                thread.start()
            except RuntimeError as error:  # the system gives no more threads: the present ones do all the work
                if not self._threads:
                    raise OutOfThreads(f"no thread can be started ({error}): raise the limit of threads") from None
                self._most = len(self._threads)
                return False
            self._threads.append(thread)
            self._registry.add(self)
            return True

    def join(self, seconds: float | None = None) -> None:
        """Returns when all threads have ended, or after so many seconds; then each ends by itself."""
        until = math.inf if seconds is None else time.monotonic() + seconds
        for thread in tuple(self._threads):
            if thread is not threading.current_thread():
                thread.join(None if seconds is None else max(0.0, until - time.monotonic()))
        if not any(thread.is_alive() for thread in self._threads):
            self._registry.discard(self)

    def works_here(self) -> bool:
        """Whether the calling thread is one of them."""
        return threading.current_thread() in self._threads

    def _carry_out(self, work: Callable[[], Effects[None]], failed: Callable[[BaseException], None]) -> None:
        try:
            self._runner.run(work())
        except BaseException as error:
            failed(error)


class ThreadSignal:
    """A Signal for threads. It has a lock of its own, so that a waiter need not take the engine's first."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # the garbage collector may call `notify` during a call of `notify`
        self._waiting: deque[threading.Lock] = deque()
        self.version = 0

    def notify(self, count: int | None = None) -> None:
        """Lets threads go on, those first that have waited longest."""
        with self._lock:
            self.version += 1
            left = len(self._waiting) if count is None else count
            while left > 0 and self._waiting:
                self._waiting.popleft().release()
                left -= 1

    def wait(self, seen: int, seconds: float | None) -> None:
        """Blocks until the version is no longer `seen`, or the time is over."""
        notified = threading.Lock()
        notified.acquire()
        with self._lock:
            if self.version != seen:
                return
            self._waiting.append(notified)
        try:
            notified.acquire(timeout=-1 if seconds is None else min(max(seconds, 0.0), threading.TIMEOUT_MAX))
        finally:
            with self._lock:
                if notified in self._waiting:
                    self._waiting.remove(notified)
