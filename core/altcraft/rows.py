"""Statistics as flat rows, one a channel: for csv.DictWriter, pandas and polars. Pure.

Page: docs/reference/schema.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import msgspec

from altcraft.schema import (
    ChannelStatistics,
    Counters,
    DatabasesGetCounters,
    DatabasesRefreshCounters,
    Request,
    ResourcesRefreshCounters,
    SegmentsGetCounters,
    SegmentsRefreshCounters,
    Statistics,
)
from altcraft.schema.html import flat_table

__all__ = ["Requested", "rows"]

_ABOUT = ("segment_id", "database_id", "list_id", "resource_id", "updated", "channel")


class Requested(Protocol):
    """What `rows` asks of a task."""

    @property
    def request(self) -> Request[object] | None:
        """The request that started it; None where only the id is known."""
        ...


def rows(result: object, task: Requested | Request[object] | None = None) -> list[dict[str, object]]:
    """The statistics in a result, as one flat dict a channel.

    `result` is what refresh_counters or get_counters gave: statistics or channels, one or many; None has no rows.
    `task` is the task, or the request, that the result is of: only they know which segment or database was counted.

    Every row has the same keys: `segment_id`, `database_id`, `list_id`, `resource_id`, `updated`, `channel`, the ten
    documented counters, then the others that came for any channel. A value is None where neither the platform nor the
    request told it. An object or an array in place of a counter stands there as JSON.

    A notebook shows them as a table. TypeError where the result is no statistics.
    """
    request = task if isinstance(task, Request) else getattr(task, "request", None)
    told = [_row(statistics, channel, request) for statistics, channel in _channels(result)]
    names = dict.fromkeys((*_ABOUT, *Counters.documented, *(name for row in told for name in row)))
    return _Rows({name: row.get(name) for name in names} for row in told)


class _Rows(list[dict[str, object]]):
    """Rows that a notebook shows as a table."""

    def _repr_html_(self) -> str:
        return flat_table(self)


def _channels(result: object) -> Iterator[tuple[Statistics | None, ChannelStatistics]]:
    if isinstance(result, ChannelStatistics):
        yield None, result
    elif isinstance(result, Statistics):
        for channel in result.channels:
            yield result, channel
    elif isinstance(result, Iterable) and not isinstance(result, (str, bytes, dict)):
        for entry in result:
            yield from _channels(entry)
    elif result is not None:
        raise TypeError(f"rows are made of statistics, not of a {type(result).__name__}")


def _row(statistics: Statistics | None, channel: ChannelStatistics, request: object) -> dict[str, object]:
    row = _asked(request)
    for name in ("list_id", "resource_id", "updated"):
        value = getattr(statistics, name, None)
        if value is not None:
            row[name] = value
    row["channel"] = channel.channel
    for name, count in channel.status.items():
        row[f"status.{name}" if name in _ABOUT else name] = _flat(count)
    return row


def _asked(request: object) -> dict[str, object]:
    """What the request says about the place of the count. What the platform says goes before it."""
    if isinstance(request, (SegmentsRefreshCounters, SegmentsGetCounters)):
        database = request.db_id if request.list_id is None else request.list_id
        return {"segment_id": request.id, "list_id": database, "resource_id": request.resource_id}
    if isinstance(request, (DatabasesRefreshCounters, DatabasesGetCounters)):
        return {"database_id": request.id, "resource_id": request.resource_id}
    if isinstance(request, ResourcesRefreshCounters):
        return {"list_id": request.list_id, "resource_id": request.id}
    return {}


def _flat(value: object) -> object:
    return msgspec.json.encode(value).decode() if isinstance(value, (dict, list)) else value
