"""Sleeping in threads, in a way that other threads can end."""

from __future__ import annotations

import threading

__all__ = ["Sleeper"]


class Sleeper:
    """Sleeps that end when their time is over, when another thread wakes all sleepers, or once this is closed.

    A thread that is woken just before it falls asleep does not fall asleep: each thread remembers the last waking that
    it has seen, so that none is missed. Thread-safe.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._wakings = 0
        self._seen = threading.local()
        self._closed = False

    def sleep(self, seconds: float) -> None:
        """Returns after so many seconds, or earlier for one of the reasons above."""
        seen = getattr(self._seen, "wakings", 0)
        with self._condition:
            self._condition.wait_for(lambda: self._closed or self._wakings != seen, timeout=seconds)
            self._seen.wakings = self._wakings

    def wake(self) -> None:
        """Ends the sleeps under way, and the next one of each thread that is about to fall asleep."""
        with self._condition:
            self._wakings += 1
            self._condition.notify_all()

    def close(self) -> None:
        """Ends all sleeps, the future ones too."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
