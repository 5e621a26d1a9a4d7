"""What a codec has made for a type, once."""

from __future__ import annotations

from _thread import allocate_lock  # as threading.Lock, without what threading costs to import
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

import msgspec

__all__ = ["PerType", "make_ready"]

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


_lock = allocate_lock()


def make_ready(*types: object) -> None:
    """Has msgspec look at types, and at all that they hold, before threads read into them. Call it once a type.

    msgspec (0.22) looks at a struct when it is first read into, and keeps what it finds in the class. When two threads
    do that at once, one of them finds the work half done, and the interpreter crashes.
    """
    with _lock:
        for type_ in types:
            try:
                msgspec.json.Decoder(type_)
            except TypeError:  # what msgspec can't read is for another codec, or for that codec's error to say
                continue
