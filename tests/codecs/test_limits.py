"""Limits of size and of elements, for both codecs: a document beyond one is refused by an error that names it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from altcraft import DecodeError
from altcraft.codecs.json import JsonCodec
from altcraft.codecs.limits import MAX_BYTES, MAX_ELEMENTS
from altcraft.codecs.xml import XmlCodec
from altcraft.schema import Envelope, ErrorEnvelope, TaskStarted
from altcraft.wire.transport import TransportSettings
from golden import EXAMPLES


class Tree(msgspec.Struct):
    """An object that contains its own kind, and a field without a type."""

    name: str = ""
    inner: list[Tree] = []
    one: Tree | None = None
    by_name: dict[str, Tree] = {}
    anything: Any = None
    number: int = 0


@pytest.mark.parametrize("codec", [XmlCodec(max_bytes=100), JsonCodec(max_bytes=100)], ids=lambda codec: codec.name)
def test_a_document_of_more_bytes_than_the_limit_is_refused(codec: XmlCodec | JsonCodec) -> None:
    template = {"xml": "<xml><error_text>{}</error_text></xml>", "json": '{{"error_text":"{}"}}'}[codec.name]
    fits = template.format("x" * (100 - len(template.format(""))))
    assert len(fits) == 100
    assert codec.decode(fits.encode(), ErrorEnvelope).error_text
    with pytest.raises(DecodeError, match="101 bytes, and this codec's max_bytes is 100"):
        codec.decode(fits.replace("x", "xx", 1).encode(), ErrorEnvelope)


def test_the_default_limits_are_those_of_the_transports_and_far_beyond_every_example() -> None:
    assert TransportSettings().max_response == MAX_BYTES
    for golden in EXAMPLES:
        assert len(golden.body) * 1000 < MAX_BYTES
        assert golden.body.count(b"<") * 1000 < MAX_ELEMENTS


@pytest.mark.parametrize("unit", [b"[", b'{"a":', b'{"data":', b'{"error":['])
@pytest.mark.parametrize("type_", [object, Envelope[TaskStarted], ErrorEnvelope])
def test_json_of_great_depth_is_refused(unit: bytes, type_: type) -> None:
    with pytest.raises(DecodeError):
        JsonCodec().decode(unit * 20_000, type_)


# Elements.


def test_a_document_of_more_elements_than_the_limit_is_refused() -> None:
    codec = XmlCodec(max_elements=10)
    assert codec.decode(b"<xml>" + b"<a/>" * 9 + b"</xml>", ErrorEnvelope) == ErrorEnvelope()
    assert codec.decode(b'<?xml version="1.0"?><!-- --><xml>' + b"<a>b</a>" * 9 + b"</xml>", ErrorEnvelope)
    with pytest.raises(DecodeError, match="max_elements is 10"):
        codec.decode(b"<xml>" + b"<a/>" * 10 + b"</xml>", ErrorEnvelope)


def test_the_limit_of_elements_holds_for_a_document_of_a_known_form() -> None:
    codec = XmlCodec(max_elements=10)
    for count in (3, 3, 3, 9):
        document = b"<xml>" + b"<inner><name>x</name></inner>" * (count // 2) + b"</xml>"
        assert len(codec.decode(document, Tree).inner) == count // 2
    with pytest.raises(DecodeError, match="max_elements"):
        codec.decode(b"<xml>" + b"<inner><name>x</name></inner>" * 5 + b"</xml>", Tree)


@pytest.mark.parametrize(("name", "type_"), [(b"inner", Tree), (b"a", object), (b"unknown", ErrorEnvelope)])
@pytest.mark.parametrize("limit", [2_000, pytest.param(MAX_ELEMENTS, marks=pytest.mark.slow)])
def test_xml_may_have_exactly_as_many_elements_as_the_limit(name: bytes, type_: type, limit: int) -> None:
    siblings = b"<xml>" + b"<%b/>" % name * (limit - 1) + b"</xml>"
    codec = XmlCodec(max_elements=limit)
    assert codec.decode(siblings, type_) is not None
    with pytest.raises(DecodeError, match="max_elements"):
        codec.decode(siblings.replace(b"</xml>", b"<a/></xml>"), type_)


@pytest.mark.parametrize(
    "document", [b"[" + b"0," * 9 + b"0]", b'{"a":' * 10 + b"0" + b"}" * 10, b"[" + b"[]," * 9 + b"{}]"]
)
def test_json_of_more_values_than_the_limit_is_refused(document: bytes) -> None:
    assert JsonCodec(max_elements=11).decode(document, object) is not None
    with pytest.raises(DecodeError, match="the JSON has too many elements: this codec's max_elements is 10"):
        JsonCodec(max_elements=10).decode(document, object)


@pytest.mark.parametrize("unit", [b"0,", b"[],", b"{},", b'"",', b"null,"])
@pytest.mark.parametrize("limit", [2_000, pytest.param(MAX_ELEMENTS, marks=pytest.mark.slow)])
def test_json_may_have_exactly_as_many_values_as_the_limit(unit: bytes, limit: int) -> None:
    values = b"[" + unit * (limit - 2) + b"0]"
    codec = JsonCodec(max_elements=limit)
    assert codec.decode(values, object) is not None
    with pytest.raises(DecodeError, match="max_elements"):
        codec.decode(values.replace(b"0]", b"0,0]"), object)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused_by_name(limit: int) -> None:
    for name in ("max_bytes", "max_depth", "max_elements"):
        with pytest.raises(ValueError, match=f"{name}={limit}: give a number, 1 at least"):
            XmlCodec(**{name: limit})
    for name in ("max_bytes", "max_elements"):
        with pytest.raises(ValueError, match=f"{name}={limit}: give a number, 1 at least"):
            JsonCodec(**{name: limit})
