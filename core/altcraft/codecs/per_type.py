"""Keeps what a codec has made for each type."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

import msgspec

from altcraft.wire.forks import lock_for_forks

__all__ = ["PerType", "make_ready"]

V = TypeVar("V")

_KEPT = 512  # types


class PerType(Generic[V]):
    """Makes a value for a type on first use, and keeps it. Threads may share it.

    Python computes the hash of a type such as `Envelope[list[str]]` each time anew, which takes long. So `known` has
    the values by the type's identity, for a first look:

        try:
            value = per_type.known[id(type_)][1]
        except KeyError:
            value = per_type.find(type_)[1]

    Each entry holds the type itself too: as long as the type lives, no other one gets its identity. A type that is
    written a second time (each `list[int]` is a new object) finds the value of the first. Both tables are bounded.
    """

    def __init__(self, make: Callable[[object], V]) -> None:
        self.known: dict[int, tuple[object, V]] = {}
        self._make = make
        self._by_equality: dict[object, V] = {}

    def find(self, type_: object) -> tuple[object, V]:
        """The entry of a type; its value is made where the type is new. Raises what making it raises."""
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


_lock = lock_for_forks()


def make_ready(*types: object) -> None:
    """Have msgspec prepare types, and all that they contain, before threads decode into them. Call it once for a type.

    msgspec (0.22) prepares a struct when it first decodes into it, and keeps the result in the class. When two threads
    do that at the same time, one of them uses what the other has half done, and the interpreter crashes.
    """
    with _lock:
        for type_ in types:
            try:
                msgspec.json.Decoder(type_)
            except (NameError, TypeError):  # msgspec can't read the type: the codec that is asked to will say so
                continue
