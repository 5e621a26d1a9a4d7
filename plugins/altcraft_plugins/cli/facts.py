"""What a result says, apart from how it is shown: for the tables, and for the JSON lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Final

import msgspec
from msgspec import Struct

from altcraft import ChannelStatistics, DatabaseStatistics, ResourceStatistics, SegmentStatistics

__all__ = ["Asked", "Row", "Sheet", "plain", "sheets"]

DOCUMENTED: Final = (
    "all", "subscribed", "unsubscribed", "complained", "hardbounced", "unconfirmed", "suspended", "invalid",
    "subscribed_sendable", "unconfirmed_sendable",
)  # fmt: skip
"""The counters of the documentation, in its order."""

_COUNTED = (SegmentStatistics, DatabaseStatistics, ResourceStatistics)
_KINDS: dict[type, str] = {SegmentStatistics: "Segment", DatabaseStatistics: "Database", ResourceStatistics: "Resource"}


class Asked(Struct, frozen=True):
    """What a command asked for: "Segment", 7, and the parameters as the wire has them."""

    kind: str
    id: int
    request: Mapping[str, object]

    @property
    def name(self) -> str:
        """As in "segment 7"."""
        return f"{self.kind.lower()} {self.id}"


class Row(Struct, frozen=True):
    """A channel. `share` is its part of the whole, from 0 to 1, or None where there is nothing to compare with."""

    channel: str
    counts: Mapping[str, int]
    share: float | None


class Sheet(Struct, frozen=True):
    """One table: a title, what there is to know about the count, a row a channel.

    `counters` are those that some channel sent: the documented ones in the documentation's order, then the others in
    theirs. `measure` says what the shares are: of which counter, of what.
    """

    title: str
    notes: Sequence[str]
    counters: Sequence[str]
    rows: Sequence[Row]
    measure: tuple[str, str] | None


def sheets(result: object, asked: Asked | None) -> list[Sheet] | None:
    """A result as tables, or None where it is something else than statistics."""
    if not isinstance(result, list):
        return None
    if all(isinstance(entry, _COUNTED) for entry in result):
        return [_refreshed(entry, asked) for entry in result]
    if all(isinstance(entry, ChannelStatistics) for entry in result):
        return [_sheet(_title(asked, None), ["as the counters stand"], result, None)]
    return None


def plain(result: object) -> object:
    """A result as JSON takes it: what the platform sent, and beside `last_count_time` what it says."""
    if isinstance(result, list):
        return [plain(entry) for entry in result]
    built: object = msgspec.to_builtins(result, str_keys=True, enc_hook=str)
    if isinstance(result, (DatabaseStatistics, ResourceStatistics)) and result.counted_at and isinstance(built, dict):
        built["counted_at"] = msgspec.to_builtins(result.counted_at)
        assert result.count_duration is not None
        built["count_seconds"] = result.count_duration.total_seconds()
    return built


def _refreshed(entry: SegmentStatistics | DatabaseStatistics | ResourceStatistics, asked: Asked | None) -> Sheet:
    notes: list[str] = []
    total: int | None = None
    if entry.updated is not None:
        notes.append(f"updated {_moment(entry.updated)}")
    if not isinstance(entry, SegmentStatistics):
        total = entry.total_count
        if total is not None:
            notes.append(f"{total} profile{'' if total == 1 else 's'}")
        if entry.counted_at is not None and entry.count_duration is not None:
            notes.append(f"counted at {_moment(entry.counted_at)} in {_duration(entry.count_duration)}")
        elif entry.last_count_time:
            notes.append(f"last count: {entry.last_count_time}")
    if entry.in_progress:
        notes.append("another count is under way" + (f": {entry.refresh_task_id}" if entry.refresh_task_id else ""))
    return _sheet(_title(asked, entry), notes, entry.channels, total)


def _title(asked: Asked | None, entry: SegmentStatistics | DatabaseStatistics | ResourceStatistics | None) -> str:
    """Who was counted. What the platform says goes before what was asked for: the two need not agree."""
    request = asked.request if asked else {}
    kind = asked.kind if asked else _KINDS[type(entry)]
    database: object = getattr(entry, "list_id", None)
    if database is None:
        database = request.get("list_id", request.get("db_id"))
    resource: object = entry.resource_id if entry is not None else None
    if resource is None:
        resource = request.get("resource_id")
    parts = [f"{kind} {asked.id}" if asked else kind]
    if database is not None and kind != "Database":
        parts.append(f"database {database}")
    if resource is not None and not (asked and kind == "Resource" and resource == asked.id):
        parts.append(f"resource {resource}")
    return ", ".join(parts)


def _sheet(title: str, notes: list[str], channels: Sequence[ChannelStatistics], total: int | None) -> Sheet:
    counts = [dict(channel.status) for channel in channels]
    sent = list(dict.fromkeys(name for channel in counts for name in channel))
    ordered = [name for name in DOCUMENTED if name in sent] + [name for name in sent if name not in DOCUMENTED]
    measure, shares = _shares(counts, ordered, total)
    rows = [
        Row(channel.channel, counted, share) for channel, counted, share in zip(channels, counts, shares, strict=True)
    ]
    return Sheet(title, notes, ordered, rows, measure)


def _shares(
    counts: Sequence[Mapping[str, int]], sent: Sequence[str], total: int | None
) -> tuple[tuple[str, str] | None, list[float | None]]:
    """What the channels are compared by, and each one's share: of `all`, of the total, or of the largest."""
    candidates = ["subscribed", "subscribed_sendable", *(name for name in sent if name != "all")]
    name = next((name for name in candidates if name in sent), None)
    if name is None:
        return None, [None] * len(counts)
    of_all = all(channel.get("all") for channel in counts if name in channel)
    largest = max((channel[name] for channel in counts if name in channel), default=0)
    if of_all:
        measure = (name, "of all")
        wholes = [channel.get("all", 0) for channel in counts]
    elif total:
        measure = (name, f"of {total}")
        wholes = [total] * len(counts)
    else:
        measure = (name, "of the largest")
        wholes = [largest] * len(counts)
    return measure, [
        min(1.0, max(0.0, channel[name] / whole)) if name in channel and whole else None
        for channel, whole in zip(counts, wholes, strict=True)
    ]


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S} UTC"


def _duration(duration: timedelta) -> str:
    seconds = duration.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds} s"
