"""Reading XML: every well-formed document in every encoding that expat knows, and nothing else."""

from __future__ import annotations

import msgspec
import pytest

from altcraft import (
    DecodeError,
)
from altcraft.schema import (
    ErrorEnvelope,
)
from every_field import CODEC, Everything, read


@pytest.mark.parametrize(
    "text",
    [
        "<xml><text>ab</text></xml>",
        '<?xml version="1.0"?><xml><text>ab</text></xml>',
        "<?xml version='1.0' encoding='UTF-8' standalone='yes'?>\n<xml><text>ab</text></xml>\n",
        '<xml a="1" b=\'2\'><text xml:lang="en" nil="true">ab</text></xml>',
        "<xml><text>a<!-- a < comment & -->b</text></xml>",
        "<!-- before --><xml><!-- in --><text><!-- start -->ab<!-- end --></text></xml><!-- after -->",
        "<xml><text><![CDATA[ab]]></text></xml>",
        "<xml><text>a<![CDATA[b]]></text></xml>",
        "<xml><text><![CDATA[a]]><![CDATA[b]]></text></xml>",
        "<xml><text>a<?php echo 1 ?>b</text></xml>",
        '<?style x="y"?><xml><?here?><text>ab</text></xml><?there?>',
        "<xml><text>&#97;&#x62;</text></xml>",
        '<xml xmlns="urn:x"><text>ab</text></xml>',
        '<a:xml xmlns:a="urn:x" xmlns:b="urn:y"><b:text b:c="d">ab</b:text></a:xml>',
        "<xml\n><text\t>ab</text\n></xml >",
        "<xml><unknown><text>no</text><deep><deeper/></deep></unknown><text>ab</text><other/></xml>",
        "<xml>stray<text>ab</text>words</xml>",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_same_data_in_another_syntax_reads_the_same(text: str, encoding: str) -> None:
    if encoding == "utf-16":
        text = text.replace("UTF-8", "UTF-16")
    assert CODEC.decode(text.encode(encoding), Everything) == Everything(text="ab")


@pytest.mark.parametrize(
    ("reference", "text"),
    [("&lt;&gt;&amp;&apos;&quot;", "<>&'\""), ("&#13;&#10;&#9;", "\r\n\t"), ("&#1F600;".replace("1F", "x1F"), "😀")],
)
def test_the_five_entities_and_character_references_are_characters(reference: str, text: str) -> None:
    assert read(f"<text>{reference}</text>") == Everything(text=text)


def test_line_ends_become_line_feeds() -> None:
    assert read("<text>a\r\nb\rc</text>") == Everything(text="a\nb\nc")


@pytest.mark.parametrize(
    ("declared", "encoding", "text"),
    [
        (None, "utf-8", "é Ж 😀"),
        (None, "utf-8-sig", "é Ж 😀"),
        ("utf-8", "utf-8", "é Ж 😀"),
        ("UTF-8", "utf-8-sig", "é Ж 😀"),
        ("utf-16", "utf-16", "é Ж 😀"),
        (None, "utf-16", "é Ж 😀"),
        ("utf-16", "utf-16-le", "é Ж 😀"),
        ("utf-16", "utf-16-be", "é Ж 😀"),
        (None, "utf-16-le", "é Ж 😀"),
        (None, "utf-16-be", "é Ж 😀"),
        ("iso-8859-1", "iso-8859-1", "é ÿ"),
        ("ISO-8859-1", "iso-8859-1", "only ascii"),
        ("iso-8859-5", "iso-8859-5", "Ж"),
        ("windows-1251", "windows-1251", "Привет, №1"),
        ("windows-1252", "windows-1252", "“quoted” €"),
        ("koi8-r", "koi8-r", "Привет"),
        ("us-ascii", "us-ascii", "ascii"),
    ],
)
@pytest.mark.parametrize("quote", ['"', "'"])
def test_every_encoding_that_expat_knows_is_read(declared: str | None, encoding: str, text: str, quote: str) -> None:
    declaration = f"<?xml version={quote}1.0{quote} encoding={quote}{declared}{quote}?>" if declared else ""
    document = f"{declaration}<xml><text>{text}</text></xml>".encode(encoding)
    if encoding.startswith("utf-16-") and declared:  # whether with a byte order mark or without
        assert CODEC.decode("\ufeff".encode(encoding) + document, Everything) == Everything(text=text)
    assert CODEC.decode(document, Everything) == Everything(text=text)


@pytest.mark.parametrize(
    "document",
    [
        b'<?xml version="1.0" encoding="us-ascii"?><xml><text>\xc3\xa9</text></xml>',
        b'<?xml version="1.0" encoding="utf-8"?><xml><text>\xe9</text></xml>',
        b'<?xml version="1.0" encoding="utf-16"?><xml/>',
        b'<?xml version="1.0" encoding="no-such-encoding"?><xml/>',
        b'<?xml version="1.0" encoding="base64"?><xml/>',
        b'<?xml version="1.0" encoding="utf-7"?><xml/>+',
        b'<?xml version="1.0" encoding=""?><xml/>',
        b'<?xml version="1.0"' + b" " * 3_000 + b'encoding="unicode_escape"?><xml/>',
        b'<?xml version="1.0"' + b" " * 3_000 + b'encoding="cp437"?><xml/>',
        b'<?xml version="1.0" encoding="\xff"?><xml/>',
        b'<?xml version="2.0"?><xml></y>',
        b'\xff\xfe<\x00x\x00m\x00l\x00/\x00',
        "<xml/>".encode("utf-32"),
        b"<xml><text>\xed\xa0\x80</text></xml>",
        b"<xml><text>\xc0\xbc</text></xml>",
        b"<xml><text>&#xD800;</text></xml>",
        b"<xml><text>&#0;</text></xml>",
        b"<xml><text>\x01</text></xml>",
        b"<xml><text>a\x00b</text></xml>",
    ],
)  # fmt: skip
def test_bytes_that_contradict_their_declaration_are_refused(document: bytes) -> None:
    with pytest.raises(DecodeError):
        CODEC.decode(document, Everything)


@pytest.mark.parametrize("root", ["html", "XML", "Xml", "response", "xmlx", "data"])
def test_an_error_names_a_wrong_root_element(root: str) -> None:
    with pytest.raises(DecodeError, match=f"<{root}>"):
        CODEC.decode(f"<{root}><error>0</error></{root}>".encode(), ErrorEnvelope)


@pytest.mark.parametrize(
    "document",
    [
        b"", b" ", b"{}", b"xml", b"<", b"<xml", b"<xml>", b"</xml>", b"<xml/><xml/>", b"<xml/>x", b"<xml/>\0",
        b"<xml></XML>", b"<xml><a></xml></a>", b"<xml>&nbsp;</xml>", b"<xml>&x;</xml>", b"<xml>&</xml>",
        b"<xml a=1/>", b"<xml a='1' a='2'/>", b"<xml><a:b/></xml>", b"<xml>]]></xml>", b"<xml><!-- -- --></xml>",
        b' <?xml version="1.0"?><xml/>', b"<xml><![CDATA[</xml>", b"<xml/><![CDATA[x]]>",
        b"<xml><?xml version='1.0'?></xml>",
    ],
)  # fmt: skip
@pytest.mark.parametrize("type_", [object, ErrorEnvelope])
def test_what_is_not_well_formed_is_refused(document: bytes, type_: type) -> None:
    with pytest.raises(DecodeError):
        CODEC.decode(document, type_)


class Nested(msgspec.Struct):
    """An object that contains its own kind."""

    name: str
    inner: list[Nested] = []


@pytest.mark.parametrize("levels", [500, 5000])
@pytest.mark.parametrize("type_", [object, ErrorEnvelope, Nested])
def test_deep_nesting_is_read_or_refused(levels: int, type_: type) -> None:
    for document in (
        b"<xml>" + b"<inner>" * levels + b"</inner>" * levels + b"</xml>",
        b"<xml>" + b"<inner><name>x</name>" * levels + b"</inner>" * levels + b"</xml>",
        b"<xml>" + b"<inner>" * levels,
    ):
        try:
            CODEC.decode(document, type_)
        except DecodeError:
            continue
