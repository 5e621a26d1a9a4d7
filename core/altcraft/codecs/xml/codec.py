"""XML the way the platform writes it: root `<xml>`, no attributes, an array as its element repeated.

An empty array, a null and an empty string look alike in it, and so do an array of one item and the item alone. Only
the schema can tell them apart, so a reader is compiled for each type. See docs/reference/codecs.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from altcraft.codecs.limits import MAX_BYTES, MAX_DEPTH, MAX_ELEMENTS, check_limits
from altcraft.codecs.per_type import PerType
from altcraft.codecs.refusals import bare, too_large
from altcraft.errors import DecodeError
from altcraft.wire.forks import importing

if TYPE_CHECKING:
    from altcraft.codecs.xml.reader import Reader

# The rest of this package, and xml.etree, is imported with the first XML: a client that speaks JSON never needs it.

__all__ = ["XmlCodec"]

T = TypeVar("T")

ROOT = "xml"


class XmlCodec:
    """Reads any well-formed XML 1.0 with the root `<xml>`, in any encoding that expat knows; never a document type.

    Attributes, comments, processing instructions and unknown elements are passed over; namespaces are ignored. A text
    is read by the type that the schema gives it: "12" is a number where the schema has a number.

    A document beyond `max_bytes`, `max_depth` (the root counts) or `max_elements` is a DecodeError. `fast_path=False`
    switches off the fast path for regular documents, which changes nothing but the time.
    """

    name = "xml"
    content_types: tuple[str, ...] = ("application/xml", "text/xml")

    def __init__(
        self,
        *,
        max_bytes: int = MAX_BYTES,
        max_depth: int = MAX_DEPTH,
        max_elements: int = MAX_ELEMENTS,
        fast_path: bool = True,
    ) -> None:
        check_limits(max_bytes=max_bytes, max_depth=max_depth, max_elements=max_elements)
        self._max_bytes = max_bytes
        self._max_depth = max_depth
        self._max_elements = max_elements
        self._fast_path = fast_path
        self._surely_fits = min(max_bytes, max_elements * len("<a/>"))  # bytes
        self._readers: PerType[Reader[Any]] = PerType(self._compile)
        self._known = self._readers.known

    def encode(self, value: object) -> bytes:
        """A document in UTF-8, without a declaration. EncodeError for what XML can't carry: control characters, say."""
        with importing:
            from altcraft.codecs.xml.writer import write

        return write(ROOT, value)

    def decode(self, data: bytes, type: type[T]) -> T:
        """The document as a `type`. DecodeError for anything else, UnsafeXml for a document type declaration."""
        try:
            reader = self._known[id(type)][1]
        except KeyError:
            reader = self._readers.find(type)[1]
        try:
            if len(data) > self._surely_fits:
                self._check_size(data)
            return reader.read(data)  # type: ignore[no-any-return]  # the reader was compiled for `type`
        except DecodeError as error:
            refusal = bare(error)
        del data
        raise refusal

    def prepare(self, type: type[T]) -> None:
        """Compile the reader of a type, which is kept. TypeError, with the reason, for a type that can't be read."""
        self.reader(type)

    def recode(self, data: bytes, charset: str | None) -> bytes:
        """The document in UTF-8, by its byte order mark or by the charset of the Content-Type header."""
        with importing:
            from altcraft.codecs.xml.parser import recode

        return recode(data, charset)

    def reader(self, type: type[T]) -> Reader[T]:
        """The reader of a type, which is compiled once and kept. TypeError for a type that can't be read."""
        return self._readers.find(type)[1]

    def _compile(self, type_: Any) -> Reader[Any]:
        with importing:
            from altcraft.codecs.xml.reader import compile_reader

        return compile_reader(type_, ROOT, self._max_depth, fast_path=self._fast_path)

    def _check_size(self, data: bytes) -> None:
        if len(data) > self._max_bytes:
            raise too_large(len(data), self._max_bytes)
        with importing:
            from altcraft.codecs.xml.bounds import check_size

        check_size(data, self._max_elements)
