"""Chance without dice: numbers that look random, yet follow from their arguments, so that schedules stay pure."""

from __future__ import annotations

import sys

__all__ = ["fraction", "seed_of"]

_SCALE = 0.5**sys.hash_info.width


def seed_of(text: str) -> int:
    """A number that differs from text to text, and is the same in every process, unlike hash()."""
    return int.from_bytes(text.encode("utf-8", "surrogatepass"), "big")


def fraction(seed: int, n: int) -> float:
    """The n-th number, from 0 to 1, of that seed's sequence: a hash, which of numbers is not salted, to scale."""
    return 0.5 + hash((seed, n)) * _SCALE
