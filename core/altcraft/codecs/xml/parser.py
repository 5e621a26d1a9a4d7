"""Parses XML into an element tree, safely. No other file parses XML or imports defusedxml.

Two guards keep document types out; each would be enough alone. A scan of the bytes sends a document that is not plain
UTF-8, or that mentions a document type, to defusedxml. All other documents go to the parser written in C, through a
subclass that raises as soon as expat meets a document type. Without a document type a document has no entities and no
external references.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from altcraft.codecs.charsets import MARKS, is_known, text_of
from altcraft.codecs.xml.bounds import LONGEST_DECLARATION, check_names
from altcraft.errors import DecodeError, UnsafeXml

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element, XMLParser

__all__ = ["parse", "recode"]

_NUL, _EXCLAMATION, _EQUALS = b"\0!="  # numbers: to search for one takes a tenth of the time of a bytes object
_MARKS = b"\xef\xbb\xbf\xfe\xff"  # the bytes of byte order marks, for `lstrip`
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_DECLARED = (b"<?xml", b"\xef\xbb\xbf<?xml")
_PLAIN = re.compile(
    rb"""(?:\xef\xbb\xbf)?<\?xml\s+version\s*=\s*["']1\.0["']
    (?:\s+encoding\s*=\s*["'](?:utf-8|us-ascii)["'])?
    (?:\s+standalone\s*=\s*["'](?:yes|no)["'])?\s*\?>""",
    re.VERBOSE | re.IGNORECASE,
)
_ENCODING = re.compile(r"""(<\?xml[^>]*?)\sencoding\s*=\s*["']([^"'>]*)["']?""")
_REFUSED = "the XML declares a document type, which this API never does: refused unread"


def parse(data: bytes) -> Element:
    """The root element, with names that have no namespace.

    DecodeError where the document is not well-formed XML, UnsafeXml where it declares a document type.
    """
    if _is_suspect(data):
        return _without_namespaces(_read_suspect(data))
    has_attributes = _EQUALS in data
    if has_attributes:
        check_names(data)
    parser = _guarded_parser()()
    try:
        parser.feed(data)
        root: Element = parser.close()
    except SyntaxError as error:  # ParseError is a SyntaxError, and needs no import by this name
        raise DecodeError(f"not well-formed XML: {error}") from None
    # A document without attributes declares no namespace. One that does has more `xml` in it than the root's two tags
    # and the XML declaration.
    if root.tag[0] == "{" or (has_attributes and data.count(b"xml") > (3 if data.startswith(_DECLARED) else 2)):
        return _without_namespaces(root)
    return root


def _without_namespaces(root: Element) -> Element:
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def _is_suspect(data: bytes) -> bool:
    """Whether expat could read the bytes as something else than UTF-8, or could find a document type in them."""
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
    """The parser in C, which refuses document types.

    The parser looks up its own attribute `doctype` when expat meets a document type; here that look-up raises. This is
    a detail of CPython, so it is tried once before it is relied upon.
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


def recode(data: bytes, charset: str | None) -> bytes:
    """The document in UTF-8, by its byte order mark or by the charset of the Content-Type header.

    Where neither tells the encoding, the document stays as it is, and its declaration counts.
    """
    if not data.startswith(MARKS):
        if charset is None:
            return data
        if charset.lower() in ("utf-8", "utf8"):
            declared = _ENCODING.match(data[:LONGEST_DECLARATION].decode("latin-1"))
            if declared is None or declared[2].lower() in ("utf-8", "utf8"):
                return data
    text = text_of(data, charset)
    if text is None:
        return data
    head, rest = text[:LONGEST_DECLARATION], text[LONGEST_DECLARATION:]
    return (_ENCODING.sub(r"\1", head, count=1) + rest).encode()


def _read_suspect(data: bytes) -> Element:
    if data.startswith(MARKS):
        recoded = recode(data, None)
        if recoded is not data:  # its bytes are those of its mark
            return parse(recoded)
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    head = data[: 2 * LONGEST_DECLARATION].replace(b"\0", b"")  # the NULs are those of UTF-16
    if head.lstrip(_MARKS).startswith(b"<?xml") and b"?>" not in head and len(data) > LONGEST_DECLARATION:
        raise DecodeError("the XML's declaration is too long")
    declared = _ENCODING.search(head.decode("latin-1"))
    if declared is not None and not is_known(declared[2].replace("_", "-")):
        raise DecodeError(f"the XML declares an encoding that is not read: {declared[2][:40]!r}")
    check_names(data)
    try:
        root: Element = fromstring(data, forbid_dtd=True)
    except DefusedXmlException:
        raise UnsafeXml(_REFUSED) from None
    except (SyntaxError, ValueError, LookupError) as error:  # the last two: the declared encoding is not the real one
        raise DecodeError(f"not well-formed XML: {error}") from None
    return root
