"""Statistics as the platform shows them: channels with their counters, and the elements of a task's result."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct

from altcraft_plugins.sandbox.counting import timestamps
from altcraft_plugins.sandbox.counting.slices import COUNTERS, Tally
from altcraft_plugins.sandbox.counting.targets import Target

__all__ = [
    "ENTRIES",
    "Channel",
    "DatabaseEntry",
    "Entry",
    "ResourceEntry",
    "SegmentEntry",
    "channels_of",
    "entry_of",
    "read_entry",
    "read_result",
]

SEGMENT_COUNTERS: Final = ("subscribed_sendable", "unconfirmed_sendable")


class Channel(Struct):
    """One channel's counters. Segments show two of them, databases and resources all ten."""

    channel: str
    status: dict[str, int]


class SegmentEntry(Struct):
    """One element of a segment task's result."""

    channels: list[Channel]
    in_progress: bool
    list_id: int
    refresh_task_id: str
    resource_id: int
    updated: str


class DatabaseEntry(Struct):
    """One element of a database task's result."""

    channels: list[Channel]
    in_progress: bool
    last_count_time: str
    refresh_task_id: str
    resource_id: int
    total_count: int
    updated: str


class ResourceEntry(Struct):
    """One element of a resource task's result: the fields of a database's, and the database's id."""

    channels: list[Channel]
    in_progress: bool
    last_count_time: str
    list_id: int
    refresh_task_id: str
    resource_id: int
    total_count: int
    updated: str


Entry = SegmentEntry | DatabaseEntry | ResourceEntry
ENTRIES: Final[dict[str, type[Entry]]] = {
    "segment": SegmentEntry,
    "database": DatabaseEntry,
    "resource": ResourceEntry,
}


def channels_of(target: Target, tally: Tally) -> list[Channel]:
    """The counters that a target of this kind shows, channel by channel."""
    names = SEGMENT_COUNTERS if target.kind == "segment" else COUNTERS
    return [Channel(channel, {name: counters[name] for name in names}) for channel, counters in tally.channels.items()]


def entry_of(target: Target, tally: Tally, counted: datetime, nanoseconds: int) -> Entry:
    """The statistics of a target that was counted at `counted`, in so many nanoseconds."""
    channels = channels_of(target, tally)
    updated = timestamps.milliseconds(counted)
    if target.kind == "segment":
        return SegmentEntry(channels, False, target.list_id, "", target.resource_id, updated)
    counted_in = f"counted at {timestamps.seconds(counted)} in {timestamps.go_duration(nanoseconds)}"
    if target.kind == "database":
        return DatabaseEntry(channels, False, counted_in, "", target.resource_id, tally.total, updated)
    return ResourceEntry(channels, False, counted_in, target.list_id, "", target.resource_id, tally.total, updated)


def read_entry(kind: str, text: str) -> Entry:
    """An element of a result, out of the JSON in which it is stored."""
    return msgspec.json.decode(text, type=ENTRIES[kind])


def read_result(kind: str, text: str) -> object:
    """A result, out of the JSON in which it is stored. That of a failed task is a text; a taught method has any."""
    if kind not in ENTRIES:
        return msgspec.json.decode(text)
    parts = msgspec.json.decode(text, type=list[msgspec.Raw] | str)
    if isinstance(parts, str):
        return parts
    return [msgspec.json.decode(part, type=ENTRIES[kind]) for part in parts]
