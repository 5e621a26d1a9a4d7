"""Chance without dice: numbers that look random, yet follow from their arguments, so that schedules stay pure."""

from __future__ import annotations

__all__ = ["fraction", "seed_of"]

_64_BITS = 0xFFFFFFFFFFFFFFFF


def seed_of(text: str) -> int:
    """A number that differs from text to text, and is the same in every process, unlike hash()."""
    return int.from_bytes(text.encode("utf-8", "surrogatepass"), "big") % 1_073_741_789  # a prime


def fraction(seed: int, n: int) -> float:
    """The n-th number in [0, 1) of that seed's sequence, by the finishing steps of SplitMix64."""
    z = (seed * 0x9E3779B97F4A7C15 + n * 0xD1B54A32D192ED03) & _64_BITS
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & _64_BITS
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & _64_BITS
    return ((z ^ z >> 31) >> 11) / (1 << 53)
