"""Bytes that are not UTF-8, and characters that XML forbids: none gets through, wherever it stands in a document.

The client leaves the check of UTF-8 to expat, for documents that say nothing else. These tests try what a decoder may
let pass: overlong forms, surrogates, sequences that are too long, cut short, or begin nowhere.
"""

from __future__ import annotations

import itertools

import pytest

from altcraft import DecodeError
from altcraft.codecs.xml import XmlCodec
from altcraft.schema import ErrorEnvelope

NOT_UTF_8 = {
    "a byte that is never used": b"\xff",
    "an overlong NUL": b"\xc0\x80",
    "an overlong slash": b"\xc0\xaf",
    "an overlong less-than": b"\xc0\xbc",
    "an overlong less-than of three bytes": b"\xe0\x80\xbc",
    "an overlong less-than of four bytes": b"\xf0\x80\x80\xbc",
    "the longest overlong form of two bytes": b"\xc1\xbf",
    "the longest overlong form of three bytes": b"\xe0\x9f\xbf",
    "the longest overlong form of four bytes": b"\xf0\x8f\xbf\xbf",
    "a high surrogate": b"\xed\xa0\x80",
    "a low surrogate": b"\xed\xbf\xbf",
    "a pair of surrogates": b"\xed\xa0\xbd\xed\xb8\x80",
    "beyond the last character": b"\xf4\x90\x80\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "six bytes": b"\xfc\x84\x80\x80\x80\x80",
    "a continuation alone": b"\x80",
    "two bytes, cut short": b"\xc3",
    "three bytes, cut short": b"\xe2\x82",
    "four bytes, cut short": b"\xf0\x9f\x98",
    "cut short before markup": b"\xe2<",
    "windows-1251": "Привет".encode("windows-1251"),
}
FORBIDDEN = {
    **{f"control character {code:#x}": bytes([code]) for code in range(0x20) if code not in (0x09, 0x0A, 0x0D)},
    "U+FFFE": b"\xef\xbf\xbe",
    "U+FFFF": b"\xef\xbf\xbf",
    "a reference to NUL": b"&#0;",
    "a reference to escape": b"&#x1b;",
    "a reference to a surrogate": b"&#xD800;",
    "a reference to U+FFFE": b"&#xFFFE;",
    "a reference beyond the last character": b"&#x110000;",
    "a reference with a sign": b"&#-60;",
    "a reference without end": b"&#60",
    "an entity of HTML": b"&nbsp;",
}
PLACES = {
    "a text": b"<xml><error>0</error><error_text>%b</error_text></xml>",
    "an attribute": b"<xml><error>0</error><error_text a='%b'>x</error_text></xml>",
    "CDATA": b"<xml><error>0</error><error_text><![CDATA[%b]]></error_text></xml>",
    "an element's name": b"<xml><error>0</error><error_%b>x</error_%b></xml>",
    "a comment": b"<xml><error>0</error><!--%b--></xml>",
    "a processing instruction": b"<xml><error>0</error><?p %b?></xml>",
    "behind the root": b"<xml><error>0</error></xml>%b",
    "before the root": b"%b<xml><error>0</error></xml>",
}
DECLARATIONS = {
    "none": b"",
    "without an encoding": b"<?xml version='1.0'?>",
    "UTF-8": b'<?xml version="1.0" encoding="UTF-8"?>',
    "ASCII": b"<?xml version='1.0' encoding='us-ascii'?>",
    "a byte order mark": b"\xef\xbb\xbf",
    "a mark, and a declaration of windows-1251": b"\xef\xbb\xbf<?xml version='1.0' encoding='windows-1251'?>",
    "XML 1.1": b"<?xml version='1.1'?>",
    "UTF_8": b"<?xml version='1.0' encoding='UTF_8' standalone='yes'?>",
    "another spelling of UTF-8": b"<?xml version='1.0' encoding='utf8'?>",
}
HEADERS = (None, "utf-8", "UTF-8", "utf_8")


def documents(what: bytes, declaration: bytes) -> list[bytes]:
    return [declaration + place.replace(b"%b", what) for place in PLACES.values()]


@pytest.mark.parametrize("declaration", DECLARATIONS.values(), ids=DECLARATIONS)
@pytest.mark.parametrize("what", NOT_UTF_8.values(), ids=NOT_UTF_8)
def test_bytes_that_are_not_utf_8_are_refused_wherever_they_stand(what: bytes, declaration: bytes) -> None:
    codec = XmlCodec()
    for document, charset, type_ in itertools.product(documents(what, declaration), HEADERS, (ErrorEnvelope, object)):
        with pytest.raises(DecodeError):
            codec.decode(codec.recode(document, charset), type_)


@pytest.mark.parametrize("declaration", DECLARATIONS.values(), ids=DECLARATIONS)
@pytest.mark.parametrize("what", FORBIDDEN.values(), ids=FORBIDDEN)
def test_characters_that_xml_forbids_are_refused_in_a_text(what: bytes, declaration: bytes) -> None:
    codec = XmlCodec()
    for place, charset in itertools.product(("a text", "an attribute", "an element's name"), HEADERS):
        with pytest.raises(DecodeError):
            codec.decode(codec.recode(declaration + PLACES[place].replace(b"%b", what), charset), ErrorEnvelope)


@pytest.mark.parametrize("declaration", DECLARATIONS.values(), ids=DECLARATIONS)
def test_markup_in_disguise_stays_a_text(declaration: bytes) -> None:
    """A reference to a less-than is no tag, and fullwidth or overlong look-alikes are none either."""
    codec = XmlCodec()
    for hidden in ("&#60;error&#62;401&#60;/error&#62;", "&lt;error>401&lt;/error>", "\uff1cerror\uff1e401"):
        document = declaration + PLACES["a text"].replace(b"%b", hidden.encode())
        if b"us-ascii" in declaration and not hidden.isascii():
            continue
        for charset in HEADERS:
            envelope = codec.decode(codec.recode(document, charset), ErrorEnvelope)
            assert envelope.error == 0
            assert "401" in (envelope.error_text or "")
