"""Which of many tasks is polled next, and when: one heap of due times, and a pace. Pure.

Rules:

1. The task that is due longest comes first, so that no task starves another. Tasks due at the same time come in any
   order.
2. No two polls start closer together than the rate limit allows.
3. After a refusal (429, 503), no poll starts until its delay is over. Each further refusal in a row doubles the delay.
   The polls that have become due meanwhile are spread over as much time again, at half the pace that was refused. The
   pace doubles each time such a period has passed without a refusal.
4. Polls that became due while the whole process was held up are spread in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from math import inf
from typing import Generic, TypeVar

__all__ = ["Due", "Schedule"]

T = TypeVar("T")

_FULL_PACE = 1e-4
"""Seconds between two polls; below that, the pace has no limit."""
_SLOWEST_AFTER_HOLD_UP = 0.1
"""Seconds between two polls after the process was held up, at most."""


class Due(float, Generic[T]):
    """A time, and the entry that is due then. A float, so that comparing two of them in the heap is quick."""

    __slots__ = ("entry",)

    entry: T | None
    """None once it is taken or withdrawn."""


class Schedule(Generic[T]):
    """Entries with the time at which each is due. Times are seconds on the caller's clock. Not thread-safe."""

    __slots__ = (
        "_gap", "_heap", "_held", "_hold", "_not_before", "_period", "_slow", "_slow_until", "_void", "refusals",
    )  # fmt: skip

    def __init__(self, max_per_second: float | None = None) -> None:
        if max_per_second is not None and not max_per_second > 0:
            raise ValueError(f"max_polls_per_second={max_per_second!r}: more than 0, or None for no limit")
        self._gap = 1.0 / max_per_second if max_per_second else 0.0
        self._heap: list[Due[T]] = []
        self._void = 0  # entries withdrawn, and still in the heap
        self._not_before = -inf
        self._held = -inf  # when the present hold began; a refusal of an earlier poll is no news
        self._hold = 0.0  # how long it lasts
        self.refusals = 0  # in a row
        self._slow = 0.0  # seconds between two polls, for the time being
        self._slow_until = -inf
        self._period = 0.0  # how long a pace is kept

    def add(self, entry: T, due: float) -> Due[T]:
        """Puts an entry into the schedule. Returns its place, for `withdraw`."""
        added: Due[T] = Due(due)
        added.entry = entry
        heappush(self._heap, added)
        return added

    def withdraw(self, due: Due[T]) -> None:
        """Takes an entry out that is still there. O(1) on average."""
        due.entry = None
        self._void += 1
        if self._void > 64 and self._void > len(self._heap) / 2:
            self._heap = [left for left in self._heap if left.entry is not None]
            heapify(self._heap)
            self._void = 0

    def next_start(self) -> float:
        """When an entry may be taken next; infinity when the schedule is empty."""
        heap = self._heap
        while heap and heap[0].entry is None:
            heappop(heap)
            self._void -= 1
        if not heap:
            return inf
        return heap[0] if heap[0] > self._not_before else self._not_before

    def take(self) -> T:
        """Takes the entry that is due longest. Ask `next_start` first; call `started` if a poll follows."""
        due = heappop(self._heap)
        entry, due.entry = due.entry, None
        assert entry is not None
        return entry

    def started(self, at: float) -> None:
        """Notes that a poll starts at `at`. The next one waits for the gap."""
        gap = self._gap
        if self._slow:
            while self._slow and at >= self._slow_until:
                self._slow_until += self._period
                self._slow = self._slow / 2 if self._slow > _FULL_PACE else 0.0
            gap = max(gap, self._slow)
        if gap:
            self._not_before = at + gap

    def refused(self, sent: float, at: float, seconds: float, most: float) -> None:
        """A poll sent at `sent` was refused at `at`: no poll starts for `seconds`; longer, up to `most`, in a row."""
        if sent >= self._held:  # polls that were under way at the first refusal count as part of it
            self._hold = max(seconds, min(2 * self._hold, most) if self.refusals else 0.0)
            self.refusals += 1
            self._period = min(self._hold, most)
            self._slow = min(max(2 * self._slow, self._period / max(1, len(self))), self._period)
            self._held = at
            seconds = self._hold
        self._not_before = max(self._not_before, at + seconds)
        self._slow_until = self._not_before + self._period

    def answered(self, sent: float) -> None:
        """A poll sent at `sent` was not refused. The call may be left out while `refusals` is 0."""
        if sent >= self._held:
            self.refusals = 0

    def held_up(self, at: float, seconds: float) -> None:
        """The process was held up for `seconds`: spreads what has become due over as much time again."""
        overdue = sum(1 for due in self._heap if due <= at)
        if overdue and seconds > 0:
            self._period = seconds
            self._slow = max(self._slow, min(seconds / overdue, _SLOWEST_AFTER_HOLD_UP))
            self._slow_until = at + seconds

    def clear(self) -> list[T]:
        """Empties the schedule; returns what stood in it."""
        entries = [due.entry for due in self._heap if due.entry is not None]
        for due in self._heap:
            due.entry = None
        self._heap = []
        self._void = 0
        return entries

    def __iter__(self) -> Iterator[T]:
        return (due.entry for due in self._heap if due.entry is not None)

    def __len__(self) -> int:
        return len(self._heap) - self._void
