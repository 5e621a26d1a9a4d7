"""XML the way the platform writes it: root `<xml>`, no attributes, an array as its element repeated.

An empty array, a null and an empty string look alike in it, and so do an array of one and its single item. Only the
schema can tell, so the reading is compiled from the type that is asked for. All about it: docs/codecs.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from altcraft.codecs.limits import MAX_BYTES, MAX_DEPTH, MAX_ELEMENTS, check_limits, too_large, too_many
from altcraft.codecs.per_type import PerType
from altcraft.codecs.xml.fastpath_counts import FastPathCounts
from altcraft.codecs.xml.write_fast import write_plain
from altcraft.codecs.xml.writer import ROOT, write

__all__ = ["XmlCodec"]

T = TypeVar("T")


class XmlCodec:
    """Any well-formed XML 1.0 whose root is `<xml>`, in any encoding that expat knows; no document type, ever.

    Attributes, comments, processing instructions and unknown elements are passed over, namespaces are not told apart.
    Texts are read by the type that the schema gives them: "12" is a number where a number is asked for.

    A document beyond `max_bytes`, `max_depth` (the root counts) or `max_elements` is a DecodeError. `express=False`
    leaves out the shortcut for regular documents (`altcraft.codecs.xml.fastpath`), which changes nothing but the time.
    """

    name = "xml"
    content_types: tuple[str, ...] = ("application/xml", "text/xml")

    def __init__(
        self,
        *,
        max_bytes: int = MAX_BYTES,
        max_depth: int = MAX_DEPTH,
        max_elements: int = MAX_ELEMENTS,
        express: bool = True,
    ) -> None:
        check_limits(max_bytes=max_bytes, max_depth=max_depth, max_elements=max_elements)
        self.express = FastPathCounts() if express else None
        self._max_bytes = max_bytes
        self._max_depth = max_depth
        self._max_elements = max_elements
        self._surely_fits = min(max_bytes, max_elements * len("<a/>"))  # bytes
        self._readers: PerType[Callable[[bytes], Any]] = PerType(self._reader)
        self._known = self._readers.known

    def encode(self, value: object) -> bytes:
        """A document without declaration, in UTF-8. EncodeError for what XML cannot carry: control characters, say."""
        return write_plain(value) or write(ROOT, value)

    def decode(self, data: bytes, type: type[T]) -> T:
        """The document as a `type`. DecodeError for anything else, UnsafeXml for a document type declaration."""
        if len(data) > self._surely_fits:
            self._check_size(data)
        try:
            read = self._known[id(type)][1]
        except KeyError:
            read = self._readers.find(type)[1]
        return read(data)  # type: ignore[no-any-return]  # the reader was made for `type`

    def _reader(self, type_: object) -> Callable[[bytes], Any]:
        from altcraft.codecs.xml.reader import Reader  # brings xml.etree and more, which a JSON user never needs

        roads: Reader[Any] = Reader(type_, ROOT, self._max_depth, self.express or FastPathCounts())
        return roads.read_generally if self.express is None else roads.read

    def _check_size(self, data: bytes) -> None:
        if len(data) > self._max_bytes:
            raise too_large(len(data), self._max_bytes)
        # Whatever begins like an element: in comments and CDATA too, which is as much work to pass over.
        if data.count(b"<") - data.count(b"</") - data.count(b"<!") - data.count(b"<?") > self._max_elements:
            raise too_many("XML", self._max_elements)
