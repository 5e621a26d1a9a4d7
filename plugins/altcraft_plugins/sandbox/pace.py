"""How long refreshes take: all the same time, or each its own within a range."""

from __future__ import annotations

import math
from random import Random
from typing import Final, TypeAlias

__all__ = ["DEFAULT_PACE", "Pace", "check_pace", "parse_pace", "seconds_of"]

DEFAULT_PACE: Final = 2.5

Pace: TypeAlias = "float | tuple[float, float]"
"""Seconds, or the least and the most of them."""


def parse_pace(text: str) -> Pace:
    """ "2.5", or "0.5..5" for a range. Raises ValueError."""
    least, dots, most = text.partition("..")
    return (float(least), float(most)) if dots else float(text)


def check_pace(pace: Pace) -> None:
    """Raises ValueError for times that cannot be."""
    least, most = pace if isinstance(pace, tuple) else (pace, pace)
    if not (math.isfinite(least) and math.isfinite(most) and 0 <= least <= most):
        raise ValueError(f"pace is a number of seconds or a range of them, not {pace}")


def seconds_of(pace: Pace, task_id: str) -> float:
    """A task's own time: it follows from its id, so a restart does not change it."""
    return Random(task_id).uniform(*pace) if isinstance(pace, tuple) else pace
