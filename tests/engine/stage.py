"""Transports whose every exchange waits until the test lets it go on: for what happens while something is under way."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future
from typing import Any

from altcraft import ConnectError, ConnectionLost, HttpRequest, HttpResponse, Polling
from altcraft.engine.schedule import Due
from altcraft.testing import reply
from altcraft_transports._common.sleeper import Sleeper

PATIENCE = 20.0
"""Seconds until a test that waits for something fails, instead of hanging."""

FOREVER = Polling(initial=1e6, maximum=1e6, jitter=False, predict=False)
"""No task is polled a second time unless a hint wakes the sleepers."""

STARTED = reply({"task_id": "t-1"})
RUNNING = reply({"status": "running", "progress": 50})
DONE = reply({"status": "completed", "progress": 100, "result": []})
FAILED = reply({"status": "failed", "progress": 70})

Answer = HttpResponse | BaseException


def is_scheduled(task: Any) -> bool:
    """Whether the task stands in a group's schedule."""
    place = task._followed.due
    return isinstance(place, Due) and place.entry is not None


def outcome(future: Future[Any]) -> Any:
    """What came of it, as soon as it is there."""
    return future.result(timeout=PATIENCE)


class Call:
    """An exchange under way, which waits for its answer."""

    def __init__(self, request: HttpRequest, timeout: float) -> None:
        self.request = request
        self.timeout = timeout
        self.outcome: queue.SimpleQueue[Answer] = queue.SimpleQueue()

    def answer(self, answer: Answer) -> None:
        """Lets it go on, with a reply or an error."""
        self.outcome.put(answer)


class Stage:
    """A transport for threads. A sleep lasts until its time is over, or until the test wakes or closes the stage.

    `deaf` leaves its exchanges alone when it is closed, as a transport that can't end them would.
    """

    def __init__(self, *, deaf: bool = False) -> None:
        self.deaf = deaf
        self.sleeps: queue.SimpleQueue[float] = queue.SimpleQueue()
        self.closed = False
        self._calls: queue.SimpleQueue[Call] = queue.SimpleQueue()
        self._under_way: set[Call] = set()
        self._lock = threading.Lock()
        self._sleeper = Sleeper()
        self._interruption: BaseException | None = None

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        call = Call(request, timeout)
        with self._lock:
            if self.closed:
                raise ConnectError("the transport is closed")
            self._under_way.add(call)
        self._calls.put(call)
        outcome = call.outcome.get()
        with self._lock:
            self._under_way.discard(call)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def sleep(self, seconds: float) -> None:
        self.sleeps.put(seconds)
        self._sleeper.sleep(seconds)
        if self._interruption is not None:
            interruption, self._interruption = self._interruption, None
            raise interruption

    def wake(self) -> None:
        self._sleeper.wake()

    def interrupt(self, error: BaseException) -> None:
        """Ends the sleep that is under way with an error."""
        self._interruption = error
        self._sleeper.wake()

    def close(self) -> None:
        with self._lock:
            self.closed = True
            under_way = tuple(self._under_way)
        self._sleeper.close()
        if not self.deaf:
            for call in under_way:
                call.answer(ConnectionLost("the transport was closed during the exchange"))

    def next(self) -> Call:
        """The next exchange, as soon as there is one."""
        return self._calls.get(timeout=PATIENCE)

    def asleep(self) -> float:
        """How long the next sleeper wants to sleep, as soon as there is one."""
        return self.sleeps.get(timeout=PATIENCE)

    def idle(self) -> bool:
        """Whether the test has taken every exchange."""
        return self._calls.empty()
