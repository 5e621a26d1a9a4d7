"""Readers: each turns XML documents into values of one type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import msgspec

from altcraft.codecs.per_type import make_ready
from altcraft.codecs.readable import check_readable
from altcraft.codecs.refusals import LONGEST_REASON
from altcraft.codecs.shapes import shape_of
from altcraft.codecs.xml.parser import parse
from altcraft.codecs.xml.walk import compile_walk
from altcraft.errors import DecodeError
from altcraft.wire.forks import importing

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = ["GeneralReader", "Reader", "compile_reader"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

# TypeError: an item of a set without a hash.
_REFUSALS = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError, TypeError)


class Reader(Protocol[T_co]):
    """Reads documents of one type. Threads may share it."""

    def read(self, data: bytes) -> T_co:
        """The document's value. DecodeError where it is no such document, UnsafeXml where it has a document type."""
        ...


def compile_reader(type_: type[T], root: str, max_depth: int, *, fast_path: bool) -> Reader[T]:
    """The reader for a type. TypeError, with the reason, for a type that can't be read.

    `root` is the name of the root element; `max_depth` is how deep elements may be nested, the root included.
    """
    reader = GeneralReader(type_, root, max_depth)
    if fast_path:
        with importing:
            from altcraft.codecs.xml.fastpath import FastPath  # here, so that nothing else depends on it

        return FastPath(reader)
    return reader


class GeneralReader(Generic[T]):
    """Reads every well-formed document: parses it, walks the tree, and has msgspec convert what the walk gives."""

    def __init__(self, type_: type[T], root: str, max_depth: int) -> None:
        check_readable(type_)
        self.type = type_
        self.shape = shape_of(type_)
        # msgspec asks Python each time what a generic type such as `Envelope[list[str]]` is, but not what a field is.
        self._holder: Any = msgspec.defstruct("Holder", [("value", type_)], array_like=True)
        make_ready(self._holder)
        self._root = root
        self._walk = compile_walk(self.shape)
        self._stripping_walk = compile_walk(self.shape, strip=True)
        self._levels = max_depth - 1  # below the root

    def read(self, data: bytes) -> T:
        """The document's value. DecodeError where it is no such document, UnsafeXml where it has a document type."""
        try:
            values = [self._walk(parse(data, self._root), self._levels)]
            return msgspec.convert(values, self._holder, strict=False).value  # type: ignore[no-any-return]  # it is a T
        except _REFUSALS:
            pass
        # Perhaps there is white space around a number. That is rare, so the first reading does not look for it.
        try:
            values = [self._stripping_walk(parse(data, self._root), self._levels)]
            return msgspec.convert(values[0], self.type, strict=False)
        except _REFUSALS as error:
            raise DecodeError(f"XML of another shape: {str(error)[:LONGEST_REASON]}") from None

    def parse(self, data: bytes) -> Element:
        """The root element. DecodeError where the document is not well-formed, or its root has another name."""
        return parse(data, self._root)
