"""Limits of XML: depth, names with long namespaces, and time."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from altcraft import DecodeError
from altcraft.codecs.limits import MAX_DEPTH
from altcraft.codecs.xml import XmlCodec
from altcraft.schema import ErrorEnvelope


class Tree(msgspec.Struct):
    """An object that contains its own kind, and a field without a type."""

    name: str = ""
    inner: list[Tree] = []
    one: Tree | None = None
    by_name: dict[str, Tree] = {}
    anything: Any = None
    number: int = 0


def nested(name: str, levels: int) -> bytes:
    """A document of so many levels, the root included."""
    opening, closing = (tag.encode() * (levels - 1) for tag in (f"<{name}>", f"</{name}>"))
    return b"<xml>" + opening + closing + b"</xml>"


# Depth.


@pytest.mark.parametrize("name", ["inner", "one", "anything", "unknown", "name", "number", "by_name"])
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 50])
def test_the_depth_limit_is_exact_for_elements_of_every_kind(name: str, limit: int) -> None:
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
def test_depth_is_counted_from_the_root(inside: str) -> None:
    document = f"<xml><one><inner><{inside}><a><b/></a></{inside}></inner></one></xml>".encode()
    assert "max_depth" not in refusal(XmlCodec(max_depth=6), document, Tree)
    assert "max_depth" in refusal(XmlCodec(max_depth=5), document, Tree)


@pytest.mark.parametrize("type_", [Tree, object, ErrorEnvelope, dict[str, int]])
@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 10_000])
@pytest.mark.parametrize("name", ["inner", "unknown"])
def test_a_document_far_too_deep_is_refused_like_one_that_is_just_too_deep(name: str, levels: int, type_: type) -> None:
    with pytest.raises(DecodeError, match="max_depth"):
        XmlCodec().decode(nested(name, levels), type_)


@pytest.mark.slow
def test_a_document_of_a_million_levels_is_refused_as_well() -> None:
    with pytest.raises(DecodeError, match="max_depth"):
        XmlCodec().decode(nested("inner", 1_000_000), Tree)


def test_a_document_deeper_than_the_interpreters_own_limit_is_a_decode_error() -> None:
    codec = XmlCodec(max_depth=1_000_000)
    for name in ("inner", "anything", "unknown"):
        assert "Traceback" not in refusal(codec, nested(name, 20_000), Tree)


# Namespaces: expat puts them in front of each name.

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
def test_a_long_namespace_with_many_names_is_refused_before_it_takes_memory(name: str, encoding: str) -> None:
    with pytest.raises(DecodeError, match="namespaces too long"):
        XmlCodec().decode(AMPLIFIERS[name].encode(encoding), ErrorEnvelope)


def test_a_namespace_of_usual_length_is_read_in_a_long_document() -> None:
    head = f"<xml xmlns='https://schemas.example.com/{'service/' * 10}v1'><error>7</error>"
    document = head + "<other>at 12:00:00</other>" * 20_000 + "</xml>"
    for encoding in ("utf-8", "utf-16"):
        assert XmlCodec().decode(document.encode(encoding), ErrorEnvelope) == ErrorEnvelope(error=7)
    few_names = f"<xml xmlns='{LONG}'><error>7</error></xml>"
    assert XmlCodec().decode(few_names.encode(), ErrorEnvelope) == ErrorEnvelope(error=7)


@pytest.mark.parametrize("inside", [f"<a href='{LONG}'/>", f"<note>x='{LONG}</note>", "<note>y=\"='a'</note>" * 1_000])
def test_only_a_namespace_is_taken_for_one(inside: str) -> None:
    document = f"<xml xmlns='urn:x'><error>7</error>{inside}{NAMES}</xml>"
    assert XmlCodec().decode(document.encode(), ErrorEnvelope) == ErrorEnvelope(error=7)


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


@pytest.mark.slow
@pytest.mark.parametrize("name", REPEATED)
def test_time_grows_no_faster_than_the_document(name: str) -> None:
    codec = XmlCodec()
    for _ in range(3):  # so that the fast path has learnt a form
        codec.decode(b"<xml><error>0</error><error_text>ok</error_text></xml>", ErrorEnvelope)

    def seconds(size: int) -> float:
        document = REPEATED[name](size)
        gc.collect()
        gc.disable()  # its passes over a growing tree take time too
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
    """An object with a pair: an empty element alone is no pair."""

    span: tuple[int, int] | None = None


def test_the_time_for_a_pair_with_very_many_blank_items_is_linear() -> None:
    document = b"<xml>" + b"<span/>" * 20_000 + b"</xml>"
    began = time.process_time()
    assert refusal(XmlCodec(), document, Span)
    assert time.process_time() - began < 5  # seconds; quadratic time would take far longer
