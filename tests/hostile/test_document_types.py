"""A document with a document type is refused in every encoding, and nothing outside is ever opened."""

from __future__ import annotations

import codecs
import sys
from typing import Any

import pytest

from altcraft import DecodeError, UnsafeXml
from altcraft.schema import Envelope, TaskStarted
from hostile import codec_named, outcome
from hostile.child import in_child
from hostile.document_types import ATTACKS, CHARSETS, READABLE, attack, encoded, started

VALUE = Envelope(data=TaskStarted("an-id"), error=0, error_text="ok")
WIDE = (
    "utf_16_le",
    "utf_16_be",
    "utf_32",
    "utf_32_le",
    "utf_32_be",
    "utf_7",
    "cp500",
    "cp1140",
    "shift_jis",
    "big5",
    "gb18030",
)
DECLARED = (None, "utf-8", "UTF-8", "us-ascii", "utf-16", "UTF-16LE", "utf-32", "iso-8859-1", "cp037", "x-unknown")
MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

each_attack = pytest.mark.parametrize("kind", ATTACKS)


def read(data: bytes, type_: type = Envelope[TaskStarted]) -> object:
    return outcome(codec_named("xml"), data, type_)


def test_the_document_is_read_without_an_attack() -> None:
    assert read(started().encode()) == VALUE


@each_attack
@pytest.mark.parametrize("type_", [Envelope[TaskStarted], object])
def test_a_document_type_is_unsafe(kind: str, type_: type) -> None:
    assert isinstance(read(attack(kind).encode(), type_), UnsafeXml)


@each_attack
def test_a_document_type_is_refused_by_a_codec_that_has_learnt_the_form(kind: str) -> None:
    codec = codec_named("xml")
    for _ in range(100):
        assert outcome(codec, started().encode(), Envelope[TaskStarted]) == VALUE
    assert isinstance(outcome(codec, attack(kind).encode(), Envelope[TaskStarted]), UnsafeXml)


@each_attack
@pytest.mark.parametrize("charset", READABLE)
def test_a_document_type_is_unsafe_in_every_encoding_that_is_read(kind: str, charset: str) -> None:
    data = encoded(attack(kind), charset, charset.replace("_sig", "").replace("_", "-"))
    assert data is not None
    assert isinstance(read(data), UnsafeXml), data[:200]


@pytest.mark.slow
@each_attack
def test_a_document_type_is_refused_with_every_declared_encoding(kind: str) -> None:
    tried = 0
    for charset in (*READABLE, *WIDE):
        for declared in (*DECLARED, charset.replace("_", "-")):
            data = encoded(attack(kind), charset, declared)
            for mark in (b"", *MARKS):
                if data is not None:
                    assert isinstance(read(mark + data), DecodeError), (charset, declared, mark)
                    tried += 1
    assert tried > 500


@pytest.mark.parametrize("charset", ["utf_16_le", "utf_16_be"])
@pytest.mark.parametrize("declared", [None, "utf-16", "utf-8"])
def test_a_document_type_in_utf_16_is_unsafe_with_and_without_a_mark(charset: str, declared: str | None) -> None:
    data = encoded(attack("one that is internal"), charset, declared)
    assert data is not None
    mark = codecs.BOM_UTF16_LE if charset.endswith("le") else codecs.BOM_UTF16_BE
    assert isinstance(read(mark + data), DecodeError)
    assert isinstance(read(data), DecodeError)
    if declared != "utf-8":  # utf-8 contradicts the bytes
        assert isinstance(read(mark + data), UnsafeXml)


@pytest.mark.slow
def test_a_document_type_is_refused_in_every_encoding_that_python_has() -> None:
    for charset in CHARSETS:
        for declared in (charset, charset.replace("_", "-"), charset.upper()):
            for written in (charset, "utf-8", "utf-16"):
                data = encoded(attack("one that is internal"), written, declared)
                if data is not None:
                    assert isinstance(read(data), DecodeError), (charset, declared, written)


@pytest.mark.slow
def test_the_document_in_every_encoding_that_python_has_is_read_correctly_or_refused() -> None:
    for charset in CHARSETS:
        for declared in (None, charset, charset.replace("_", "-"), "utf-8", "utf-16"):
            data = encoded(started(), charset, declared)
            if data is not None:
                result = read(data)
                assert isinstance(result, DecodeError) or result == VALUE, (charset, declared)


@pytest.mark.parametrize(
    "fragment",
    [b"<!doctype xml>", b"<!DOCTYPE", b"<!DOCTYPE>", b"<!DOCTYPE xml [", b"<! DOCTYPE xml>", b"<!DOC\0TYPE xml>",
     b"<!ENTITY a 'b'>", b"<!ELEMENT a ANY>", b"<![INCLUDE[x]]>", b"<![%a;[x]]>", b"%a;", b"<!DOCTYPE xml []",
     b"<!DOCTYPE a><!DOCTYPE b>"],
)  # fmt: skip
@pytest.mark.parametrize("where", ["before", "inside", "after"])
def test_something_like_a_document_type_is_refused_too(fragment: bytes, where: str) -> None:
    body = started().encode()
    at = {"before": 0, "inside": len("<xml>"), "after": len(body)}[where]
    result = read(body[:at] + fragment + body[at:])
    if (fragment, where) == (b"%a;", "inside"):  # there it is a plain text
        assert result == VALUE
    else:
        assert isinstance(result, DecodeError)


@pytest.mark.parametrize("hidden", ["<!--<!DOCTYPE xml>-->", "<![CDATA[<!DOCTYPE xml>]]>", "&lt;!DOCTYPE xml&gt;"])
def test_a_document_that_mentions_a_document_type_is_read_or_refused(hidden: str) -> None:
    text = f"<xml><data><task_id>an-id</task_id></data><error>0</error><error_text>ok{hidden}</error_text></xml>"
    result = read(text.encode())
    assert isinstance(result, (Envelope, DecodeError))


@pytest.mark.parametrize(
    "reference", ["&a;", "&nbsp;", "&lol9;", "&#0;", "&#xFFFE;", "&#xD800;", "&#99999999999999;", "&#x;", "&;"]
)
def test_a_reference_to_an_undeclared_entity_is_refused(reference: str) -> None:
    text = f"<xml><data><task_id>an-id</task_id></data><error>0</error><error_text>ok{reference}</error_text></xml>"
    assert isinstance(read(text.encode()), DecodeError)


def opened_while_reading() -> dict[str, Any]:
    """In a child process: what the interpreter was asked to open or reach while it read all the attacks."""
    codec, events = codec_named("xml"), []
    attacks = [attack(kind) for kind in ATTACKS if "quadratic" not in kind]
    documents = [
        encoded(text, charset, declared) for text in attacks for charset in READABLE for declared in (None, charset)
    ]
    for data in documents:  # imports what is needed
        outcome(codec, data or b"", Envelope[TaskStarted])
    watched = ("open", "os.", "socket.", "urllib.", "http.", "ftplib.", "subprocess.", "import", "ctypes.", "shutil.")

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event.startswith(watched):
            events.append(f"{event}{arguments!r}")

    sys.addaudithook(hook)
    unsafe = sum(isinstance(outcome(codec, data, Envelope[TaskStarted]), UnsafeXml) for data in documents if data)
    seen = list(events)
    with open(__file__):  # shows that the hook sees what is opened
        pass
    return {"documents": len(documents), "unsafe": unsafe, "events": seen, "watching": len(events) > len(seen)}


def test_nothing_is_opened_or_reached_while_a_document_is_read() -> None:
    result = in_child("test_document_types:opened_while_reading")
    assert result["watching"]
    assert result["events"] == []
    assert result["unsafe"] > result["documents"] / 2


def memory_and_time_of(kind: str) -> dict[str, Any]:
    """In a child process: the cost of an attack."""
    import time

    from hostile.child import peak

    codec = codec_named("xml")
    outcome(codec, attack("an empty one").encode(), Envelope[TaskStarted])
    data = attack(kind).encode()
    before, began = peak(), time.process_time()
    result = outcome(codec, data, Envelope[TaskStarted])
    return {"outcome": type(result).__name__, "seconds": time.process_time() - began, "gained": peak() - before}


@pytest.mark.parametrize("kind", [kind for kind in ATTACKS if "entit" in kind])
def test_a_bomb_costs_neither_time_nor_memory(kind: str) -> None:
    result = in_child("test_document_types:memory_and_time_of", kind)
    assert result["outcome"] == "UnsafeXml"
    assert result["seconds"] < 1
    assert result["gained"] < 32 << 20
