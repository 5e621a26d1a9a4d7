"""A circuit breaker for hints: it decides whether the client waits for hints or polls. Pure: no clock, no I/O.

While the breaker is closed, the client leaves a task with feedback alone until its hint arrives or is late. While the
breaker is open, the client polls such a task like any other. A hint that arrives then still leads to a poll at once.

Rules:

1. The breaker starts closed. It opens when a poll finds a finished task that no hint has announced.
2. It closes after a number of announced ends in a row: 30 the first time, twice as many each time after that, at most
   10,000. So it soon stays open where the network loses some of the deliveries.
3. While it is closed, the client checks some of the waiting tasks with one early poll. Such a poll shows the pace of
   the task, so a missing hint is noticed soon after the task has ended. The client has `Polling.hint_checks` of these
   checks. Every 100 announced ends give one back; when the breaker opens, all come back.

Page: docs/how-to/feedback.md.
"""

from __future__ import annotations

__all__ = ["HintBreaker"]

# Where every fifth delivery gets lost, 30 announced ends in a row come about once in 800 tries. Where all deliveries
# arrive, 30 ends are soon reached.
_FIRST_RUN, _LONGEST_RUN = 30, 10_000
_ENDS_PER_CHECK = 100


class HintBreaker:
    """One client's circuit breaker for hints. Not thread-safe: the client uses it under its lock."""

    __slots__ = ("_debt", "_missing", "_run")

    def __init__(self) -> None:
        self._run = _FIRST_RUN
        self._missing = 0  # announced ends that are missing until the breaker closes
        self._debt = 0  # announced ends that are missing until all checks are back

    @property
    def is_closed(self) -> bool:
        """Whether the client waits for hints."""
        return not self._missing

    def check(self, limit: int) -> bool:
        """Takes one of the `limit` checks. False when none is left."""
        if self._debt + _ENDS_PER_CHECK > limit * _ENDS_PER_CHECK:
            return False
        self._debt += _ENDS_PER_CHECK
        return True

    def record(self, *, announced: bool) -> None:
        """A poll has found a task with feedback finished. `announced` says whether a hint came before that poll."""
        if not announced:
            self._missing = self._run
            self._debt = 0
            return
        self._debt = max(0, self._debt - 1)
        if self._missing:
            self._missing -= 1
            if not self._missing:
                self._run = min(2 * self._run, _LONGEST_RUN)
