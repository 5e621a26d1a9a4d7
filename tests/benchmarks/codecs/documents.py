"""The documents that are read and written: examples from the documentation, and a large one made from them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import msgspec

__all__ = ["SIZES", "document", "tree"]

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
SIZES = ("small", "task_id", "large")
RESULTS = 1_000


@cache
def document(size: str, format_: str) -> bytes:
    """The document of that size, in a format.

    "small" is the databases tasks/status reply, "task_id" the reply to a submission, "large" the first with 1,000
    results. Format "xml, comment" is XML with a comment as the first child, "xml, late comment" XML with a comment as
    the last child: our codec reads both with its general reader.
    """
    if format_ == "xml, comment":
        return document(size, "xml").replace(b"<xml>", b"<xml><!-- -->")
    if format_ == "xml, late comment":
        return document(size, "xml").replace(b"</xml>", b"<!-- --></xml>")
    name = "databases_refresh.started" if size == "task_id" else "databases_refresh.completed"
    whole = (GOLDEN / f"{name}.{format_}").read_bytes().strip()
    if format_ == "json":
        whole = msgspec.json.encode(json.loads(whole))
    return _enlarged(whole, format_) if size == "large" else whole


def tree(size: str) -> dict[str, object]:
    """The document's content as dicts and lists."""
    said: dict[str, object] = json.loads(document(size, "json"))
    return said


def _enlarged(whole: bytes, format_: str) -> bytes:
    """The document with its one result a thousand times. The totals differ."""
    opening, closing = (b"<result>", b"</result>") if format_ == "xml" else (b'"result":[', b"]}")
    start = whole.index(opening) + (0 if format_ == "xml" else len(opening))
    end = whole.rindex(closing) + (len(closing) if format_ == "xml" else 0)
    one = whole[start:end]
    many = (one.replace(b"1336", b"%d" % (1000 + number)) for number in range(RESULTS))
    return whole[:start] + (b"" if format_ == "xml" else b",").join(many) + whole[end:]
