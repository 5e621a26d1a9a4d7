"""XML the way the platform writes it: root `<xml>`, no attributes, an array as its element repeated.

An empty array, a null and an empty string look alike in it, and so do an array of one and its single item. Only the
schema can tell, so the reading is compiled from the type that is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from altcraft.codecs.xml_write import write
from altcraft.errors import DecodeError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = ["XmlCodec"]

T = TypeVar("T")

ROOT = "xml"


class XmlCodec:
    """Any well-formed XML 1.0 whose root is `<xml>`, in any encoding that expat knows; no document type, ever.

    Attributes, comments, processing instructions and unknown elements are passed over, namespaces are not told apart.
    Texts are read by the type that the schema gives them: "12" is a number where a number is asked for.
    """

    name = "xml"
    content_types = ("application/xml", "text/xml")

    def __init__(self) -> None:
        self._walks: dict[Any, Callable[[Element], object]] = {}

    def encode(self, value: object) -> bytes:
        """A document without declaration, in UTF-8. EncodeError for what XML cannot carry: control characters, say."""
        return write(ROOT, value)

    def decode(self, data: bytes, type: type[T]) -> T:
        """The document as a `type`. DecodeError for anything else, UnsafeXml for a document type declaration."""
        from altcraft.codecs.xml_read import read  # brings xml.etree, which a JSON user never needs

        root = read(data)
        if root.tag.rpartition("}")[2] != ROOT:
            raise DecodeError(f"the XML's root element is <{root.tag[:80]}>, not <{ROOT}>")
        try:
            return msgspec.convert(self._walk(type)(root), type, strict=False)
        except (msgspec.ValidationError, RecursionError) as error:
            raise DecodeError(f"XML of another shape: {error}") from None

    def _walk(self, type: type) -> Callable[[Element], object]:
        walk = self._walks.get(type)
        if walk is None:
            from altcraft.codecs.xml_walk import compile_walk

            walk = self._walks[type] = compile_walk(type)
        return walk
