"""Sleeping in threads, in a way that other threads can end."""

from __future__ import annotations

import threading
from contextlib import suppress

__all__ = ["Sleeper"]


class Sleeper:
    """Sleeps that end when their time is over, when another thread wakes all sleepers, or once this is closed.

    A thread that is woken just before it falls asleep does not fall asleep: each thread remembers the last waking that
    it has seen, so that none is missed. Thread-safe, also where a signal interrupts a call of it.
    """

    def __init__(self) -> None:
        # Plain locks, no threading.Condition: an interrupt while Python enters one leaves it locked for good.
        self._lock = threading.RLock()
        self._asleep: set[threading.Lock] = set()
        self._wakings = 0
        self._seen = threading.local()
        self._closed = False

    def sleep(self, seconds: float) -> None:
        """Returns after so many seconds, or earlier for one of the reasons above."""
        woken = threading.Lock()
        woken.acquire()
        with self._lock:
            self._asleep.add(woken)  # before the look at what has happened, so that no waking is missed in between
        try:
            if not self._closed and self._wakings == getattr(self._seen, "wakings", 0):
                woken.acquire(timeout=min(max(seconds, 0.0), threading.TIMEOUT_MAX))
        finally:
            with self._lock:
                self._asleep.discard(woken)
        self._seen.wakings = self._wakings

    def wake(self) -> None:
        """Ends the sleeps under way, and the next one of each thread that is about to fall asleep."""
        with self._lock:
            self._wakings += 1
            self._end_all()

    def close(self) -> None:
        """Ends all sleeps, the future ones too."""
        with self._lock:
            self._closed = True
            self._end_all()

    def _end_all(self) -> None:
        for woken in tuple(self._asleep):
            with suppress(RuntimeError):  # woken before, and not yet awake
                woken.release()
