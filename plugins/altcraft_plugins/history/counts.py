"""A result taken apart into counts, one for each database. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, Protocol

from msgspec import Struct

from altcraft import ChannelStatistics, rows
from altcraft.schema import Request, Statistics

__all__ = ["Count", "Counted", "counts_of", "name_of", "source_of"]

_IDS: Final = {"segment_id": "segment", "database_id": "database", "list_id": "database", "resource_id": "resource"}
"""The ids in a row, and what each is the id of."""
_LATEST: Final = 253_402_300_799.0
"""The last second of the year 9999."""


class Counted(Protocol):
    """What a history asks of a task: a `Task`, an `AsyncTask` and a task in a hook have it."""

    @property
    def id(self) -> str | None:
        """The platform's id of the task; None for counters that were read without one."""
        ...

    @property
    def operation(self) -> str:
        """The path of the operation."""
        ...

    @property
    def request(self) -> Request[Any] | None:
        """The request; None where only the id is known."""
        ...

    @property
    def note(self) -> str:
        """The caller's words, which name the count."""
        ...


class Count(Struct, frozen=True):
    """One entry of a result. `at` is seconds since 1970. `source` identifies the count."""

    at: float
    ids: dict[str, object]
    channels: list[tuple[str, dict[str, object]]]
    count_seconds: float | None
    total_count: int | None
    source: str


def counts_of(
    result: object, request: Request[Any] | None, *, name: str, task_id: str | None, operation: str, ended_at: float
) -> list[Count]:
    """The counts of a result. One that has no time of its own was made at `ended_at`. TypeError for no statistics."""
    counts: list[Count] = []
    for place, entry in enumerate(_entries(result)):
        statistics, channels = (None, entry) if isinstance(entry, list) else (entry, entry.channels)
        ids = _ids(statistics, request)
        counted_at: datetime | None = getattr(statistics, "counted_at", None)
        duration = getattr(statistics, "count_duration", None)
        own = _seconds(None if statistics is None else statistics.updated) or _seconds(counted_at)
        at = ended_at if own is None else own
        counts.append(
            Count(
                at=at,
                ids=ids,
                channels=[(channel.channel, dict(channel.status)) for channel in channels],
                count_seconds=None if duration is None else duration.total_seconds(),
                total_count=getattr(statistics, "total_count", None),
                source=source_of(*((task_id, place, own) if task_id else (_what(ids, name), operation, place, at))),
            )
        )
    return counts


def name_of(request: Request[Any] | None, operation: str) -> str:
    """The name of a count that the caller has not named, as in "segment 7, database 1, resource 24"."""
    ids = _ids(None, request)
    return ", ".join(f"{kind} {ids[key]}" for key, kind in _IDS.items() if ids[key] is not None) or operation


def source_of(*parts: object) -> str:
    """A short text that is the same for the same parts."""
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()


def _entries(result: object) -> Iterator[list[ChannelStatistics] | Statistics]:
    """The statistics in a result. Channels alone, as get_counters gives them, are one entry."""
    if isinstance(result, Statistics):
        yield result
    elif isinstance(result, Iterable) and not isinstance(result, (str, bytes, Mapping)):
        listed: list[object] = list(result)
        channels = [entry for entry in listed if isinstance(entry, ChannelStatistics)]
        if channels and len(channels) == len(listed):
            yield channels
        else:
            for entry in listed:
                yield from _entries(entry)
    elif result is not None:
        raise TypeError(f"a history is made of statistics, not of a {type(result).__name__}")


def _ids(statistics: Statistics | None, request: Request[Any] | None) -> dict[str, object]:
    """The ids of a row. What the platform says goes before what the request says."""
    (row,) = rows(ChannelStatistics(""), request)
    told = {name: getattr(statistics, name, None) for name in _IDS}
    return {name: row[name] if told[name] is None else told[name] for name in _IDS}


def _what(ids: dict[str, object], name: str) -> object:
    """What tells counts apart that were made without a task at one time: the ids or, without any, the name."""
    return ids if any(id is not None for id in ids.values()) else name


def _seconds(moment: datetime | None) -> float | None:
    """Seconds since 1970; None for a time that no count can have, such as the zero time of Go's, in the year 1."""
    seconds = None if moment is None else moment.timestamp()
    return seconds if seconds is not None and 0 < seconds < _LATEST else None
