"""The time in which a sandbox lives: the machine's, or a clock of a test."""

from __future__ import annotations

import threading
import time
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """A time to live in, such as `altcraft.testing.FakeClock`."""

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        ...

    def sleep(self, seconds: float) -> None:
        """Returns after so many seconds."""
        ...


class SystemClock:
    """The machine's time. close() ends all sleeps."""

    def __init__(self) -> None:
        self._closed = threading.Event()

    def after_fork_in_child(self) -> None:
        """Replaces the lock, which a thread of the parent may hold."""
        closed, self._closed = self._closed.is_set(), threading.Event()
        if closed:
            self._closed.set()

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Returns after so many seconds, or when the clock is closed."""
        self._closed.wait(seconds)

    def close(self) -> None:
        """Ends all sleeps, now and later."""
        self._closed.set()
