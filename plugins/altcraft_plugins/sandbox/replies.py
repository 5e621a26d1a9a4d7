"""What the sandbox writes: envelopes and statistics, fields in the order of the examples."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct

from altcraft_plugins.sandbox import clockwork
from altcraft_plugins.sandbox.counting import COUNTERS, Tally
from altcraft_plugins.sandbox.targets import Target

__all__ = [
    "Channel",
    "DatabaseEntry",
    "Entry",
    "Failure",
    "Feedback",
    "ResourceEntry",
    "SegmentEntry",
    "Started",
    "StartedReply",
    "StatisticsReply",
    "StatusReply",
    "TaskState",
    "channels_of",
    "entry",
    "read_entries",
    "read_entry",
]

SUCCESS: Final = "Successful operation"
SEGMENT_COUNTERS: Final = ("subscribed_sendable", "unconfirmed_sendable")


class Feedback(Struct, frozen=True):
    """Where a finished task's statistics are to be sent. Kept with the task."""

    type: str
    url: str


class Channel(Struct):
    """One channel's counters; segments show two of them, databases and resources ten."""

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
    """One element of a resource task's result: a database's, and which database it is."""

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


class Started(Struct):
    """`data` of a started task."""

    task_id: str


class TaskState(Struct):
    """`data` of tasks/status. `result` is null until the task has completed."""

    status: str
    progress: int
    result: list[Entry] | None


class StartedReply(Struct):
    """The reply that names a task."""

    data: Started
    error: int = 0
    error_text: str = SUCCESS


class StatusReply(Struct):
    """The reply of tasks/status."""

    data: TaskState
    error: int = 0
    error_text: str = SUCCESS


class StatisticsReply(Struct):
    """The reply of get_counters."""

    data: list[Channel]
    error: int = 0
    error_text: str = SUCCESS


class Failure(Struct):
    """The error envelope: no `data`."""

    error: int
    error_text: str


def channels_of(target: Target, tally: Tally) -> list[Channel]:
    """The counters that the target's kind shows, channel by channel."""
    names = SEGMENT_COUNTERS if target.kind == "segment" else COUNTERS
    return [Channel(channel, {name: counters[name] for name in names}) for channel, counters in tally.channels.items()]


def entry(target: Target, tally: Tally, counted: datetime, spent: int) -> Entry:
    """The statistics of a counted target. `spent` is how long counting took, in nanoseconds."""
    channels = channels_of(target, tally)
    updated = clockwork.milliseconds(counted)
    if target.kind == "segment":
        return SegmentEntry(channels, False, target.list_id, "", target.resource_id, updated)
    counted_in = f"counted at {clockwork.seconds(counted)} in {clockwork.go_duration(spent)}"
    if target.kind == "database":
        return DatabaseEntry(channels, False, counted_in, "", target.resource_id, tally.total, updated)
    return ResourceEntry(channels, False, counted_in, target.list_id, "", target.resource_id, tally.total, updated)


def read_entry(kind: str, text: str) -> Entry:
    """A kept element of a result, out of its JSON."""
    return msgspec.json.decode(text, type=ENTRIES[kind])


def read_entries(kind: str, text: str) -> list[Entry]:
    """A kept result, out of its JSON."""
    parts = msgspec.json.decode(text, type=list[msgspec.Raw])
    return [msgspec.json.decode(part, type=ENTRIES[kind]) for part in parts]
