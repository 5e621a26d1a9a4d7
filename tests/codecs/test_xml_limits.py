"""Limits of XML and JSON bodies: what is beyond them is refused, by name; what is within them is read."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import pytest

from altcraft import DecodeError
from altcraft.codecs import default_registry
from altcraft.codecs.json import JsonCodec
from altcraft.codecs.limits import MAX_BYTES, MAX_DEPTH, MAX_ELEMENTS
from altcraft.codecs.per_type import PerType
from altcraft.codecs.xml import XmlCodec
from altcraft.schema import Envelope, ErrorEnvelope, TaskStarted
from golden import EXAMPLES, Example


class Tree(msgspec.Struct):
    """An object that contains its own kind, and anything at all."""

    name: str = ""
    inner: list[Tree] = []
    one: Tree | None = None
    by_name: dict[str, Tree] = {}
    anything: Any = None
    number: int = 0


class Moment(msgspec.Struct):
    """An object with a number in it, and no object."""

    number: int = 0


def nested(name: str, levels: int) -> bytes:
    """A document of that many levels, its root included."""
    opening, closing = (tag.encode() * (levels - 1) for tag in (f"<{name}>", f"</{name}>"))
    return b"<xml>" + opening + closing + b"</xml>"


# Size.


@pytest.mark.parametrize("codec", [XmlCodec(max_bytes=100), JsonCodec(max_bytes=100)], ids=lambda codec: codec.name)
def test_a_body_of_more_bytes_than_the_limit_is_refused(codec: XmlCodec | JsonCodec) -> None:
    template = {"xml": "<xml><error_text>{}</error_text></xml>", "json": '{{"error_text":"{}"}}'}[codec.name]
    fits = template.format("x" * (100 - len(template.format(""))))
    assert len(fits) == 100
    assert codec.decode(fits.encode(), ErrorEnvelope).error_text
    with pytest.raises(DecodeError, match="101 bytes, and this codec's max_bytes is 100"):
        codec.decode(fits.replace("x", "xx", 1).encode(), ErrorEnvelope)


def test_the_default_limits_are_those_of_the_transport_and_beyond_every_example() -> None:
    assert MAX_BYTES == 64 << 20
    for golden in EXAMPLES:
        assert len(golden.body) * 1000 < MAX_BYTES
        assert golden.body.count(b"<") * 1000 < MAX_ELEMENTS


# Depth.


@pytest.mark.parametrize("name", ["inner", "one", "anything", "unknown", "name", "number", "by_name"])
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 50])
def test_the_depth_limit_is_exact_whatever_the_elements_are(name: str, limit: int) -> None:
    codec = XmlCodec(max_depth=limit)
    assert "max_depth" not in refusal(codec, nested(name, limit), Tree)
    assert "max_depth" in refusal(codec, nested(name, limit + 1), Tree)


def refusal(codec: XmlCodec, document: bytes, type_: type) -> str:
    try:
        codec.decode(document, type_)
    except DecodeError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("inside", ["unknown", "anything", "number", "one"])
def test_depth_is_counted_from_the_root_wherever_it_is_gained(inside: str) -> None:
    document = f"<xml><one><inner><{inside}><a><b/></a></{inside}></inner></one></xml>".encode()
    assert "max_depth" not in refusal(XmlCodec(max_depth=6), document, Tree)
    assert "max_depth" in refusal(XmlCodec(max_depth=5), document, Tree)


@pytest.mark.parametrize("type_", [Tree, object, ErrorEnvelope, dict[str, int]])
@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 10_000, 100_000])
@pytest.mark.parametrize("name", ["inner", "unknown"])
def test_a_document_of_many_levels_is_refused_like_one_that_is_just_too_deep(
    name: str, levels: int, type_: type
) -> None:
    with pytest.raises(DecodeError, match="max_depth"):
        XmlCodec().decode(nested(name, levels), type_)


def test_a_document_of_a_million_levels_is_refused_as_well() -> None:
    with pytest.raises(DecodeError, match="max_depth"):
        XmlCodec().decode(nested("inner", 1_000_000), Tree)


def test_a_limit_beyond_the_interpreters_own_ends_in_a_decode_error_too() -> None:
    codec = XmlCodec(max_depth=1_000_000)
    for name in ("inner", "anything", "unknown"):
        assert "Traceback" not in refusal(codec, nested(name, 200_000), Tree)


@pytest.mark.parametrize("unit", [b"[", b'{"a":', b'{"data":', b'{"error":['])
@pytest.mark.parametrize("type_", [object, Envelope[TaskStarted], ErrorEnvelope])
def test_json_nested_without_end_is_refused(unit: bytes, type_: type) -> None:
    with pytest.raises(DecodeError):
        JsonCodec().decode(unit * 200_000, type_)


# Elements.


def test_a_document_of_more_elements_than_the_limit_is_refused() -> None:
    codec = XmlCodec(max_elements=10)
    assert codec.decode(b"<xml>" + b"<a/>" * 9 + b"</xml>", ErrorEnvelope) == ErrorEnvelope()
    assert codec.decode(b'<?xml version="1.0"?><!-- --><xml>' + b"<a>b</a>" * 9 + b"</xml>", ErrorEnvelope)
    with pytest.raises(DecodeError, match="max_elements is 10"):
        codec.decode(b"<xml>" + b"<a/>" * 10 + b"</xml>", ErrorEnvelope)


def test_the_limit_of_elements_holds_on_the_express_road() -> None:
    codec = XmlCodec(max_elements=10)
    for count in (3, 3, 3, 9):
        document = b"<xml>" + b"<inner><name>x</name></inner>" * (count // 2) + b"</xml>"
        assert len(codec.decode(document, Tree).inner) == count // 2
    assert codec.express is not None
    assert codec.express.hits
    with pytest.raises(DecodeError, match="max_elements"):
        codec.decode(b"<xml>" + b"<inner><name>x</name></inner>" * 5 + b"</xml>", Tree)


@pytest.mark.parametrize(("name", "type_"), [(b"inner", Tree), (b"a", object), (b"unknown", ErrorEnvelope)])
def test_a_million_siblings_are_read_and_not_one_more(name: bytes, type_: type) -> None:
    siblings = b"<xml>" + b"<%b/>" % name * 999_999 + b"</xml>"
    assert XmlCodec().decode(siblings, type_) is not None
    with pytest.raises(DecodeError, match="max_elements"):
        XmlCodec().decode(siblings.replace(b"</xml>", b"<a/></xml>"), type_)


@pytest.mark.parametrize(
    "document", [b"[" + b"0," * 9 + b"0]", b'{"a":' * 10 + b"0" + b"}" * 10, b"[" + b"[]," * 9 + b"{}]"]
)
def test_json_of_more_values_than_the_limit_is_refused(document: bytes) -> None:
    assert JsonCodec(max_elements=11).decode(document, object) is not None
    with pytest.raises(DecodeError, match="the JSON has too many elements: this codec's max_elements is 10"):
        JsonCodec(max_elements=10).decode(document, object)


@pytest.mark.parametrize("unit", [b"0,", b"[],", b"{},", b'"",', b"null,"])
def test_a_million_values_of_json_are_read_and_not_one_more(unit: bytes) -> None:
    values = b"[" + unit * 999_998 + b"0]"
    assert JsonCodec().decode(values, object) is not None
    with pytest.raises(DecodeError, match="max_elements"):
        JsonCodec().decode(values.replace(b"0]", b"0,0]"), object)


# Namespaces: expat puts them before each name, whatever that comes to.

LONG = "u" * 50_000
NAMES = "".join(f"<a{number}/>" for number in range(2_000))
ATTRIBUTES = " ".join(f"p:a{number}='x'" for number in range(2_000))
AMPLIFIERS = {
    "elements": f"<xml xmlns='{LONG}'>{NAMES}</xml>",
    "prefixed elements": f"<xml xmlns:p='{LONG}'>{NAMES.replace('<', '<p:')}</xml>",
    "prefixed attributes": f"<xml xmlns:p='{LONG}'><a {ATTRIBUTES}/></xml>",
    "white space": f"<xml xmlns{' ' * 5_000}=\n\t{' ' * 5_000}'{LONG}'>{NAMES}</xml>",
    "quotes inside": f"<xml xmlns='{LONG[:9]}\"{LONG}=\"'>{NAMES}</xml>",
    "quotes before": f"<xml><!-- =' = \" --><a b=\"'\" xmlns='{LONG}'>{NAMES}</a></xml>",
    "characters that have quotes in them in UTF-16": f"<xml xmlns='{'∸⑆⌢✢㴢' * 10_000}'>{NAMES}</xml>",
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", AMPLIFIERS)
def test_a_long_namespace_for_many_names_is_refused_before_it_takes_room(name: str, encoding: str) -> None:
    with pytest.raises(DecodeError, match="namespaces too long"):
        XmlCodec().decode(AMPLIFIERS[name].encode(encoding), ErrorEnvelope)


def test_a_namespace_of_usual_length_is_read_in_a_document_of_any_size() -> None:
    head = f"<xml xmlns='https://schemas.example.com/{'service/' * 10}v1'><error>7</error>"
    document = head + "<other>at 12:00:00</other>" * 100_000 + "</xml>"
    for encoding in ("utf-8", "utf-16"):
        assert XmlCodec().decode(document.encode(encoding), ErrorEnvelope) == ErrorEnvelope(error=7)
    few_names = f"<xml xmlns='{LONG}'><error>7</error></xml>"
    assert XmlCodec().decode(few_names.encode(), ErrorEnvelope) == ErrorEnvelope(error=7)


@pytest.mark.parametrize("inside", [f"<a href='{LONG}'/>", f"<note>x='{LONG}</note>", "<note>y=\"='a'</note>" * 1_000])
def test_only_a_namespace_is_taken_for_one(inside: str) -> None:
    document = f"<xml xmlns='urn:x'><error>7</error>{inside}{NAMES}</xml>"
    assert XmlCodec().decode(document.encode(), ErrorEnvelope) == ErrorEnvelope(error=7)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_that_leaves_room_for_nothing_is_refused_by_name(limit: int) -> None:
    for name in ("max_bytes", "max_depth", "max_elements"):
        with pytest.raises(ValueError, match=f"{name}={limit}: give a number, 1 at least"):
            XmlCodec(**{name: limit})
    for name in ("max_bytes", "max_elements"):
        with pytest.raises(ValueError, match=f"{name}={limit}: give a number, 1 at least"):
            JsonCodec(**{name: limit})


# Time.

REPEATED: dict[str, Callable[[int], bytes]] = {
    "text": lambda n: b"<xml><error_text>" + b"x" * n + b"</error_text></xml>",
    "text never ended": lambda n: b"<xml><error_text>" + b"x" * n,
    "references": lambda n: b"<xml><error_text>" + b"&lt;" * n + b"</error_text></xml>",
    "lines": lambda n: b"<xml><error_text>" + b"\n" * n + b"</error_text></xml>",
    "spaces": lambda n: b"<xml>" + b" " * n + b"<error>0</error></xml>",
    "spaces never ended": lambda n: b" " * n,
    "spaces behind": lambda n: b"<xml><error>0</error></xml>" + b" " * n + b"x",
    "digits": lambda n: b"<xml><error>" + b"9" * n + b"</error></xml>",
    "fraction": lambda n: b"<xml><error>1." + b"0" * n + b"</error></xml>",
    "attribute": lambda n: b"<xml a='" + b"x" * n + b"'/>",
    "attributes": lambda n: b"<xml " + b" ".join(b"a%d=''" % i for i in range(n // 8)) + b"/>",
    "name": lambda n: b"<" + b"x" * n + b"/>",
    "comment": lambda n: b"<xml><!--" + b"- " * n + b"--></xml>",
    "cdata": lambda n: b"<xml><error_text><![CDATA[" + b"]" * n + b"]]></error_text></xml>",
    "declaration": lambda n: b"<?xml" + b" " * n + b"version='1.0'?><xml/>",
    "declared": lambda n: b"<?xml version='1.0' encoding='" + b"x" * n + b"'?><xml/>",
    "declarations": lambda n: b"<?xml version='1.0' " * n,
    "opened": lambda n: b"<xml>" + b"<a>" * n,
    "brackets": lambda n: b"<" * n,
}


@pytest.mark.parametrize("name", REPEATED)
def test_time_grows_no_faster_than_the_document(name: str) -> None:
    codec = XmlCodec()
    for _ in range(3):  # the express road is open, for what it may be worth
        codec.decode(b"<xml><error>0</error><error_text>ok</error_text></xml>", ErrorEnvelope)

    def seconds(size: int) -> float:
        document = REPEATED[name](size)
        gc.collect()
        gc.disable()  # its passes over a growing tree are not the codec's
        try:
            started = time.process_time()
            refusal(codec, document, ErrorEnvelope)
            return time.process_time() - started
        finally:
            gc.enable()

    small, large = min(seconds(20_000) for _ in range(3)), min(seconds(320_000) for _ in range(2))
    # Quadratic would be 256 times as long. A tree that leaves the processor's caches is twice as slow by itself.
    assert large <= 16 * 6 * small + 0.05


class Span(msgspec.Struct):
    """A pair, which is told apart from an empty element by its neighbours."""

    span: tuple[int, int] | None = None


def test_a_pair_with_a_great_many_blank_items_is_refused_without_a_look_at_each_for_each() -> None:
    document = b"<xml>" + b"<span/>" * 30_000 + b"</xml>"
    began = time.process_time()
    assert refusal(XmlCodec(), document, Span)
    assert time.process_time() - began < 5  # seconds; half a minute and more by the square


# What is kept for types.


def test_a_type_written_anew_every_time_is_known_again_and_takes_no_more_room() -> None:
    made: list[object] = []

    def make(type_: object) -> object:
        made.append(type_)
        return object()

    per_type = PerType(make)
    for _ in range(5_000):
        per_type.find(dict[str, list[int]])
    assert len(made) == 1
    assert len(per_type.known) < 1_000


def test_types_without_end_do_not_fill_the_memory() -> None:
    per_type = PerType(lambda type_: object())
    for number in range(2_000):
        per_type.find(Annotated[int, msgspec.Meta(gt=number)])
    assert len(per_type.known) < 1_000
    assert len(per_type._by_equality) < 1_000


@pytest.mark.parametrize("codec", list(default_registry()), ids=lambda codec: codec.name)
def test_a_type_without_a_hash_is_a_type(codec: XmlCodec | JsonCodec) -> None:
    type_: Any = Annotated[Moment, {"no": "hash"}]
    for _ in range(3):
        assert codec.decode(codec.encode(Moment(5)), type_) == Moment(5)


@pytest.mark.parametrize("golden", EXAMPLES, ids=lambda golden: golden.file.name)
def test_a_type_made_anew_reads_every_example_alike(golden: Example) -> None:
    if golden.type.__name__ == "Envelope":
        codec = golden.codec
        first = codec.decode(golden.body, golden.type)
        again: Any = Envelope[golden.type.__args__]  # type: ignore[attr-defined]
        assert codec.decode(golden.body, again) == first
