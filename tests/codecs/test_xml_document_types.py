"""No document type is read, in any encoding, by either of the two guards."""

from __future__ import annotations

import pytest

from altcraft import (
    DecodeError,
    SegmentStatistics,
    TaskStatus,
    UnsafeXml,
)
from altcraft.codecs.xml import parser as xml_read
from altcraft.schema import (
    Envelope,
    ErrorEnvelope,
)
from every_field import CODEC, Everything, read

Completed = Envelope[TaskStatus[list[SegmentStatistics]]]


DOCUMENT_TYPES = {
    "plain": "<!DOCTYPE xml>",
    "internal": "<!DOCTYPE xml [ ]>",
    "element": "<!DOCTYPE xml [<!ELEMENT xml ANY>]>",
    "attributes": '<!DOCTYPE xml [<!ATTLIST xml a CDATA "x">]>',
    "entity": '<!DOCTYPE xml [<!ENTITY a "b">]>',
    "parameter entity": '<!DOCTYPE xml [<!ENTITY % a SYSTEM "file:///etc/passwd"> %a;]>',
    "notation": '<!DOCTYPE xml [<!NOTATION n SYSTEM "n">]>',
    "external subset": '<!DOCTYPE xml SYSTEM "http://127.0.0.1:1/x.dtd">',
    "public subset": '<!DOCTYPE xml PUBLIC "-//x//y//EN" "http://127.0.0.1:1/x.dtd">',
    "external entity": '<!DOCTYPE xml [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
    "billion laughs": '<!DOCTYPE xml [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY e "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">]>',
    "quadratic": f'<!DOCTYPE xml [<!ENTITY e "{"x" * 10_000}">]>',
    "after a comment": "<!-- <xml/> --><?x y?>\n\n<!DOCTYPE xml>",
    "with space": "<!DOCTYPE\n\n xml  >",
    "in lines": "<!DOCTYPE xml\n[\n]>",
    "late": f"<!--{'x' * 70_000}--><!DOCTYPE xml>",
}
document_types = pytest.mark.parametrize("document_type", DOCUMENT_TYPES.values(), ids=DOCUMENT_TYPES)


@document_types
@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        (None, "utf-8"), (None, "utf-8-sig"), ("utf-8", "utf-8"), ("utf-8", "utf-8-sig"), ("us-ascii", "ascii"),
        ("iso-8859-1", "iso-8859-1"), ("windows-1251", "windows-1251"), ("koi8-r", "koi8-r"), (None, "utf-16"),
        ("utf-16", "utf-16"), (None, "utf-16-le"), (None, "utf-16-be"), ("utf-16", "utf-16-le"),
        ("utf-16", "utf-16-be"), ("utf-16be", "utf-16-be"),
    ],
)  # fmt: skip
def test_a_document_type_is_refused_in_every_encoding(document_type: str, declared: str | None, encoding: str) -> None:
    declaration = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    use = "&e;" if "ENTITY e" in document_type else "x"
    document = f"{declaration}{document_type}<xml><error>0</error><error_text>{use}</error_text></xml>"
    with pytest.raises(UnsafeXml):
        CODEC.decode(document.encode(encoding), ErrorEnvelope)


@pytest.mark.parametrize("encoding", ["cp037", "cp500", "cp1026"])
def test_a_document_type_in_an_ebcdic_encoding_is_refused(encoding: str) -> None:
    declaration = f'<?xml version="1.0" encoding="{encoding}"?>'
    rest = "<!DOCTYPE xml [<!ENTITY e 'boom'>]><xml><error_text>&e;</error_text></xml>"
    for document in (declaration.encode() + rest.encode(encoding), (declaration + rest).encode(encoding)):
        with pytest.raises(DecodeError):
            CODEC.decode(document, ErrorEnvelope)


@document_types
@pytest.mark.parametrize("type_", [object, Completed])
def test_a_document_type_is_refused_for_every_type_and_before_every_kind_of_rest(
    document_type: str, type_: type
) -> None:
    for rest in ("<xml/>", "", "<html/>", "<xml>", "oops"):
        with pytest.raises(UnsafeXml):
            CODEC.decode((document_type + rest).encode(), type_)


@pytest.mark.parametrize(
    "document",
    [
        b"<!doctype xml><xml/>",
        b"<xml><!DOCTYPE xml></xml>",
        b"<xml/><!DOCTYPE xml>",
        b"<!ENTITY e 'x'><xml/>",
        b"<xml><!ENTITY e 'x'></xml>",
    ],
)
def test_a_misplaced_document_type_is_refused_too(document: bytes) -> None:
    with pytest.raises(DecodeError):
        CODEC.decode(document, object)


@pytest.mark.parametrize(
    "inside",
    [
        "<text><![CDATA[<!DOCTYPE xml>]]></text>",
        "<text>&lt;!DOCTYPE xml&gt;</text>",
        "<text>&#60;!DOCTYPE xml></text>",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_text_that_mentions_a_document_type_is_read(inside: str, encoding: str) -> None:
    document = f"<xml><!-- <!DOCTYPE xml> -->{inside}</xml>".encode(encoding)
    assert CODEC.decode(document, Everything) == Everything(text="<!DOCTYPE xml>")


def test_an_undeclared_entity_is_refused() -> None:
    with pytest.raises(DecodeError, match="entity"):
        read("<text>&secret;</text>")


def test_includes_and_stylesheets_are_not_followed() -> None:
    document = (
        b'<?xml-stylesheet href="http://127.0.0.1:1/x.xsl"?><xml xmlns:xi="http://www.w3.org/2001/XInclude">'
        b'<xi:include href="file:///etc/passwd" parse="text"/><text>ab</text></xml>'
    )
    assert CODEC.decode(document, Everything) == Everything(text="ab")


@pytest.mark.parametrize("kind", ["plain", "entity", "external subset"])
@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_the_scan_of_the_bytes_alone_finds_a_document_type(kind: str, charset: str) -> None:
    assert xml_read._is_suspect(f"{DOCUMENT_TYPES[kind]}<xml/>".encode(charset))


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_the_parser_alone_refuses_a_document_type(charset: str) -> None:
    parser = xml_read.Guarded()
    with pytest.raises(UnsafeXml):
        parser.feed("<!DOCTYPE xml><xml/>".encode(charset))
