"""Which of many tasks is to be looked at next, and when: one heap of due times, a rate limit, a common backoff. Pure.

Rules:

1. Whatever is due longest comes first, so that no task starves another.
2. No two polls start closer together than the rate limit allows.
3. After a refusal (429, 503) nothing starts until its delay is over. What has become due meanwhile is then spread over
   as much time again, instead of falling upon the server at once.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Generic, TypeVar

__all__ = ["Agenda"]

T = TypeVar("T")


class Agenda(Generic[T]):
    """Entries with the time at which each is due. Times are seconds on the caller's clock. Not thread-safe."""

    __slots__ = ("_gap", "_heap", "_next_start", "_serial", "_spread_gap", "_spread_until")

    def __init__(self, max_per_second: float | None = None) -> None:
        if max_per_second is not None and not max_per_second > 0:
            raise ValueError(f"max_polls_per_second={max_per_second!r}: more than 0, or None for no limit")
        self._gap = 1.0 / max_per_second if max_per_second else 0.0
        self._heap: list[tuple[float, int, T]] = []
        self._serial = 0  # decides between entries that are due at the same time: first come, first served
        self._next_start = float("-inf")
        self._spread_until = float("-inf")
        self._spread_gap = 0.0

    def add(self, entry: T, due: float) -> None:
        """Puts an entry down for that time."""
        self._serial += 1
        heappush(self._heap, (due, self._serial, entry))

    def delay(self, at: float) -> float | None:
        """Seconds until an entry may be taken: 0 or less for now, None when there is none."""
        return max(self._heap[0][0], self._next_start) - at if self._heap else None

    def take(self, at: float) -> T:
        """Takes the entry that is due longest. Ask `delay` first: it must not be more than 0."""
        entry = heappop(self._heap)[2]
        gap = max(self._gap, self._spread_gap) if at < self._spread_until else self._gap
        if gap:
            self._next_start = at + gap
        return entry

    def hold(self, at: float, seconds: float) -> None:
        """Nothing is taken for so many seconds; what is waiting then is spread over as many again."""
        if at + seconds > self._next_start:
            self._next_start = at + seconds
            self._spread_until = at + 2 * seconds
            self._spread_gap = seconds / max(1, len(self._heap))

    def clear(self) -> list[T]:
        """Takes everything off, due or not."""
        entries = [entry for _due, _serial, entry in self._heap]
        self._heap = []
        return entries

    def __len__(self) -> int:
        return len(self._heap)
