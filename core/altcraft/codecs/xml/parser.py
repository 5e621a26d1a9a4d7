"""XML bytes to an element tree, safely: the only file that parses, and the only one that knows defusedxml.

Two guards, either of which would do. A scan of the bytes sends whatever is not plain UTF-8, or mentions a document
type, to defusedxml, for its verdict; the rest goes through the parser written in C, in a subclass that refuses a
document type the moment expat meets one. Without a document type there are no entities and no external references.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from altcraft.errors import DecodeError, UnsafeXml

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element, XMLParser

__all__ = ["read"]

_NUL, _EXCLAMATION, _EQUALS = b"\0!="  # as numbers: a byte is looked for in a tenth of the time that bytes take
_MARKS = b"\xef\xbb\xbf\xfe\xff"  # of the byte order, as `lstrip` takes them
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_DECLARED = (b"<?xml", b"\xef\xbb\xbf<?xml")
_PLAIN = re.compile(
    rb"""(?:\xef\xbb\xbf)?<\?xml\s+version\s*=\s*["']1\.0["']
    (?:\s+encoding\s*=\s*["'](?:utf-8|us-ascii)["'])?
    (?:\s+standalone\s*=\s*["'](?:yes|no)["'])?\s*\?>""",
    re.VERBOSE | re.IGNORECASE,
)
_ENCODING = re.compile(rb"""<\?xml[^>]*?\sencoding\s*=\s*["']([^"'>]*)""")
# Whatever else Python could decode in expat's place may have the markup elsewhere, warn, or take time.
_KNOWN_ENCODINGS = re.compile(
    rb"utf-?8|utf-?16(-?[bl]e)?|(us-)?ascii|iso-?8859-?\d{1,2}|latin-?\d|(windows-|cp)(125\d|866)|koi8-[rtu]",
    re.IGNORECASE,
)
_LONGEST_DECLARATION = 1024  # bytes
_NAMESPACE = re.compile(rb"""xmlns(?::[^\s=:]*)?\s*=\s*(?=("[^"]*|'[^']*))""")  # and what looks like one
_ROOM_FOR_NAMES = 4 << 20
"""Bytes, and eight times the document, that its names may come to with the namespace before each, as expat has them."""

_REFUSED = "the XML declares a document type, which this API never does: refused unread"


def read(data: bytes) -> Element:
    """The root element, names without their namespaces.

    DecodeError where it is not well-formed XML, UnsafeXml where it declares a document type.
    """
    if _is_suspect(data):
        return _without_namespaces(_read_suspect(data))
    has_attributes = _EQUALS in data
    if has_attributes:
        _check_namespaces(data)
    parser = _guarded_parser()()
    try:
        parser.feed(data)
        root: Element = parser.close()
    except SyntaxError as error:  # what a ParseError is; that one's module is never imported in vain
        raise DecodeError(f"not well-formed XML: {error}") from None
    # Without attributes no namespace is declared; with them, there is more `xml` than the root's two tags and the
    # declaration.
    if root.tag[0] == "{" or (has_attributes and data.count(b"xml") > (3 if data.startswith(_DECLARED) else 2)):
        return _without_namespaces(root)
    return root


def _without_namespaces(root: Element) -> Element:
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def _check_namespaces(data: bytes) -> None:
    """A long namespace and many names in it are an amplifier: expat puts it before each name."""
    if b"xmlns" not in data:
        return
    room = _ROOM_FOR_NAMES + 8 * len(data)
    names = data.count(b"<") - data.count(b"</") + (data.count(b":") if b"xmlns:" in data else 0)
    if names * len(data) > room and names * max((len(it[1]) for it in _NAMESPACE.finditer(data)), default=0) > room:
        raise DecodeError("the XML has namespaces too long for so many names")


def _is_suspect(data: bytes) -> bool:
    """Whether the bytes could be anything else than UTF-8 without a document type, as expat will see them."""
    if _NUL in data or (_EXCLAMATION in data and b"<!DOCTYPE" in data):
        return True
    if data[:5] != b"<xml>" and (
        data.startswith(_UTF16) or (data.startswith(_DECLARED) and _PLAIN.match(data) is None)
    ):
        return True
    if data.isascii():
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return True
    return False


@cache
def _guarded_parser() -> type[XMLParser]:
    """The parser in C, refusing document types.

    It looks its own `doctype` attribute up when expat meets one; here that look-up raises. Since this is a detail of
    CPython's, it is tried before it is trusted.
    """
    from xml.etree.ElementTree import XMLParser

    class Guarded(XMLParser):
        @property
        def doctype(self) -> None:
            raise UnsafeXml(_REFUSED)

    try:
        Guarded().feed(b"<!DOCTYPE x><x/>")
    except UnsafeXml:
        return Guarded
    raise RuntimeError("this Python's XML parser does not report document types: altcraft refuses to read XML with it")


def _read_suspect(data: bytes) -> Element:
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    head = data[: 2 * _LONGEST_DECLARATION].replace(b"\0", b"")  # in UTF-16, too
    if head.lstrip(_MARKS).startswith(b"<?xml") and b"?>" not in head and len(data) > _LONGEST_DECLARATION:
        raise DecodeError("the XML's declaration is too long")
    declared = _ENCODING.search(head)
    if declared is not None and _KNOWN_ENCODINGS.fullmatch(declared[1].replace(b"_", b"-")) is None:
        raise DecodeError(f"the XML declares an encoding that is not read: {declared[1][:40]!r}")
    _check_namespaces(_in_utf8(data) if _NUL in data else data)
    try:
        root: Element = fromstring(data, forbid_dtd=True)
    except DefusedXmlException:
        raise UnsafeXml(_REFUSED) from None
    except (SyntaxError, ValueError, LookupError) as error:  # the last two: encodings that are not what they say
        raise DecodeError(f"not well-formed XML: {error}") from None
    return root


def _in_utf8(data: bytes) -> bytes:
    """What is in UTF-16, for a look at it; the other encodings have the markup where UTF-8 has it."""
    charset = "utf-16" if data.startswith(_UTF16) else "utf-16-be" if data[:1] == b"\0" else "utf-16-le"
    return data.decode(charset, "replace").encode()
