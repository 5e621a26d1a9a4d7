"""Parses XML into an element tree, safely. No other file parses XML or imports defusedxml.

Two guards keep document types out; each would be enough alone. A scan of the bytes sends a document in another encoding
than UTF-8, or one that mentions a document type, to defusedxml. All other documents go to the parser written in C,
through a subclass that raises as soon as expat meets a document type. Without a document type, a document has no
entities and no external references.
"""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, XMLParser

from altcraft.codecs.charsets import MARKS, is_known, text_of
from altcraft.codecs.xml.bounds import LONGEST_DECLARATION, check_names
from altcraft.errors import DecodeError, UnsafeXml
from altcraft.wire.forks import importing

__all__ = ["Guarded", "parse", "recode"]

_NUL, _EXCLAMATION, _EQUALS, _QUESTION = b"\0!=?"  # numbers, which are found faster than bytes objects
_MARKS = b"\xef\xbb\xbf\xfe\xff"  # the bytes of byte order marks, for `lstrip`
_DECLARED = (b"<?xml", b"\xef\xbb\xbf<?xml")
_PLAIN = re.compile(
    rb"""(?:\xef\xbb\xbf)?<\?xml\s+version\s*=\s*["']1\.0["']
    (?:\s+encoding\s*=\s*["'](?:utf-8|us-ascii)["'])?
    (?:\s+standalone\s*=\s*["'](?:yes|no)["'])?\s*\?>""",
    re.VERBOSE | re.IGNORECASE,
)
_ENCODING = re.compile(r"""(<\?xml[^>]*?)\sencoding\s*=\s*["']([^"'>]*)["']?""")
_REFUSED = "the XML declares a document type, which this API never does: refused unread"


def parse(data: bytes, root: str) -> Element:
    """The root element, which has the name `root`. Names have no namespaces.

    DecodeError where the document is not well-formed XML or its root has another name, UnsafeXml where it declares a
    document type.
    """
    if (_NUL in data or _EXCLAMATION in data or _QUESTION in data) and _is_suspect(data):  # most have none of these
        element = _without_namespaces(_read_suspect(data, root))
    else:
        has_attributes = _EQUALS in data
        if has_attributes:
            check_names(data)
        parser = Guarded()
        try:
            parser.feed(data)
            element = parser.close()
        except SyntaxError as error:  # ParseError is a SyntaxError, and needs no import by this name
            raise DecodeError(f"not well-formed XML: {error}") from None
        # A document without attributes declares no namespace. One that does has more `xml` in it than the root's two
        # tags and the XML declaration.
        if has_attributes and data.count(b"xml") > (3 if data.startswith(_DECLARED) else 2):
            _without_namespaces(element)
    if element.tag != root and _without_namespaces(element).tag != root:
        raise DecodeError(f"the XML's root element is <{element.tag[:80]}>, not <{root}>")
    return element


def _without_namespaces(root: Element) -> Element:
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def _is_suspect(data: bytes) -> bool:
    """Whether expat could find a document type in the bytes, or could read them as something else than UTF-8.

    Expat takes a document for UTF-16 by its NULs, and for another encoding by its declaration. Else it reads UTF-8, and
    refuses what is not.
    """
    if _NUL in data or (_EXCLAMATION in data and b"<!DOCTYPE" in data):
        return True
    return _QUESTION in data and data.startswith(_DECLARED) and _PLAIN.match(data) is None


class Guarded(XMLParser):
    """The parser in C, which refuses document types.

    The parser looks up its own attribute `doctype` when expat meets a document type; here that look-up raises.
    """

    __slots__ = ()

    @property
    def doctype(self) -> None:
        raise UnsafeXml(_REFUSED)


def _check_guard() -> None:
    """RuntimeError where the guard does not work: that it does is a detail of CPython."""
    try:
        Guarded().feed(b"<!DOCTYPE x><x/>")
    except UnsafeXml:
        return
    raise RuntimeError("this Python's XML parser does not report document types: altcraft refuses to read XML with it")


_check_guard()


def recode(data: bytes, charset: str | None) -> bytes:
    """The document in UTF-8, by its byte order mark or by the charset of the Content-Type header.

    Where neither tells the encoding, the document stays as it is, and its declaration counts.
    """
    if not data.startswith(MARKS):
        if charset is None:
            return data
        if charset.lower() in ("utf-8", "utf8"):
            if not data.startswith(b"<?xml"):
                return data
            declared = _ENCODING.match(data[:LONGEST_DECLARATION].decode("latin-1"))
            if declared is None or declared[2].lower() == "utf-8":
                return data
    text = text_of(data, charset)
    if text is None:
        return data
    head, rest = text[:LONGEST_DECLARATION], text[LONGEST_DECLARATION:]
    return (_ENCODING.sub(r"\1", head, count=1) + rest).encode()


def _read_suspect(data: bytes, root: str) -> Element:
    if data.startswith(MARKS):
        recoded = recode(data, None)
        if recoded is data:  # the mark counts, and not a declaration of another encoding (RFC 7303)
            raise DecodeError("the XML is not in the encoding that its byte order mark tells")
        return parse(recoded, root)
    with importing:
        from defusedxml.common import DefusedXmlException
        from defusedxml.ElementTree import fromstring

    head = data[: 2 * LONGEST_DECLARATION].replace(b"\0", b"")  # the NULs are those of UTF-16
    if head.lstrip(_MARKS).startswith(b"<?xml") and b"?>" not in head and len(data) > LONGEST_DECLARATION:
        raise DecodeError("the XML's declaration is too long")
    declared = _ENCODING.search(head.decode("latin-1"))
    if declared is not None and declared[2].lower() in ("utf8", "utf_8"):  # expat reads ASCII alone under these names
        recoded = recode(data, "utf-8")
        if recoded is data:
            raise DecodeError("the XML is not in UTF-8, as it declares")
        return parse(recoded, root)
    if declared is not None and not is_known(declared[2].replace("_", "-")):
        raise DecodeError(f"the XML declares an encoding that is not read: {declared[2][:40]!r}")
    check_names(data)
    try:
        element: Element = fromstring(data, forbid_dtd=True)
    except DefusedXmlException:
        raise UnsafeXml(_REFUSED) from None
    except (SyntaxError, ValueError, LookupError) as error:  # the last two: the declared encoding is not the real one
        raise DecodeError(f"not well-formed XML: {error}") from None
    return element
