"""Durations: how they are written as text, and how long a refresh takes."""

from __future__ import annotations

import math
import re
from random import Random
from typing import Final, TypeAlias

__all__ = ["DEFAULT_PACE", "Pace", "check_pace", "pace_of", "parse_pace", "parse_seconds"]

DEFAULT_PACE: Final = 2.5

Pace: TypeAlias = "float | tuple[float, float]"
"""Seconds that a refresh takes, or the shortest and the longest time."""

UNITS: Final = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}

_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ms|s|m|h|)", re.ASCII)


def parse_seconds(text: str) -> float:
    """Seconds, out of "2.5" or a number with a unit: "500ms", "30s", "5m", "1h". Raises ValueError."""
    found = _DURATION.fullmatch(text.strip())
    if found is None or not math.isfinite(seconds := float(found[1]) * UNITS[found[2]]):
        raise ValueError(f"{text!r} is not a duration: write seconds (2.5) or a unit (500ms, 30s, 5m, 1h)")
    return seconds


def parse_pace(text: str) -> Pace:
    """A duration ("2.5", "30s") or a range of durations ("0.5..5"). Raises ValueError."""
    shortest, dots, longest = text.partition("..")
    return (parse_seconds(shortest), parse_seconds(longest)) if dots else parse_seconds(text)


def check_pace(pace: Pace) -> None:
    """Raises ValueError where a time is negative or infinite, or a range is the wrong way round."""
    shortest, longest = pace if isinstance(pace, tuple) else (pace, pace)
    if not (math.isfinite(shortest) and math.isfinite(longest) and 0 <= shortest <= longest):
        raise ValueError(f"pace is a number of seconds, or a range such as 0.5..5, not {pace}")


def pace_of(pace: Pace, task_id: str) -> float:
    """The seconds that one task takes. In a range the time follows from the id, so a restart does not change it."""
    return Random(task_id).uniform(*pace) if isinstance(pace, tuple) else pace
