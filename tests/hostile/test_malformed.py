"""Documents that are almost right: cut short, doubled, declared wrongly, with garbage. None gives a wrong value."""

from __future__ import annotations

import codecs
import json
import math

import msgspec
import pytest

from altcraft import DecodeError
from altcraft.codecs import Codec
from altcraft.schema import ChannelStatistics, Envelope, Feedback, TaskStarted, TaskStatus
from golden import EXAMPLES, Example
from hostile import TYPES, Export, check, codec_named, outcome

Started = Envelope[TaskStarted]
Status = Envelope[TaskStatus[object]]
VALUE = Envelope(data=TaskStarted("an-id"), error=0, error_text="ok")
XML = b"<xml><data><task_id>an-id</task_id></data><error>0</error><error_text>ok</error_text></xml>"
JSON = b'{"data":{"task_id":"an-id"},"error":0,"error_text":"ok"}'

each_example = pytest.mark.parametrize("golden", EXAMPLES, ids=lambda golden: golden.file.name)
each_codec = pytest.mark.parametrize(("codec", "document"), [("json", JSON), ("xml", XML)])


def warm(golden: Example) -> Codec:
    """A codec that has read the example often enough to have learnt its form."""
    codec = golden.codec
    for _ in range(50):
        codec.decode(golden.body, golden.type)
    return codec


@pytest.mark.slow
@each_example
def test_a_golden_document_cut_short_at_any_byte_is_refused(golden: Example) -> None:
    codec, body = warm(golden), golden.body.rstrip()
    for end in range(len(body)):
        assert isinstance(outcome(codec, body[:end], golden.type), DecodeError), body[:end]


@pytest.mark.slow
@each_example
def test_a_golden_document_without_any_one_of_its_bytes_breaks_no_promise(
    golden: Example,
) -> None:
    codec, body = warm(golden), golden.body
    for at in range(len(body)):
        check(codec, body[:at] + body[at + 1 :], golden.type)


@pytest.mark.slow
@each_example
def test_a_golden_document_with_any_one_byte_replaced_breaks_no_promise(golden: Example) -> None:
    codec, body = warm(golden), golden.body
    for at in range(len(body)):
        for byte in (b"\0", b"<", b'"', b"9", b" "):
            check(codec, body[:at] + byte + body[at + 1 :], golden.type)


@pytest.mark.slow
@each_example
def test_a_golden_document_is_read_as_any_other_type_or_refused(golden: Example) -> None:
    for type_ in TYPES:
        check(warm(golden), golden.body, type_)


@each_codec
def test_the_document_itself_is_read(codec: str, document: bytes) -> None:
    assert check(codec_named(codec), document, Started) == VALUE


@each_codec
@pytest.mark.parametrize(
    "nothing", [b"", b" ", b"\n", b"\0", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, b"\xef\xbb", b"\xef", b"\xff"]
)
def test_next_to_nothing_is_refused(codec: str, document: bytes, nothing: bytes) -> None:
    assert isinstance(check(codec_named(codec), nothing, Started), DecodeError)
    assert isinstance(check(codec_named(codec), nothing, object), DecodeError)


@each_codec
@pytest.mark.parametrize(
    "rest",
    [b"x", b"\0", b"{}", b"<xml/>", b",", b"]", b"}", b"</xml>", b"&", b"\xff", codecs.BOM_UTF8, b"<a", b"//", b"1"],
)
def test_garbage_behind_the_document_is_refused(codec: str, document: bytes, rest: bytes) -> None:
    for gap in (b"", b" \n"):
        assert isinstance(check(codec_named(codec), document + gap + rest, Started), DecodeError)


@each_codec
@pytest.mark.parametrize("rest", [b"x", b"\0", b"{", b"<", b",", b"\xff", b"\xef\xbb", b"0", b"<xml>", b"\x0b"])
def test_garbage_before_the_document_is_refused(codec: str, document: bytes, rest: bytes) -> None:
    assert isinstance(check(codec_named(codec), rest + document, Started), DecodeError)


@each_codec
@pytest.mark.parametrize("around", [b" ", b"\n", b"\r\n\t ", b" " * 1000])
def test_white_space_around_the_document_is_passed_over(codec: str, document: bytes, around: bytes) -> None:
    assert check(codec_named(codec), around + document + around, Started) == VALUE


@each_codec
def test_a_byte_order_mark_before_the_document_is_passed_over_once(codec: str, document: bytes) -> None:
    assert check(codec_named(codec), codecs.BOM_UTF8 + document, Started) == VALUE
    assert isinstance(check(codec_named(codec), codecs.BOM_UTF8 * 2 + document, Started), DecodeError)
    assert isinstance(outcome(codec_named(codec), codecs.BOM_UTF8 * 5_000 + document, Started), DecodeError)


@each_codec
@pytest.mark.parametrize(
    "charset", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "utf-7", "cp037"]
)
def test_another_encoding_gives_the_same_value_or_is_refused(codec: str, document: bytes, charset: str) -> None:
    result = check(codec_named(codec), document.decode().encode(charset), Started)
    assert result == VALUE or isinstance(result, DecodeError)


@each_codec
@pytest.mark.parametrize(
    "broken",
    [
        b"\x80",
        b"\xc3",
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xed\xa0\x80",
        b"\xed\xa0\xbd\xed\xb2\x8c",
        b"\xf4\x90\x80\x80",
        b"\xff\xfe",
    ],
)
def test_bytes_that_are_not_utf_8_are_refused_everywhere(codec: str, document: bytes, broken: bytes) -> None:
    for at in (document.index(b"an-id"), document.index(b"ok"), document.index(b"task_id"), len(document)):
        assert isinstance(check(codec_named(codec), document[:at] + broken + document[at:], Started), DecodeError)


# XML


def read(data: bytes, type_: type = Started) -> object:
    return check(codec_named("xml"), data, type_)


@pytest.mark.parametrize(
    "declaration",
    [b"<?xml version='1.0'?>", b'<?xml version="1.0" encoding="UTF-8"?>',
    b'<?xml version="1.0" encoding="utf-8" standalone="yes"?>\n'],
)  # fmt: skip
def test_a_declaration_is_passed_over(declaration: bytes) -> None:
    assert read(declaration + XML) == VALUE


@pytest.mark.parametrize(
    "declaration",
    [
        b"<?xml?>", b"<?xml version='1.0'>", b"<?xml version='1.0' encoding=''?>",
        b"<?xml encoding='utf-8'?>",
        b"<?xml version='1.0' encoding='x-none'?>", b"<?xml version='1.0' encoding='utf-16'?>",
        b"<?XML version='1.0'?>",
        b"<?xml version='1.0' encoding='ucs-4'?>", b"<?xml version='1.0'?><?xml version='1.0'?>",
        b"\n<?xml version='1.0'?>",
        b"<?xml version='1.0' standalone='maybe'?>", b"<?xml version='1.0' version='1.0'?>",
        b"<!-- --><?xml version='1.0'?>",
        b"<?xml version='1.0' encoding='utf-8' encoding='latin-1'?>", b"<?xml version='1.0' encoding='zlib'?>",
        b"<?xml version='1.0' encoding='rot13'?>", b"<?xml version='1.0' encoding='../../etc/passwd'?>",
        b"<?xml version=1.0?>",
    ],
)  # fmt: skip
def test_a_wrong_or_double_declaration_is_refused(declaration: bytes) -> None:
    assert isinstance(read(declaration + XML), DecodeError)


def test_a_declaration_inside_is_refused() -> None:
    assert isinstance(read(XML.replace(b"<data>", b"<data><?xml version='1.0'?>")), DecodeError)


@pytest.mark.parametrize("root", ["XML", "xmls", "data", "html", "envelope", "x:xml xmlns:x='u'"])
def test_another_root_is_refused_unless_only_its_namespace_differs(root: str) -> None:
    name = root.split(maxsplit=1)[0]
    result = read(XML.replace(b"<xml>", f"<{root}>".encode()).replace(b"</xml>", f"</{name}>".encode()))
    assert result == VALUE if ":" in root else isinstance(result, DecodeError)


@pytest.mark.parametrize(
    "same",
    [
        XML.replace(b"<data>", b"<data a='1' b=\"&lt;\">"), XML.replace(b"<data>", b"<data xmlns='urn:x'>"),
        XML.replace(b"an-id", b"<![CDATA[an-id]]>"), XML.replace(b"an-id", b"&#97;n&#x2D;id"), XML.replace(b"<data>",
        b"<!-- <data> --><data>"),
        XML.replace(b"an-id", b"an<!-- x -->-id"), XML.replace(b"<data>", b"<data\n\t>"), XML.replace(b"</data>",
        b"</data\n>"),
        XML.replace(b"<data>", b"<?pi <data> ?><data>"), XML.replace(b"<error>",
        b"<unknown><error>9</error></unknown><error>"),
        XML.replace(b"<error>0", b"<error>\n 0\t"), XML.replace(b"an-id", b"a<![CDATA[n-]]>id"),
        XML + b"<!-- x --><?pi?>",
        b"<xml><error>0</error><error_text>ok</error_text><data><x/><task_id>an-id</task_id><y/></data></xml>",
    ],
)  # fmt: skip
def test_another_way_of_writing_the_same_reads_the_same(same: bytes) -> None:
    assert read(same) == VALUE


@pytest.mark.parametrize(
    "twice",
    [
        XML.replace(b"<error>0</error>", b"<error>0</error><error>0</error>"), XML.replace(b"</data>",
        b"</data><data/>"),
        XML.replace(b"</task_id>", b"</task_id><task_id>other</task_id>"), XML.replace(b"</xml>",
        b"<error_text/></xml>"),
        XML.replace(b"<error>0</error>", b"<error>401</error><error>0</error>"),
    ],
)  # fmt: skip
def test_an_element_that_comes_twice_where_the_schema_has_one_is_refused(twice: bytes) -> None:
    assert isinstance(read(twice), DecodeError)


@pytest.mark.parametrize(
    "broken",
    [
        XML.replace(b"</data>", b""), XML.replace(b"<data>", b""), XML.replace(b"</data>", b"</Data>"),
        XML.replace(b"an-id", b"an&id"),
        XML.replace(b"an-id", b"an<id"), XML.replace(b"<data>", b"<data a=1>"), XML.replace(b"<data>",
        b"<data a='1' a='2'>"),
        XML.replace(b"<data>", b"<data a>"), XML.replace(b"<data>", b"< data>"), XML.replace(b"<data>", b"<da ta>"),
        XML + XML,
        XML.replace(b"an-id", b"a]]>n-id"), XML.replace(b"an-id", b"a\0n-id"), XML.replace(b"an-id", b"a\x1bn-id"),
        XML.replace(b"an-id", "a\ufffen-id".encode()), XML.replace(b"an-id", b"<!-- a -- b -->"),
        XML.replace(b"<data>", b"<x:data>"),
        XML.replace(b"<data>", b"<1data>"), XML.replace(b"</xml>", b"</xml"), XML.replace(b"an-id",
        b"<![CDATA[an-id"), b"xml" + XML,
        XML.replace(b"</task_id></data>", b"</data></task_id>"), XML.replace(b"<error>0</error>", b"<error>0<error>"),
    ],
)  # fmt: skip
def test_what_is_not_well_formed_is_refused(broken: bytes) -> None:
    assert isinstance(read(broken), DecodeError)
    assert isinstance(read(broken, object), DecodeError)


@pytest.mark.parametrize(
    "number", ["NaN", "nan", "inf", "-inf", "Infinity", "+1", "0x1", "1_0", "٣", "1e400", ".", "", "1 2", "--1"]
)
def test_a_text_that_is_not_a_number_is_refused_as_progress(number: str) -> None:
    text = f"<xml><data><status>s</status><progress>{number}</progress></data><error>0</error></xml>"
    result = read(text.encode(), Status)
    if number == "":
        assert result == Envelope(data=TaskStatus("s"), error=0)
    else:
        assert isinstance(result, DecodeError)


# JSON


def parse(data: bytes, type_: type = Started) -> object:
    return check(codec_named("json"), data, type_)


@pytest.mark.parametrize(
    "broken",
    [
        JSON[:-1] + b",}", JSON.replace(b'"', b"'"), JSON.replace(b":", b"="), JSON.replace(b"0", b"00"),
        JSON.replace(b"0", b"+0"),
        JSON.replace(b"0", b"0."), JSON.replace(b"0", b".0"), JSON.replace(b"0", b"0x0"), JSON.replace(b"0", b"NaN"),
        JSON.replace(b"0", b"Infinity"), JSON.replace(b"0", b"-"), JSON.replace(b"0", b"True"), JSON.replace(b"an-id",
        b"an\nid"),
        JSON.replace(b"an-id", b"an\0id"), JSON.replace(b"an-id", b"an\\xid"), JSON.replace(b"an-id", b"an\\u12"),
        b"/**/" + JSON,
        JSON.replace(b"an-id", b"\\ud800"), JSON.replace(b"an-id", b"\\udc00\\ud800"), JSON.replace(b"an-id",
        b"\\ud800\\u0041"),
        JSON.replace(b"data", b"da\\ud800ta"), JSON.replace(b"}", b"]"), b"[" + JSON, JSON * 2, JSON.replace(b",",
        b",,"), b"data",
    ],
)  # fmt: skip
def test_what_is_not_json_is_refused(broken: bytes) -> None:
    assert isinstance(parse(broken), DecodeError)


def test_the_last_of_two_members_with_the_same_name_counts() -> None:
    assert parse(JSON.replace(b'"error":0', b'"error":1,"error":0')) == VALUE
    first_is_wrong = parse(JSON.replace(b'"error":0', b'"error":"x","error":0'))
    assert first_is_wrong == VALUE or isinstance(first_is_wrong, DecodeError)
    assert isinstance(parse(JSON.replace(b'"error":0', b'"error":0,"error":"x"')), DecodeError)


@pytest.mark.parametrize(
    "number", ["1e400", "-1e400", "9" * 5000, "0." + "1" * 5000, "1e" + "9" * 500, "NaN", "1e-400", "-0", "1E5"]
)
def test_a_number_out_of_range_is_refused_or_finite(number: str) -> None:
    result = parse(f'{{"data":{{"status":"s","progress":{number}}},"error":0}}'.encode(), Status)
    if isinstance(result, Envelope):
        assert isinstance(result.data, TaskStatus)
        assert math.isfinite(result.data.progress or 0)


@pytest.mark.parametrize("number", [2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**30])
@pytest.mark.parametrize("codec", ["json", "xml"])
def test_a_large_integer_is_exact_or_refused(codec: str, number: int) -> None:
    document = json.dumps({"error": number}) if codec == "json" else f"<xml><error>{number}</error></xml>"
    result = check(codec_named(codec), document.encode(), Started)
    assert result == Envelope(error=number) or isinstance(result, DecodeError)


@pytest.mark.parametrize("name", ["a" * 100_000, "\\u0000", "", "\\ud83d\\udc8c", "<&>\\n"])
def test_any_name_may_be_unknown(name: str) -> None:
    assert parse(JSON.replace(b'"error":', f'"{name}":[{{}}],"error":'.encode())) == VALUE


@pytest.mark.parametrize("codec", ["json", "xml"])
def test_no_message_repeats_a_long_text(codec: str) -> None:
    long = "x" * 100_000
    wire = {
        "id": long,
        "kind": long,
        "ready": long,
        "ratio": long,
        "price": long,
        "since": long,
        "parts": long,
        long: long,
    }
    for name in wire:
        document = {
            "id": "930bfdb0-a5a8-4207-a77d-6b989bdea326",
            "kind": "full",
            "ready": True,
            "ratio": 1,
            "parts": [],
            name: long,
        }
        result = outcome(codec_named(codec), codec_named(codec).encode(document), Export)
        assert isinstance(result, DecodeError) or name == long
    for type_ in (Feedback, ChannelStatistics, dict[str, int], int):
        outcome(
            codec_named(codec),
            codec_named(codec).encode({long: {"url": long}, "status": {long: long}, "channel": "e"}),
            type_,
        )


def test_the_expected_value_is_what_msgspec_reads() -> None:
    assert msgspec.convert(json.loads(JSON), Started) == VALUE
