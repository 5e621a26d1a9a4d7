"""What a history tells, as values."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

__all__ = ["Failure", "Item", "Row"]


class Row(Struct, frozen=True, kw_only=True):
    """One channel of one count.

    `name` is what the caller calls that which was counted, `at` the aware time of the count, in UTC. `counters` has
    every counter that the platform sent. The ids are None where neither the request nor the reply names them.

    `took` is the seconds from the submission to the outcome, as this side saw it; `count_seconds` is how long the
    platform says that it has counted. `total_count` is the number of profiles in the database. `host` is that of the
    installation, "" where it is not known.
    """

    name: str
    at: datetime
    channel: str
    counters: dict[str, object]
    segment_id: int | None = None
    database_id: int | None = None
    list_id: int | None = None
    resource_id: int | None = None
    took: float | None = None
    count_seconds: float | None = None
    total_count: int | None = None
    operation: str = ""
    host: str = ""
    task_id: str | None = None


class Item(Struct, frozen=True):
    """One name that the history knows: how many counts it has, and the times of the first and the last."""

    name: str
    counts: int
    first: datetime
    last: datetime


class Failure(Struct, frozen=True, kw_only=True):
    """A count that failed. `error` is the exception's class, `message` its text, `at` an aware time in UTC."""

    name: str
    at: datetime
    error: str
    message: str
    operation: str = ""
    host: str = ""
    task_id: str | None = None
