"""How many exchanges run at once."""

from __future__ import annotations

import threading
from collections import deque

__all__ = ["Slots"]


class Slots:
    """A number of slots, which threads take in turn. Thread-safe, also where a signal's handler raises or calls it.

    Not a threading.Semaphore: an interrupt while Python enters one leaves it locked for good. Not a queue.SimpleQueue:
    until Python 3.12, an interrupt at the end of a time-out can make it wait without one.
    """

    def __init__(self, number: int) -> None:
        self._lock = threading.RLock()
        self._free = number
        self._waiting: deque[threading.Lock] = deque()

    def take(self, timeout: float) -> bool:
        """Takes a slot. False if none was free within so many seconds."""
        turn = threading.Lock()
        turn.acquire()
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            self._waiting.append(turn)
        try:
            turn.acquire(timeout=min(max(timeout, 0.0), threading.TIMEOUT_MAX))
        except BaseException:
            if not self._withdraw(turn):
                self.give()
            raise
        return not self._withdraw(turn)

    def give(self) -> None:
        """Gives a slot back, to the thread that has waited longest."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1

    def _withdraw(self, turn: threading.Lock) -> bool:
        """Whether the turn was still waited for."""
        with self._lock:
            if turn not in self._waiting:
                return False
            self._waiting.remove(turn)
            return True
