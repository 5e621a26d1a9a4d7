"""The examples of the platform's documentation, byte for byte: requests and replies, in JSON and in XML.

`index.json` has every file, the type that reads it, and the page that shows it. The texts are those of the pages, with
their field order and their white space; "…" stands where a page abbreviates.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from altcraft.codecs import Codec, default_registry
from altcraft.schema import (
    ChannelStatistics,
    DatabasesRefreshCounters,
    DatabaseStatistics,
    Envelope,
    Feedback,
    SegmentsRefreshCounters,
    SegmentStatistics,
    TaskStarted,
    TaskStatus,
    TaskStatusRequest,
)

FOLDER = Path(__file__).parent


class ProfilesExport(Struct):
    """Result of profiles/get_all: an object where the statistics have an array. Declared here as a user would."""

    errors: list[str]
    source_id: int
    total: int
    type: str
    urls: list[str]


TYPES: dict[str, type] = {
    "DatabasesRefreshCounters": DatabasesRefreshCounters,
    "Envelope[TaskStarted]": Envelope[TaskStarted],
    "Envelope[TaskStatus[ProfilesExport]]": Envelope[TaskStatus[ProfilesExport]],
    "Envelope[TaskStatus[list[DatabaseStatistics]]]": Envelope[TaskStatus[list[DatabaseStatistics]]],
    "Envelope[TaskStatus[list[SegmentStatistics]]]": Envelope[TaskStatus[list[SegmentStatistics]]],
    "Envelope[list[ChannelStatistics]]": Envelope[list[ChannelStatistics]],
    "Feedback": Feedback,
    "SegmentsRefreshCounters": SegmentsRefreshCounters,
    "TaskStatusRequest": TaskStatusRequest,
}


class Example(NamedTuple):
    """One example in one format."""

    name: str
    format: str
    type: type
    page: str

    @property
    def file(self) -> Path:
        """The file with its text."""
        return FOLDER / f"{self.name}.{self.format}"

    @property
    def body(self) -> bytes:
        """Its text as bytes, which is how it comes over the wire."""
        return self.file.read_bytes()

    @property
    def codec(self) -> Codec:
        """The codec of its format."""
        return default_registry().by_name(self.format)

    def decode(self) -> object:
        """Its value, read by its type."""
        return self.codec.decode(self.body, self.type)


EXAMPLES = tuple(
    Example(entry["name"], format_, TYPES[entry["type"]], entry["page"])
    for entry in json.loads((FOLDER / "index.json").read_text(encoding="utf-8"))
    for format_ in entry["formats"]
)


def example(name: str, format_: str) -> Example:
    """The example of that name in that format."""
    return next(known for known in EXAMPLES if (known.name, known.format) == (name, format_))
