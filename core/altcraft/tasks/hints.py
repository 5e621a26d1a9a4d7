"""Whether hints are worth waiting for: one client's experience with them. Pure: no clock, no dice.

Rules:

1. Hints are relied upon until a poll finds a task done that no hint had announced.
2. From then on tasks are polled as if there were no hints (which still count when they come), until enough ends in a
   row were announced.
3. How many are enough doubles each time: deliveries that get lost now and then stay an extra.
4. While hints are relied upon, some tasks are looked at once in between. What that tells of their ends shows soon and
   for no further poll whether hints come in time. There are so many such checks; each hundred ends that were announced
   earn one back, and a disappointment earns all.

Page: docs/feedback.md.
"""

from __future__ import annotations

__all__ = ["HintBreaker"]

# A run of 30 hardly comes about by chance where every fifth delivery is lost (1 in 800), yet soon enough where they
# all come, but a poll is quicker now and then.
_ENOUGH, _MOST = 30, 10_000
_A_CHECK = 100


class HintBreaker:
    """How far hints have announced the ends of tasks. Not thread-safe: kept under its client's lock."""

    __slots__ = ("_enough", "_missing", "_owed")

    def __init__(self) -> None:
        self._enough = _ENOUGH
        self._missing = 0
        self._owed = 0  # ends until all checks are earned back

    @property
    def holds(self) -> bool:
        """Whether to leave tasks alone until a hint comes."""
        return not self._missing

    def check(self, most: int) -> bool:
        """Whether a task that is left alone may be looked at: takes one of `most` checks, if there is one left."""
        if self._owed + _A_CHECK > most * _A_CHECK:
            return False
        self._owed += _A_CHECK
        return True

    def ended(self, announced: bool) -> None:
        """A task with feedback has ended; a hint had come before the poll that found it, or it had not."""
        if not announced:
            self._missing = self._enough
            self._owed = 0
            return
        self._owed = max(0, self._owed - 1)
        if self._missing:
            self._missing -= 1
            if not self._missing:
                self._enough = min(2 * self._enough, _MOST)
