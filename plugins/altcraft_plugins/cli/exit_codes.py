"""The exit codes, as docs/reference/command-line.md lists them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = [
    "BROKEN_PIPE", "DONE", "FAILED", "HUNG_UP", "INTERRUPTED", "TERMINATED", "TIMED_OUT", "USAGE", "worst",
]  # fmt: skip

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
TIMED_OUT: Final = 3
HUNG_UP: Final = 129
INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141
TERMINATED: Final = 143
# Above 128, as shells say it: 128 and the number of the signal that ended the program.

_BADNESS = (DONE, TIMED_OUT, FAILED)


def worst(codes: Iterable[int]) -> int:
    """The exit code for several outcomes. A failure is worse than a timeout."""
    return max(codes, key=_BADNESS.index, default=DONE)
