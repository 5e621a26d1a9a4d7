"""The documents that fuzzing starts from: every golden document, and replies to an operation of a user's own."""

from __future__ import annotations

from altcraft.schema import Envelope, TaskStatus
from golden import EXAMPLES
from hostile import Export, codec_named

__all__ = ["EXPORT", "corpus"]

EXPORT: dict[str, object] = {
    "id": "930bfdb0-a5a8-4207-a77d-6b989bdea326", "kind": "partial export", "level": 10, "ready": True, "ratio": 0.25,
    "price": "19.90", "since": "2024-04-17T21:36:01.449Z", "parts": [{"url": "/a?b=1&c=2", "size": 3}, {"url": ""}],
    "sizes": [1, 2], "by_name": {"a": {"url": "x", "sums": ["y", ""]}}, "counts": {"all": 1, "none": None},
    "lists": {"some": [1, 2], "one": [3]}, "either": True, "tags": [1, 2], "spelled-out": "<&>",
    "parent": {"id": "930bfdb0-a5a8-4207-a77d-6b989bdea326", "kind": "full", "ready": False, "ratio": 1, "parts": []},
}  # fmt: skip


def corpus(format_: str) -> list[tuple[bytes, type]]:
    """Documents of a format, each with the type that it is read as."""
    documents: list[tuple[bytes, type]] = [(known.body, known.type) for known in EXAMPLES if known.format == format_]
    codec = codec_named(format_)
    documents.append((codec.encode(EXPORT), Export))
    regular = {name: value for name, value in EXPORT.items() if name != "lists"}  # which the fast path does not read
    documents.append((codec.encode(regular), Export))
    documents.append((codec.encode(dict(sorted(regular.items()))), Export))
    whole = {"data": {"status": "completed", "progress": 100, "result": EXPORT}, "error": 0, "error_text": ""}
    documents.append((codec.encode(whole), Envelope[TaskStatus[Export]]))
    return documents
