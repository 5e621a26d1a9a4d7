"""Requests: one struct a method, whose fields have the wire's names.

The base class tells the answer: `TaskRequest[R]` starts a task with the result `R`, `PlainRequest[R]` gets an `R` at
once. Pages: "Update statistics on segment", "Update statistics on database", "Get statistics on resource" (v72);
docs/how-to/operations.md, docs/reference/schema.md.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from altcraft.schema.statistics import (
    ChannelStatistics,
    DatabaseStatistics,
    ResourceStatistics,
    SegmentStatistics,
)
from altcraft.wire.secret import MaskedStruct
from altcraft.wire.url import shown_origin

__all__ = [
    "DatabasesGetCounters",
    "DatabasesRefreshCounters",
    "Feedback",
    "PlainRequest",
    "Request",
    "ResourcesRefreshCounters",
    "SegmentsGetCounters",
    "SegmentsRefreshCounters",
    "TaskRequest",
    "TaskStatusRequest",
]

R = TypeVar("R")


class Request(MaskedStruct, Generic[R], frozen=True, kw_only=True, omit_defaults=True):
    """Base of all requests. The client fills in both fields; callers leave them out.

    `token` is the API token where the body carries it; it shows as a mask. `format` is the format of the reply.
    """

    token: str | None = None
    format: str | None = None


class TaskRequest(Request[R], Generic[R], frozen=True):
    """A request that the platform answers with a task id. `R` is the type of the result that the task ends with."""


class PlainRequest(Request[R], Generic[R], frozen=True):
    """A request that the platform answers at once.

    `R` is the type of the reply's `data`, or a subclass of `altcraft.schema.Reply` for the whole reply.
    """


class Feedback(MaskedStruct, frozen=True):
    """Where the platform sends the statistics: documented on databases and resources, not on segments.

    The path of `url` is the only thing that keeps strangers from calling it, so it does not show. `type` is the format
    or method of sending. Payload and retries are not documented, so a delivery is only a hint.
    """

    url: str
    type: str = "JSON"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("url", f"{shown_origin(self.url)}/…"), ("type", self.type)]


class SegmentsRefreshCounters(TaskRequest[list[SegmentStatistics]], frozen=True):
    """segments/refresh_counters: recount a segment. A dynamic segment needs its database: `db_id` or `list_id`."""

    id: int
    resource_id: int
    db_id: int | None = None
    list_id: int | None = None


class DatabasesRefreshCounters(TaskRequest[list[DatabaseStatistics]], frozen=True):
    """databases/refresh_counters: recount a database."""

    id: int
    resource_id: int
    feedback: Feedback | None = None


class ResourcesRefreshCounters(TaskRequest[list[ResourceStatistics]], frozen=True):
    """resources/refresh_counters: recount a resource, in the database `list_id`. No page shows its result."""

    id: int
    list_id: int | None = None
    feedback: Feedback | None = None


class SegmentsGetCounters(PlainRequest[list[ChannelStatistics]], frozen=True):
    """segments/get_counters: the present counts of a segment. Older pages call the database `db_id`."""

    id: int
    resource_id: int
    list_id: int | None = None
    db_id: int | None = None


class DatabasesGetCounters(PlainRequest[list[ChannelStatistics]], frozen=True):
    """databases/get_counters: the present counts of a database."""

    id: int
    resource_id: int


class TaskStatusRequest(PlainRequest[object], frozen=True):
    """tasks/status: how far a task is. The request that started the task decides the type of its result."""

    task_id: str
