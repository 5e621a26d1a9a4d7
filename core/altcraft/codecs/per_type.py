"""What a codec has made for a type, once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

from altcraft.codecs.ready import make_ready

__all__ = ["PerType"]

V = TypeVar("V")

_KEPT = 512


class PerType(Generic[V]):
    """Makes a value for a type when it is first asked for, and keeps it. Threads may share it.

    The hash of a type such as `Envelope[list[str]]` is computed in Python, anew every time; so `known` has the values
    by the type's identity, for a first look:

        try:
            value = per_type.known[id(type_)][1]
        except KeyError:
            value = per_type.find(type_)[1]

    An entry begins with the type itself, so that its identity is not given to another one. The same type written again
    (`list[int]` is a new object every time) finds the same value. Neither table grows without end.
    """

    def __init__(self, make: Callable[[object], V]) -> None:
        self.known: dict[int, tuple[object, V]] = {}
        self._make = make
        self._by_equality: dict[object, V] = {}

    def find(self, type_: object) -> tuple[object, V]:
        """The entry of a type that may not be known yet."""
        try:
            value = self._by_equality.get(type_)
        except TypeError:  # an annotation in it has no hash
            value = None
        if value is None:
            make_ready(type_)
            value = self._make(type_)
            with suppress(TypeError):
                _put(self._by_equality, type_, value)
        entry = type_, value
        _put(self.known, id(type_), entry)
        return entry


K = TypeVar("K")
W = TypeVar("W")


def _put(table: dict[K, W], key: K, value: W) -> None:
    if len(table) >= _KEPT:
        table.clear()
    table[key] = value
