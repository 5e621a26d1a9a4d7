"""Whether hints are worth waiting for: one client's experience with them. Pure: no clock, no dice.

Rules:

1. Hints are relied upon until a poll finds a task done that no hint had announced.
2. From then on tasks are polled as if there were no hints (which still count when they come), until enough ends in a
   row were announced.
3. How many are enough doubles each time: deliveries that get lost now and then stay an extra.

Page: docs/feedback.md.
"""

from __future__ import annotations

__all__ = ["Trust"]

# A run of 30 hardly comes about by chance where every fifth delivery is lost (1 in 800), yet soon enough where they
# all come, but a poll is quicker now and then.
_ENOUGH, _MOST = 30, 10_000


class Trust:
    """How far hints have announced the ends of tasks. Not thread-safe: kept under its client's lock."""

    __slots__ = ("_enough", "_missing")

    def __init__(self) -> None:
        self._enough = _ENOUGH
        self._missing = 0

    @property
    def holds(self) -> bool:
        """Whether to leave tasks alone until a hint comes."""
        return not self._missing

    def ended(self, announced: bool) -> None:
        """A task with feedback has ended; a hint had come before the poll that found it, or it had not."""
        if not announced:
            self._missing = self._enough
        elif self._missing:
            self._missing -= 1
            if not self._missing:
                self._enough = min(2 * self._enough, _MOST)
