"""Hostile documents of any size: deep, wide, long, or almost right.

A maker takes a size in bytes and gives a document of about that size. A linear codec takes twice the time for twice the
size.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from altcraft.codecs import Codec
from altcraft.schema import DatabaseStatistics, Envelope, TaskStatus
from hostile import Export, codec_named, outcome
from hostile.child import peak

BULK_TYPES: dict[str, type] = {
    "statistics": Envelope[TaskStatus[list[DatabaseStatistics]]],
    "export": Export,
    "untyped": object,
}

_RESULT = (
    b"<result><channels><channel>email</channel><status><all>1</all><subscribed>2</subscribed></status></channels>"
    b"<in_progress>false</in_progress><total_count>3</total_count><updated>2024-04-17T21:36:01.449Z</updated></result>"
)
_HEAD = b"<xml><data><status>completed</status><progress>100</progress>"
_TAIL = b"</data><error>0</error><error_text/></xml>"


def _filled(head: bytes, unit: bytes, tail: bytes = b"") -> Callable[[int], bytes]:
    return lambda size: head + unit * (size // len(unit)) + tail


def _nested(opening: bytes, closing: bytes, head: bytes = b"", tail: bytes = b"") -> Callable[[int], bytes]:
    def make(size: int) -> bytes:
        depth = size // (len(opening) + len(closing))
        return head + opening * depth + closing * depth + tail

    return make


def _counted(head: bytes, unit: str, tail: bytes) -> Callable[[int], bytes]:
    """Units with a number each, so that they differ."""
    return lambda size: head + b"".join(b"%s" % (unit % n).encode() for n in range(size // (len(unit) + 4))) + tail


def _attributes(size: int) -> bytes:
    return b"<xml " + b" ".join(b'a%d="1"' % n for n in range(size // 11)) + b"/>"


def _named(head: bytes, unit: str, tail: bytes) -> Callable[[int], bytes]:
    """A document of which one half is a namespace, the other half names in it."""
    names = _counted(b"", unit, b"")
    return lambda size: head % (b"u" * (size // 2)) + names(size // 2) + tail


XML: dict[str, Callable[[int], bytes]] = {
    "nested elements": _nested(b"<a>", b"</a>", b"<xml>", b"</xml>"),
    "nested elements of the schema": _nested(b"<data>", b"</data>", b"<xml>", b"</xml>"),
    "nested results": _nested(b"<result>", b"</result>", _HEAD, _TAIL),
    "nested elements, never closed": _filled(b"<xml>", b"<a>"),
    "nested parents": _nested(b"<parent>", b"</parent>", b"<xml>", b"</xml>"),
    "a huge text": _filled(b"<xml><error_text>", b"x", b"</error_text></xml>"),
    "a huge text of references": _filled(b"<xml><error_text>", b"&#120;", b"</error_text></xml>"),
    "a huge text of entities": _filled(b"<xml><error_text>", b"&amp;", b"</error_text></xml>"),
    "a huge text of brackets": _filled(b"<xml><error_text>", b"]", b"</error_text></xml>"),
    "a huge text of wide characters": _filled(b"<xml><error_text>", "💌".encode(), b"</error_text></xml>"),
    "white space alone": _filled(b"", b" "),
    "white space before the end": _filled(b"<xml><error>0</error>", b" \n", b"</xml>"),
    "white space in a number": _filled(b"<xml><error>", b" ", b"0</error></xml>"),
    "white space, and no end": _filled(_HEAD, b" "),
    "digits": _filled(b"<xml><error>", b"9", b"</error></xml>"),
    "digits after a point": _filled(b"<xml><data><status>s</status><progress>0.", b"1", b"</progress></data></xml>"),
    "zeros in front": _filled(b"<xml><error>", b"0", b"</error></xml>"),
    "a moment with many digits": _filled(
        _HEAD + b"<result><updated>2024-04-17T21:36:01.", b"4", b"Z</updated></result>" + _TAIL
    ),
    "unknown siblings": _filled(b"<xml>", b"<x/>", b"</xml>"),
    "siblings of many names": _counted(b"<xml>", "<x%d/>", b"</xml>"),
    "counters": _counted(_HEAD + b"<result><channels><channel>e</channel><status>", "<c%d/>",
    b"</status></channels></result>" + _TAIL),
    "results": _filled(_HEAD, _RESULT, _TAIL),
    "results, the last one broken": _filled(_HEAD, _RESULT, b"<result><total_count>x</total_count></result>" + _TAIL),
    "results, cut short": _filled(_HEAD, _RESULT),
    "results with a comment each": _filled(_HEAD, _RESULT.replace(b"</result>", b"<!----></result>"), _TAIL),
    "results, empty": _filled(_HEAD, b"<result/>", _TAIL),
    "results, and statuses in between": _filled(_HEAD, b"<result/><status>s</status>", _TAIL),
    "the same element again and again": _filled(b"<xml>", b"<error>0</error>", b"</xml>"),
    "opening brackets": _filled(b"<xml>", b"<"),
    "half of a tag": _filled(b"<xml><data><", b"r"),
    "tags cut off": _filled(b"<xml>", b"<result", b"</xml>"),
    "a long name": _filled(b"<xml><", b"x", b"/></xml>"),
    "a long attribute": _filled(b"<xml a='", b"x", b"'/>"),
    "many attributes": _attributes,
    "many namespaces": _counted(b"<xml>", "<x xmlns='u%d'/>", b"</xml>"),
    "a long namespace of elements": _named(b"<xml xmlns='%b'>", "<x%d/>", b"</xml>"),
    "a long namespace of attributes": _named(b"<xml xmlns:p='%b'><x", " p:x%d=''", b"/></xml>"),
    "the same attribute": _filled(b"<xml ", b"a='1' ", b"/>"),
    "comments": _filled(b"<xml>", b"<!---->", b"</xml>"),
    "a comment that never ends": _filled(b"<xml><!--", b"- "),
    "sections": _filled(b"<xml><error_text>", b"<![CDATA[]]>", b"</error_text></xml>"),
    "a section that never ends": _filled(b"<xml><![CDATA[", b"]"),
    "instructions": _filled(b"<xml>", b"<?x y?>", b"</xml>"),
    "a declaration that never ends": _filled(b"<?xml version='1.0' ", b"encoding "),
    "a declaration of white space": _filled(b"<?xml version='1.0' encoding", b" "),
    "a declaration with a long encoding": _filled(b"<?xml version='1.0' encoding='", b"x", b"'?><xml/>"),
    "mixed text": _filled(b"<xml>", b"t<x/>", b"</xml>"),
    "document types": _filled(b"", b"<!DOCTYPE x>"),
    "a document type that never ends": _filled(b"<!DOCTYPE x [", b"<!ENTITY a 'b'>"),
    "zero bytes": _filled(b"<xml>", b"\0"),
    "bytes that are not UTF-8": _filled(b"<xml>", b"\xff"),
    "byte order marks": _filled(b"", b"\xef\xbb\xbf"),
    "entries of a mapping": _counted(b"<xml><counts>", "<c%d/>", b"</counts></xml>"),
}  # fmt: skip

JSON: dict[str, Callable[[int], bytes]] = {
    "nested arrays": _nested(b"[", b"]"),
    "nested arrays, never closed": _filled(b"", b"["),
    "nested arrays in a field": _nested(b"[", b"]", b'{"x":', b"}"),
    "nested arrays in the result": _nested(b"[", b"]", b'{"data":{"status":"completed","result":', b"}}"),
    "nested objects": _nested(b'{"a":', b"}", b"", b""),
    "nested objects of the schema": _filled(b"", b'{"data":'),
    "nested parents": _filled(b"", b'{"parent":'),
    "a huge text": _filled(b'{"error_text":"', b"x", b'"}'),
    "a huge text of escapes": _filled(b'{"error_text":"', b"\\u0078", b'"}'),
    "a huge text of surrogates": _filled(b'{"error_text":"', b"\\ud83d\\udc8c", b'"}'),
    "a huge text that never ends": _filled(b'{"error_text":"', b"x"),
    "backslashes": _filled(b'{"x":"', b"\\\\", b'"}'),
    "white space": _filled(b"", b" "),
    "white space inside": _filled(b"{", b"\n", b'"error":0}'),
    "digits": _filled(b'{"error":', b"9", b"}"),
    "digits in an unknown field": _filled(b'{"x":', b"9", b"}"),
    "digits after a point": _filled(b'{"data":{"status":"s","progress":0.', b"1", b"}}"),
    "an exponent": _filled(b'{"data":{"status":"s","progress":1e', b"9", b"}}"),
    "members of many names": _counted(b"{", '"x%d":1,', b'"error":0}'),
    "the same member": _filled(b"{", b'"error":0,', b'"error":0}'),
    "the same member, wrong at last": _filled(b"{", b'"error":0,', b'"error":"x"}'),
    "nulls": _filled(b'{"data":{"status":"s","result":[', b"null,", b"null]}}"),
    "entries": _filled(b'{"data":{"status":"s","result":[', b'{"total_count":1},', b"{}]}}"),
    "entries with a null each": _filled(
        b'{"data":{"status":"s","result":[', b'{"channels":null,"total_count":1},', b"{}]}}"
    ),
    "entries, the last one broken": _filled(
        b'{"data":{"status":"s","result":[', b'{"total_count":1},', b'{"total_count":"x"}]}}'
    ),
    "entries, cut short": _filled(b'{"data":{"status":"s","result":[', b'{"total_count":1},'),
    "a long name": _filled(b'{"', b"x", b'":1}'),
    "commas": _filled(b"[", b","),
    "documents": _filled(b"", b"{}"),
    "zero bytes": _filled(b"", b"\0"),
    "bytes that are not UTF-8": _filled(b'{"error_text":"', b"\xff", b'"}'),
    "byte order marks": _filled(b"", b"\xef\xbb\xbf"),
}

MAKERS = {"xml": XML, "json": JSON}


def growth(codec: str, sizes: list[int]) -> dict[str, list[dict[str, Any]]]:
    """For each document in each size: processor time, the outcomes by type, and the memory gained.

    Prints the name of each document to stderr first, so that a crash or a hang can be traced to it.
    """
    return {name: [_measured(codec, name, size) for size in sizes] for name in MAKERS[codec]}


def decoded(codec: str, name: str, size: int, type_name: str) -> dict[str, Any]:
    """The outcome of a single document."""
    data = MAKERS[codec][name](size)
    before = peak()
    came = _outcome(codec_named(codec), data, BULK_TYPES[type_name])
    return {"size": len(data), "outcome": came, "gained": peak() - before}


def _measured(codec: str, name: str, size: int) -> dict[str, Any]:
    print(name, size, file=sys.stderr, flush=True)  # noqa: T201  # read by in_child
    decoder, data = codec_named(codec), MAKERS[codec][name](size)
    before, outcomes, seconds = peak(), {}, 0.0
    for label, kind in BULK_TYPES.items():
        _outcome(decoder, MAKERS[codec][name](100), kind)  # compiles and imports what is needed
        best = float("inf")
        for _ in range(2):
            began = time.process_time()
            outcomes[label] = _outcome(decoder, data, kind)
            best = min(best, time.process_time() - began)
        seconds += best
    return {"size": len(data), "seconds": seconds, "outcomes": outcomes, "gained": peak() - before}


def _outcome(decoder: Codec, data: bytes, type_: type) -> str:
    """The outcome as a word: "value", or the name of the error. Any error but a DecodeError is a fault."""
    try:
        result = outcome(decoder, data, type_)
    except Exception as error:
        return f"a fault: {type(error).__name__}: {str(error)[:200]}"
    return type(result).__name__ if isinstance(result, Exception) else "value"
