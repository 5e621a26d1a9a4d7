"""A byte order mark, the charset of the Content-Type header, and the document's own declaration, in this order."""

from __future__ import annotations

import codecs

import msgspec
import pytest

from altcraft import DecodeError, UnsafeXml
from altcraft.codecs import CodecRegistry, charset_of, default_registry, in_charset
from altcraft.codecs.json import JsonCodec
from altcraft.codecs.xml import XmlCodec

Codec = JsonCodec | XmlCodec


class Note(msgspec.Struct):
    """A text that shows every mistake in the encoding."""

    text: str


RUSSIAN = Note("Привет, №1")
DECLARED = '<?xml version="1.0" encoding="{}"?>\n'
both = pytest.mark.parametrize(
    "codec", [JsonCodec(), XmlCodec(), XmlCodec(fast_path=False)], ids=["json", "xml", "general"]
)


def document(codec: Codec, charset: str, note: Note = RUSSIAN, declared: str = "") -> bytes:
    """A document in that encoding; XML may declare another one."""
    text = codec.encode(note).decode()
    return ((DECLARED.format(declared) if declared else "") + text).encode(charset)


def read(codec: Codec, data: bytes, charset: str | None) -> Note:
    """What a client reads, under such a charset in the header."""
    for _ in range(3):
        note = codec.decode(in_charset(codec, data, charset), Note)
    return note


@both
@pytest.mark.parametrize(
    "charset",
    ["utf-8", "UTF-8", "utf8", "windows-1251", "Windows-1251", "cp1251", "utf-16", "utf-16le", "UTF-16BE"],
)
def test_the_header_tells_the_encoding_of_a_document_that_tells_none(codec: Codec, charset: str) -> None:
    assert read(codec, document(codec, charset), charset) == RUSSIAN


@both
@pytest.mark.parametrize("charset", ["koi8-r", "iso-8859-5", "cp866", "latin-1", "us-ascii"])
def test_the_header_may_name_a_rare_encoding(codec: Codec, charset: str) -> None:
    note = Note("plain") if charset == "us-ascii" else Note("\xe9") if charset == "latin-1" else Note("Привет")
    assert read(codec, document(codec, charset, note), charset) == note


@pytest.mark.parametrize(
    ("charset", "declared"),
    [
        ("utf-8", "windows-1251"),
        ("windows-1251", "utf-8"),
        ("windows-1251", "koi8-r"),
        ("utf-16-le", "utf-8"),
        ("utf-8", "utf-16"),
        ("utf-8", "x-unknown"),
    ],
)
@pytest.mark.parametrize("fast_path", [False, True])
def test_the_header_wins_over_the_declaration(charset: str, declared: str, *, fast_path: bool) -> None:
    codec = XmlCodec(fast_path=fast_path)
    assert read(codec, document(codec, charset, declared=declared), charset) == RUSSIAN


@pytest.mark.parametrize(
    "declaration",
    ["<?xml version='1.0' encoding='koi8-r' standalone='yes'?>", '<?xml version="1.0"\tencoding = "koi8-r" ?>'],
)
def test_the_rest_of_a_declaration_stays(declaration: str) -> None:
    data = (declaration + "<xml><text>Привет</text></xml>").encode()
    assert read(XmlCodec(), data, "utf-8") == Note("Привет")


@both
@pytest.mark.parametrize("charset", [None, "utf-8", "windows-1251", "utf-16-be"])
@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ],
)
def test_a_byte_order_mark_wins_over_the_header(codec: Codec, mark: bytes, encoding: str, charset: str | None) -> None:
    assert read(codec, mark + document(codec, encoding), charset) == RUSSIAN


@pytest.mark.parametrize("charset", [None, "koi8-r"])
@pytest.mark.parametrize("declared", ["windows-1251", "utf-16", "utf-8", "x-unknown"])
@pytest.mark.parametrize(("mark", "encoding"), [(codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_BE, "utf-16-be")])
def test_a_byte_order_mark_wins_over_the_declaration(
    mark: bytes, encoding: str, declared: str, charset: str | None
) -> None:
    codec = XmlCodec()
    data = mark + document(codec, encoding, declared=declared)
    assert read(codec, data, charset) == RUSSIAN
    assert codec.decode(data, Note) == RUSSIAN


def test_the_declaration_counts_where_nothing_else_tells() -> None:
    codec = XmlCodec()
    assert read(codec, document(codec, "windows-1251", declared="windows-1251"), None) == RUSSIAN


@both
@pytest.mark.parametrize(
    "charset",
    [
        "x-unknown",
        "utf-32",
        "none",
        "binary",
        "base64",
        "rot13",
        "punycode",
        "idna",
        "utf-7",
        "unicode_escape",
        "undefined",
        "\0",
        "x" * 1000,
    ],
)
def test_a_header_that_names_no_known_encoding_is_passed_over(codec: Codec, charset: str) -> None:
    assert read(codec, document(codec, "utf-8"), charset) == RUSSIAN


@both
def test_a_header_that_the_bytes_contradict_is_passed_over(codec: Codec) -> None:
    """The document's own word counts then: a wrong header costs no reply that can be read."""
    assert read(codec, document(codec, "utf-8"), "us-ascii") == RUSSIAN
    assert read(codec, document(codec, "utf-8", Note("П")), "utf-16") == Note("П")
    if isinstance(codec, XmlCodec):
        assert read(codec, document(codec, "windows-1251", declared="windows-1251"), "utf-8") == RUSSIAN
    else:
        with pytest.raises(DecodeError):
            read(codec, document(codec, "windows-1251"), "utf-8")


@pytest.mark.parametrize("charset", ["utf-8", "windows-1251", "utf-16", "utf-16-be", "latin-1"])
def test_a_document_type_is_refused_in_every_charset(charset: str) -> None:
    text = '<!DOCTYPE xml [<!ENTITY a "b">]><xml><text>&a;</text></xml>'
    for declared in ("", "utf-8", "utf-16", "cp037"):
        data = ((DECLARED.format(declared) if declared else "") + text).encode(charset)
        with pytest.raises(UnsafeXml):
            read(XmlCodec(), data, charset)


def test_a_usual_document_is_not_copied() -> None:
    for codec in (JsonCodec(), XmlCodec()):
        for declared in ("", "UTF-8"):
            data = document(codec, "utf-8", declared=declared if codec.name == "xml" else "")
            assert in_charset(codec, data, "utf-8") is data
            assert in_charset(codec, data, None) is data


class Binary:
    """A codec that knows nothing of charsets."""

    name = "binary"
    content_types = ("application/x-binary",)

    def encode(self, value: object) -> bytes:
        return msgspec.msgpack.encode(value)

    def decode(self, data: bytes, type: type[Note]) -> Note:
        return msgspec.msgpack.decode(data, type=type)


def test_a_codec_without_recode_gets_its_bytes_as_they_came() -> None:
    codec = Binary()
    registry = CodecRegistry()
    registry.register(codec)
    data = codec.encode(RUSSIAN)
    assert in_charset(codec, data, "windows-1251") is data
    assert codec.decode(in_charset(codec, data, "utf-16"), Note) == RUSSIAN


@pytest.mark.parametrize(
    ("content_type", "charset"),
    [
        ("application/xml", None),
        ("application/xml; charset=utf-8", "utf-8"),
        ("application/xml;CHARSET=Windows-1251", "Windows-1251"),
        ('text/xml; boundary=x; charset = "utf-16" ; q=1', "utf-16"),
        ("text/xml; charset='utf-8'", "utf-8"),
        ("text/xml; charset=", None),
        ('text/xml; charset=""', None),
        ("text/xml; xcharset=koi8-r", None),
        ("charset=utf-8", None),
        ("", None),
    ],
)
def test_the_charset_is_read_from_a_content_type_header(content_type: str, charset: str | None) -> None:
    assert charset_of(content_type) == charset


def test_recoding_takes_linear_time() -> None:
    xml = default_registry().by_name("xml")
    for data in (b"<?xml " + b"encoding=" * 100_000, b"<?xml" + b" " * 1_000_000, b"<?xml version='" * 60_000):
        for charset in ("utf-8", "windows-1251"):
            with pytest.raises(DecodeError):
                xml.decode(in_charset(xml, data, charset), Note)
