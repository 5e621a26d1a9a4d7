"""Attributes, references and lines are bounded like elements, so that no document takes much time or memory."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from altcraft import DecodeError
from altcraft.codecs.xml import XmlCodec
from altcraft.codecs.xml.bounds import MAX_ATTRIBUTES
from altcraft.schema import ErrorEnvelope

encodings = pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])


def attributes(count: int, form: str = " a{}='1'") -> str:
    """Attributes with different names."""
    return "".join(form.format(number) for number in range(count))


def crowded(count: int, form: str = " a{}='1'") -> str:
    """A document with so many attributes in one element."""
    return f"<xml><x{attributes(count, form)}/><error>7</error></xml>"


@encodings
@pytest.mark.parametrize(
    "form",
    [" a{}='1'", ' a{}=""', "\n a{} \t=\n '>'", " é{}='1'", " xmlns:a{}='u'", " a{}='\"=='", " xml:a{}=\"x='y'\""],
)
def test_an_element_has_at_most_so_many_attributes(form: str, encoding: str) -> None:
    assert XmlCodec().decode(crowded(MAX_ATTRIBUTES, form).encode(encoding), ErrorEnvelope) == ErrorEnvelope(error=7)
    with pytest.raises(DecodeError, match="attributes"):
        XmlCodec().decode(crowded(MAX_ATTRIBUTES + 1, form).encode(encoding), ErrorEnvelope)


def test_many_elements_may_have_an_attribute_each() -> None:
    document = "<xml>" + "<x a='1' nil='true'/>" * 5_000 + "<error>7</error></xml>"
    assert XmlCodec().decode(document.encode(), ErrorEnvelope) == ErrorEnvelope(error=7)


@pytest.mark.parametrize("inside", ["a='1' " * 5_000, "x=y&amp;z=" * 5_000, "<!--" + " a='1'" * 5_000 + "-->"])
def test_what_only_looks_like_attributes_is_read(inside: str) -> None:
    document = f"<xml><text>{inside}</text><error>7</error></xml>"
    assert XmlCodec().decode(document.encode(), ErrorEnvelope) == ErrorEnvelope(error=7)


@encodings
def test_attributes_and_references_count_as_elements(encoding: str) -> None:
    codec = XmlCodec(max_elements=100)
    for unit in ("<x a='1'/>", "<x>&lt;</x>", "<x>&#9829;</x>"):
        fits = f"<xml>{unit * 49}<error>7</error></xml>".encode(encoding)
        assert codec.decode(fits, ErrorEnvelope) == ErrorEnvelope(error=7)
        with pytest.raises(DecodeError, match="max_elements is 100"):
            codec.decode(f"<xml>{unit * 50}<error>7</error></xml>".encode(encoding), ErrorEnvelope)


@encodings
@pytest.mark.parametrize("end", ["\n", "\r"])
def test_a_document_has_at_most_four_lines_for_each_element_that_it_may_have(end: str, encoding: str) -> None:
    codec = XmlCodec(max_elements=100)
    for inside in ("<text>{}</text>", "{}", "<!--{}-->"):
        document = f"<xml>{inside}<error>7</error></xml>"
        fits, beyond = (document.format(end * count).encode(encoding) for count in (400, 401))
        assert codec.decode(fits, ErrorEnvelope) == ErrorEnvelope(error=7)
        with pytest.raises(DecodeError, match="lines"):
            codec.decode(beyond, ErrorEnvelope)


FLOODS = {
    "attributes, 4 MB": lambda: crowded(350_000),
    "attributes, 55 MiB": lambda: crowded(4_000_000),
    "attributes in UTF-16": lambda: crowded(350_000).encode("utf-16"),
    "namespaces": lambda: crowded(250_000, " xmlns:a{}='u'"),
    "attributes that never end": lambda: crowded(1_000_000)[:-30],
    "references": lambda: f"<xml><error_text>{'&#9829;' * 7_000_000}</error_text></xml>",
    "references in an attribute": lambda: f"<xml a='{'&lt;' * 12_000_000}'/>",
    "lines": lambda: f"<xml><error_text>{chr(10) * (50 << 20)}</error_text></xml>",
    "carriage returns": lambda: f"<xml>{chr(13) * (50 << 20)}</xml>",
    "elements with attributes": lambda: "<xml>" + "<a b='' c=''/>" * 400_000 + "</xml>",
}


@pytest.mark.slow
@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_is_refused_at_once_and_without_memory(flood: str) -> None:
    made = FLOODS[flood]()
    data = made if isinstance(made, bytes) else made.encode()
    del made
    XmlCodec().decode(b"<xml/>", ErrorEnvelope)
    began = time.process_time()
    with pytest.raises(DecodeError):
        XmlCodec().decode(data, ErrorEnvelope)
    assert time.process_time() - began < 1  # seconds; attributes took half a minute
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError):
            XmlCodec().decode(data, ErrorEnvelope)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * len(data) + (1 << 20)
