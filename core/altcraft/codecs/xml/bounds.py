"""Refuses XML that would take the parser much time or memory, by a look at its bytes. The parser never sees it.

Each attribute and each reference costs the parser about as much as an element, a line within a text a fourth of that.
"""

from __future__ import annotations

import re

from altcraft.codecs.charsets import MARKS
from altcraft.codecs.refusals import beyond_limits, too_many

__all__ = ["LONGEST_DECLARATION", "MAX_ATTRIBUTES", "check_names", "check_size"]

MAX_ATTRIBUTES = 1_000
"""Attributes of one element. Its time grows faster than their number."""

LONGEST_DECLARATION = 1_024
"""Bytes of the XML declaration."""

LINES = 4
"""Lines of a document, for each element that it may have."""

_NAME = rb"""[^\s<>/="']+"""
_ATTRIBUTE = rb"""\s+%b\s*=\s*(?:"[^"<]*"|'[^'<]*')""" % _NAME
_CROWDED = re.compile(rb"<(?![!?])%b(?:%b){%d}" % (_NAME, _ATTRIBUTE, MAX_ATTRIBUTES + 1))
_NAMESPACE = re.compile(rb"""xmlns(?::[^\s=:]*)?\s*=\s*(?=("[^"]*|'[^']*))""")  # or looks like one
_ROOM_FOR_NAMES = 4 << 20
"""Bytes. Expat keeps each name with its namespace in front; all may take so much, plus eight times the document."""


def check_size(data: bytes, max_elements: int) -> None:
    """DecodeError where the document has too many elements, attributes and references, or too many lines.

    They are counted by their signs, `<`, `=` and `&`. Those in comments, CDATA and texts count as well.
    """
    data = _in_utf8(data)
    elements = data.count(b"<") - data.count(b"</") - data.count(b"<!") - data.count(b"<?")
    start = max(0, data.find(b"?>", 0, LONGEST_DECLARATION))  # the declaration's attributes don't count
    if elements + data.count(b"=", start) + data.count(b"&") > max_elements:
        raise too_many("XML", max_elements)
    if data.count(b"\n") + data.count(b"\r") > LINES * max_elements:
        raise beyond_limits(f"the XML has too many lines: this codec's max_elements is {max_elements:,}")


def check_names(data: bytes) -> None:
    """DecodeError where an element has too many attributes, or many names have a long namespace."""
    data = _in_utf8(data)
    if b"xmlns" in data:
        room = _ROOM_FOR_NAMES + 8 * len(data)
        names = data.count(b"<") - data.count(b"</") + (data.count(b":") if b"xmlns:" in data else 0)
        if names * len(data) > room and names * max((len(it[1]) for it in _NAMESPACE.finditer(data)), default=0) > room:
            raise beyond_limits("the XML has namespaces too long for so many names")
    if data.count(b"=") > MAX_ATTRIBUTES and _CROWDED.search(data):
        raise beyond_limits(f"the XML has an element with more than {MAX_ATTRIBUTES:,} attributes")


def _in_utf8(data: bytes) -> bytes:
    """A UTF-16 document in UTF-8, to be searched. In the other encodings the markup has the bytes of UTF-8."""
    if b"\0" not in data:
        return data
    charset = "utf-16" if data.startswith(MARKS) else "utf-16-be" if data[:1] == b"\0" else "utf-16-le"
    return data.decode(charset, "replace").encode()
