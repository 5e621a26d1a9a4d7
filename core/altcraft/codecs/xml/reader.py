"""The two ways in which the documents of one type are read: the express road, and the general one behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from altcraft.codecs.limits import LONGEST_REASON
from altcraft.codecs.per_type import make_ready
from altcraft.codecs.shapes import shape_of
from altcraft.codecs.xml.fastpath import MISS, FastPath
from altcraft.codecs.xml.parser import read
from altcraft.codecs.xml.walk import compile_walk
from altcraft.errors import DecodeError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from altcraft.codecs.xml.fastpath_counts import FastPathCounts

__all__ = ["Reader"]

T = TypeVar("T")

_REFUSALS = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError)


class Reader(Generic[T]):
    """Compiled from a type, for any number of documents and threads.

    The general road parses, walks the tree, and has msgspec convert what the walk gives. It is the authority: the
    express road only ever answers as it would, and leaves to it whatever is not regular, or is refused.
    TypeError where XML has no form for the type.
    """

    def __init__(self, type_: Any, root: str, max_depth: int, counts: FastPathCounts) -> None:
        shape = shape_of(type_)
        self._type = type_
        # msgspec asks Python what `Envelope[list[str]]` is, anew every time; not so of a field of that type.
        self._holder: Any = msgspec.defstruct("Holder", [("value", type_)], array_like=True)
        make_ready(self._holder)
        self._root = root
        self._walk = compile_walk(shape)
        self._walk_carefully = compile_walk(shape, careful=True)
        self._levels = max_depth - 1  # below the root
        self._express = FastPath(type_, shape, counts)

    def read(self, data: bytes) -> T:
        """The document's value. DecodeError for anything else, UnsafeXml for a document type declaration."""
        value = self._express.read(data)
        if value is MISS:
            value = self.read_generally(data)
            if self._express.wants_to_learn:
                self._express.learn(self._parse(data))  # again: the walk takes the tree apart
        return value  # type: ignore[no-any-return]  # msgspec has converted it to the type

    def read_generally(self, data: bytes) -> T:
        """The same, without a look at the express road."""
        try:
            values = [self._walk(self._parse(data), self._levels)]
            return msgspec.convert(values, self._holder, strict=False).value  # type: ignore[no-any-return]  # as above
        except _REFUSALS:
            pass
        # A number with white space around it, perhaps: nobody sends them, so that the first reading does not look.
        try:
            return msgspec.convert(self._walk_carefully(self._parse(data), self._levels), self._type, strict=False)  # type: ignore[no-any-return]  # as above
        except _REFUSALS as error:
            raise DecodeError(f"XML of another shape: {str(error)[:LONGEST_REASON]}") from None

    def _parse(self, data: bytes) -> Element:
        root = read(data)
        if root.tag != self._root:
            raise DecodeError(f"the XML's root element is <{root.tag[:80]}>, not <{self._root}>")
        return root
