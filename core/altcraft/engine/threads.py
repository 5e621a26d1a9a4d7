"""Carries out the engine's steps in threads, through a `Transport`. It decides nothing."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

from altcraft.engine.effects import Effects, SendRequest, SleepFor
from altcraft.engine.engine import Engine
from altcraft.wire.messages import HttpResponse
from altcraft.wire.transport import Clock, Transport, Wakeable

if TYPE_CHECKING:
    import threading

__all__ = ["SleptTime", "ThreadRunner", "monotonic"]

T = TypeVar("T")

_NAP = 0.5
"""Seconds until whoever sleeps over a transport that can't wake its sleepers looks whether the work has ended."""


def monotonic(transport: object) -> Callable[[], float]:
    """The clock that a transport lives by: its own, or this machine's, run ahead by what it only pretends to sleep."""
    if isinstance(transport, Clock):
        return transport.monotonic
    return time.monotonic if isinstance(transport, Wakeable) else SleptTime()


class SleptTime:
    """This machine's clock. A sleep that returns far too early, as a test's does, counts as slept all the same.

    Without that, whoever waits over such a transport would ask it to sleep again and again until the time has come.
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

    def __init__(self, transport: Transport, engine: Engine) -> None:
        self._transport = transport
        self.engine = engine
        self.lock = engine.lock
        self.crews: set[Workers] = set()
        """Those whose threads may not have left yet."""
        engine.gate = ThreadSignal
        engine.changed = engine.gate()
        engine.wake = self._wake
        self._wake_sleepers = transport.wake if isinstance(transport, Wakeable) else None
        if self._wake_sleepers is None:
            engine.longest_sleep = _NAP

    def run(self, steps: Effects[T]) -> T:
        """Carries the steps out, one after the other, in this thread; returns, or raises, what they come to."""
        answer: HttpResponse | None = None
        error: Exception | None = None
        try:
            while True:
                step = steps.send(answer) if error is None else steps.throw(error)
                answer = error = None
                try:
                    if isinstance(step, SendRequest):
                        answer = self._transport.send(step.request, timeout=step.timeout)
                    elif isinstance(step, SleepFor):
                        self._sleep(step.seconds)
                    else:
                        gate = cast(ThreadSignal, step.gate)
                        gate.wait(step.seen, step.seconds)
                except Exception as raised:
                    error = raised
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            steps.close()

    def _sleep(self, seconds: float) -> None:
        clock = self.engine.now
        since = clock()
        self._transport.sleep(seconds)
        if isinstance(clock, SleptTime):  # nobody can have cut it short, then
            clock.slept(seconds, since)

    def close(self) -> None:
        """Ends every wait, closes the transport, and waits for the threads of the crews."""
        self.engine.close()
        self._transport.close()
        crews = tuple(self.crews)
        if not any(crew.works_here() for crew in crews):  # a thread can't wait for itself, nor two for each other
            for crew in crews:
                crew.join()

    def is_locked_here(self) -> bool:
        """Whether this thread holds the lock."""
        import threading

        try:
            threading.Condition(self.lock).notify(0)
        except RuntimeError:
            return False
        return True

    def _wake(self, over: object) -> None:
        """Wakes all sleepers, for those of a transport can't be told apart; the others sleep on."""
        if self._wake_sleepers is not None:
            self._wake_sleepers()


class Workers:
    """Threads that share some work, at most so many; hired one by one, as the work asks for them."""

    def __init__(self, driver: ThreadRunner, most: int) -> None:
        if most < 1:
            raise ValueError(f"max_in_flight={most!r}: at least 1")
        self._driver = driver
        self._most = most
        self._threads: list[threading.Thread] = []

    def hire(self, work: Callable[[], Effects[None]], failed: Callable[[BaseException], None]) -> bool:
        """Starts one more thread on the work; `failed` is told what ends its work early. False: there are enough."""
        import threading

        with self._driver.lock:
            if len(self._threads) >= self._most:
                return False
            name = f"altcraft-{len(self._threads)}"
            # A daemon, so that an iteration which nobody closes does not keep the interpreter from leaving.
            thread = threading.Thread(target=self._carry_out, args=(work, failed), name=name, daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads to be had: those that there are do it all
                if not self._threads:
                    raise
                self._most = len(self._threads)
                return False
            self._threads.append(thread)
            self._driver.crews.add(self)
            return True

    def _carry_out(self, work: Callable[[], Effects[None]], failed: Callable[[BaseException], None]) -> None:
        try:
            self._driver.run(work())
        except BaseException as error:
            failed(error)

    def join(self, seconds: float | None = None) -> None:
        """Returns when all of them have left, or when so much time has passed: then each leaves by itself."""
        import threading

        if self._driver.is_locked_here():  # the garbage collector closes an iteration in the midst of something
            return
        until = math.inf if seconds is None else time.monotonic() + seconds
        for thread in tuple(self._threads):
            if thread is not threading.current_thread():
                thread.join(None if seconds is None else max(0.0, until - time.monotonic()))
        if not any(thread.is_alive() for thread in self._threads):
            self._driver.crews.discard(self)

    def works_here(self) -> bool:
        """Whether the calling thread is one of them."""
        import threading

        return threading.current_thread() in self._threads


class ThreadSignal:
    """A Signal for threads. Its lock is its own, so that who is let go need not wait for the engine's first."""

    def __init__(self) -> None:
        import threading

        self._lock = threading.RLock()  # the garbage collector may open a gate while it is being opened
        self._waiting: deque[threading.Lock] = deque()
        self.version = 0

    def open(self, count: int | None = None) -> None:
        """Lets threads go on, those first that have waited longest."""
        with self._lock:
            self.version += 1
            left = len(self._waiting) if count is None else count
            while left > 0 and self._waiting:
                self._waiting.popleft().release()
                left -= 1

    def wait(self, seen: int, seconds: float | None) -> None:
        """Blocks until the version is no longer `seen`, or the time is over."""
        import threading

        opened = threading.Lock()
        opened.acquire()
        with self._lock:
            if self.version != seen:
                return
            self._waiting.append(opened)
        try:
            opened.acquire(timeout=-1 if seconds is None else min(max(seconds, 0.0), threading.TIMEOUT_MAX))
        finally:
            with self._lock:
                if opened in self._waiting:
                    self._waiting.remove(opened)
