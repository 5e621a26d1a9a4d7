"""Wrong values in every field of the schema give a value of the declared type, or a DecodeError."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple
from xml.sax.saxutils import escape

import msgspec
import pytest

from altcraft import DecodeError
from altcraft.testing.codec_samples import REQUESTS
from fuzz.corpus import EXPORT
from golden import EXAMPLES
from hostile import Export, check, codec_named

WRONG: tuple[object, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**53 + 1, 2**63, 2**64, 10**30, 0.0, -0.5, 1.5, 1e308, "", " ", "x", "0",
    "1", "true",
    "null", "NaN", "nan", "Infinity", "-inf", "1e3", "12.0", " 12 ", "2024-04-17T21:36:01.449Z", "2024-04-17",
    "2024-13-45T99:99:99Z",
    "2024-04-17T21:36:01", "0000-00-00T00:00:00Z", "24:00", "\u0663", "\n", "<&>", "💌", [], {}, [[]], [None], [{}],
    [""], [0], {"": 1},
    {"a": {"a": {"a": []}}}, {"channel": "email"}, {"status": {}}, [1, "a", None, {}, []], {"error": 1}, "x" * 10_000,
    [{}] * 1_000,
)  # fmt: skip


class Document(NamedTuple):
    """A document's content as dicts and lists, the type that it is read as, and a name."""

    tree: dict[str, object]
    type: type
    name: str


def documents() -> Iterator[Document]:
    for known in EXAMPLES:
        if known.format == "json":
            yield Document(json.loads(known.body), known.type, known.name)
    for number, sample in enumerate(REQUESTS):  # the samples' replies are those of the examples
        yield Document(msgspec.to_builtins(sample.value), sample.type, f"request {number}")
    yield Document(EXPORT, Export, "export")


def places(tree: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths of the document itself, and of every field, entry and item; of arrays only the first two items."""
    yield path
    if isinstance(tree, dict):
        for name, item in tree.items():
            yield from places(item, (*path, name))
    elif isinstance(tree, list):
        for number, item in enumerate(tree[:2]):
            yield from places(item, (*path, number))


def replaced(tree: object, path: tuple[str | int, ...], new: object) -> object:
    if not path:
        return new
    if isinstance(tree, dict):
        return {name: replaced(item, path[1:], new) if name == path[0] else item for name, item in tree.items()}
    assert isinstance(tree, list)
    return [replaced(item, path[1:], new) if number == path[0] else item for number, item in enumerate(tree)]


def removed(tree: object, path: tuple[str | int, ...]) -> object:
    here, *deeper = path
    if isinstance(tree, dict):
        if not deeper:
            return {name: item for name, item in tree.items() if name != here}
        return {name: removed(item, path[1:]) if name == here else item for name, item in tree.items()}
    assert isinstance(tree, list)
    if not deeper:
        return [item for number, item in enumerate(tree) if number != here]
    return [removed(item, path[1:]) if number == here else item for number, item in enumerate(tree)]


def written(tree: object, format_: str) -> bytes:
    """The document in a format. XML is made by hand, since the codec refuses some of these values."""
    if format_ == "json":
        return json.dumps(tree).encode()
    return "".join(_element("xml", tree)).encode()


def _element(name: str, value: object) -> Iterator[str]:
    if isinstance(value, list):
        for item in value or [None]:
            yield from _element(name, item)
        return
    yield f"<{name or 'none'}>"
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _element(key, item)
    elif isinstance(value, (bool, type(None))):
        yield {True: "true", False: "false", None: ""}[value]
    else:
        yield escape(str(value))
    yield f"</{name or 'none'}>"


each_document = pytest.mark.parametrize("document", list(documents()), ids=lambda document: document.name)
each_format = pytest.mark.parametrize("format_", ["json", "xml"])


@each_format
@each_document
def test_the_unchanged_document_is_read(document: Document, format_: str) -> None:
    result = check(codec_named(format_), written(document.tree, format_), document.type)
    assert not isinstance(result, DecodeError), result


@pytest.mark.slow
@each_format
@each_document
def test_a_wrong_value_in_any_field_is_read_as_the_type_or_refused(document: Document, format_: str) -> None:
    codec, refused = codec_named(format_), 0
    for path in places(document.tree):
        for wrong in WRONG:
            data = written(replaced(document.tree, path, wrong), format_)
            refused += isinstance(check(codec, data, document.type), DecodeError)
    assert refused > len(WRONG) / 2, "the schema seems to accept everything"


@each_format
@each_document
def test_a_document_without_any_one_field_is_read_as_the_type_or_refused(document: Document, format_: str) -> None:
    for path in places(document.tree):
        if path:
            check(codec_named(format_), written(removed(document.tree, path), format_), document.type)


@each_format
@each_document
def test_a_document_with_any_field_twice_is_read_as_the_type_or_refused(document: Document, format_: str) -> None:
    data = written(document.tree, format_)
    for path in places(document.tree):
        if path and isinstance(path[-1], str):
            # By replacing text, since a dict can't hold a name twice.
            marked = written(replaced(document.tree, path, "twice"), format_)
            single = f'"{path[-1]}": "twice"' if format_ == "json" else f"<{path[-1]}>twice</{path[-1]}>"
            double = single + (", " if format_ == "json" else "") + single
            assert single.encode() in marked
            check(codec_named(format_), marked.replace(single.encode(), double.encode()), document.type)
    check(codec_named(format_), data, document.type)
