"""Connections that wait for the next exchange."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["Kept", "elapsed"]


C = TypeVar("C")


_CLOCK = getattr(time, "CLOCK_BOOTTIME", None)


def elapsed() -> float:
    """Returns seconds that never run backwards, and that go on while the machine is asleep, if the system has such."""
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)


class Kept(Generic[C]):
    """The idle connections of one transport, by where they lead. Thread-safe.

    The last one given back is the first one taken, so that the others may grow old. One that was idle for longer than
    `keep_idle` seconds is not used again: a load balancer, or a NAT, may have forgotten it without a word. `drop` gets
    those that are not kept any more, and closes them.
    """

    def __init__(self, keep_idle: float, drop: Callable[[C], object], clock: Callable[[], float] = elapsed) -> None:
        self._keep_idle = keep_idle
        self._drop = drop
        self._clock = clock
        self._lock = threading.RLock()  # a signal's handler may close the transport during a call
        self._idle: dict[Hashable, list[tuple[C, float]]] = {}
        self._is_closed = False

    def take(self, place: Hashable) -> C | None:
        """Returns a connection, or None. Drops those that have grown too old, on the way.

        Whether the peer has closed it meanwhile is to be seen at the last moment, when the request goes out.
        """
        while True:
            with self._lock:
                idle = self._idle.get(place)
                if not idle:
                    return None
                connection, since = idle.pop()
            if self._clock() - since < self._keep_idle:
                return connection
            self._drop(connection)

    def give_back(self, place: Hashable, connection: C) -> None:
        """Keeps a connection for the next exchange, and drops those of its place that have grown too old."""
        now = self._clock()
        dropped = []
        with self._lock:
            idle = self._idle.setdefault(place, [])
            while idle and now - idle[0][1] >= self._keep_idle:
                dropped.append(idle.pop(0)[0])
            if self._is_closed or not self._keep_idle:
                dropped.append(connection)
            else:
                idle.append((connection, now))
        for each in dropped:
            self._drop(each)

    def clear(self) -> None:
        """Drops all of them: one has turned out to be dead, and its siblings may be, too."""
        with self._lock:
            dropped = self.drain()
        for each in dropped:
            self._drop(each)

    def close(self) -> None:
        """Drops all of them, and those that are still to be given back."""
        self._is_closed = True
        self.clear()

    def drain(self) -> list[C]:
        """Returns all of them, and forgets them. For a forked child, in which the lock may never be free."""
        idle, self._idle = self._idle, {}
        return [connection for connections in idle.values() for connection, _ in connections]
