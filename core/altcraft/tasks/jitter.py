"""Deterministic pseudo-random numbers: they follow from their arguments, so that a schedule is a pure function."""

from __future__ import annotations

import sys

__all__ = ["fraction", "seed_of"]

_SCALE = 0.5**sys.hash_info.width


def seed_of(text: str) -> int:
    """A number for a text. Different texts have different numbers, and every process computes the same ones."""
    return int.from_bytes(text.encode("utf-8", "surrogatepass"), "big")


def fraction(seed: int, n: int) -> float:
    """A deterministic pseudo-random number in [0, 1): the n-th of the sequence for `seed`."""
    # The hash of a tuple of integers is the same in every process, unlike that of a text.
    return 0.5 + hash((seed, n)) * _SCALE
