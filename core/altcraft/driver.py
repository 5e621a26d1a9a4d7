"""Carries out the conductor's steps in threads, through a `Transport`. It decides nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from altcraft.conduct import Conductor, Pause, Rest, Steps, Transmit
from altcraft.messages import HttpResponse
from altcraft.ports import Clock, Transport, Wakeable

__all__ = ["Driver", "monotonic"]

T = TypeVar("T")


def monotonic(transport: object) -> Callable[[], float]:
    """The clock that a transport lives by: its own, or this machine's."""
    if isinstance(transport, Clock):
        return transport.monotonic
    return _machine_time


def _machine_time() -> float:
    return time.monotonic()


class Driver:
    """The I/O of one client's threads."""

    def __init__(self, transport: Transport, conductor: Conductor) -> None:
        self._transport = transport
        self._conductor = conductor
        self._changed = threading.Condition(conductor.lock)
        conductor.announce = self._announce
        if isinstance(transport, Wakeable):
            wake = transport.wake
            conductor.wake = lambda _task: wake()

    def run(self, steps: Steps[T]) -> T:
        """Carries the steps out, one after the other, in this thread; returns, or raises, what they come to."""
        answer: HttpResponse | None = None
        error: Exception | None = None
        try:
            while True:
                step = steps.send(answer) if error is None else steps.throw(error)
                answer = error = None
                try:
                    if isinstance(step, Transmit):
                        answer = self._transport.send(step.request, timeout=step.timeout)
                    elif isinstance(step, Rest):
                        self._transport.sleep(step.seconds)
                    else:
                        self._pause(step)
                except Exception as raised:
                    error = raised
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            steps.close()

    def _announce(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Ends every wait, and closes the transport."""
        self._conductor.close()
        self._transport.close()

    def _pause(self, step: Pause) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._conductor.changes != step.seen, step.seconds)
