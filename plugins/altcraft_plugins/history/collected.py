"""Counts out of JSON lines, as the command line prints them with `--json`. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from altcraft import ChannelStatistics, DatabaseStatistics, ResourceStatistics, SegmentStatistics
from altcraft.schema import (
    DatabasesGetCounters,
    DatabasesRefreshCounters,
    Request,
    ResourcesRefreshCounters,
    SegmentsGetCounters,
    SegmentsRefreshCounters,
)

__all__ = ["Collected", "Imported", "collected"]


class Imported(Struct, frozen=True):
    """What became of imported lines.

    `counts` are new and `known` lines were recorded before. `passed_over` lines are no results. `broken` has the number
    of each line that can't be read, and why.
    """

    counts: int
    known: int
    passed_over: int
    broken: list[tuple[int, str]]


class Collected(Struct, frozen=True):
    """The result in one line. `id` is the task's, None for counters that were read."""

    id: str | None
    operation: str
    request: Request[Any]
    result: object
    name: str | None
    read_at: datetime | None
    note: str = ""


class _Line(Struct, frozen=True):
    operation: str
    request: dict[str, object]
    result: list[object]
    task_id: str | None = None
    name: str | None = None
    read_at: datetime | None = None


_OPERATIONS: Final[Mapping[str, tuple[type[Request[Any]], type]]] = {
    "segments/refresh_counters": (SegmentsRefreshCounters, list[SegmentStatistics]),
    "databases/refresh_counters": (DatabasesRefreshCounters, list[DatabaseStatistics]),
    "resources/refresh_counters": (ResourcesRefreshCounters, list[ResourceStatistics]),
    "segments/get_counters": (SegmentsGetCounters, list[ChannelStatistics]),
    "databases/get_counters": (DatabasesGetCounters, list[ChannelStatistics]),
}


def collected(line: str) -> Collected | None:
    """The result in a line; None for an empty line, or one about something else. ValueError for one that is broken."""
    line = line.strip().lstrip("\ufeff")  # a mark of the encoding may begin the file
    if not line:
        return None
    try:
        value: object = json.loads(line)
    except ValueError as error:
        raise ValueError(f"it is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError("it is no object")
    if value.get("event") != "result":
        return None
    if value.get("operation") == "tasks/status":
        raise ValueError("it does not say what was counted: its command knew the id of the task alone")
    if value.get("operation") not in _OPERATIONS:
        return None
    try:
        told = msgspec.convert(value, _Line)
        kind, result = _OPERATIONS[told.operation]
        request = msgspec.convert(told.request, kind)
        found: object = msgspec.convert(told.result, result)
    except msgspec.ValidationError as error:
        raise ValueError(f"it is no result of {value['operation']}: {error}") from None
    return Collected(told.task_id, told.operation, request, found, told.name, told.read_at)
