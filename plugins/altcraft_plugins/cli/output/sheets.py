"""What a result says, apart from how it is shown: as tables, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import TypeAlias

import msgspec
from msgspec import Struct

from altcraft import ChannelStatistics, Counters, DatabaseStatistics, ResourceStatistics, SegmentStatistics
from altcraft.schema.shares import in_order, shares
from altcraft_plugins.cli.exit_codes import FAILED
from altcraft_plugins.cli.output.reporter import Result
from altcraft_plugins.cli.output.streams import shown_duration
from altcraft_plugins.cli.problems import Problem
from altcraft_plugins.cli.stopping import Stopped
from altcraft_plugins.cli.subjects import Subject

__all__ = ["Row", "Sheet", "as_json", "sheets"]

Statistics: TypeAlias = SegmentStatistics | DatabaseStatistics | ResourceStatistics

_KINDS: dict[type, str] = {SegmentStatistics: "Segment", DatabaseStatistics: "Database", ResourceStatistics: "Resource"}


class Row(Struct, frozen=True):
    """A channel. `share` is its part of the whole, from 0 to 1, or None where there is nothing to compare with."""

    channel: str
    counts: Mapping[str, object]
    share: float | None


class Sheet(Struct, frozen=True):
    """One table: a title, notes about the count, a row a channel.

    `counters` are those that some channel sent: the documented ones in the documentation's order, then the others in
    their own. `measure` says what the shares are: of which counter, of what.
    """

    title: str
    notes: Sequence[str]
    counters: Sequence[str]
    rows: Sequence[Row]
    measure: tuple[str, str] | None


def sheets(result: Result) -> list[Sheet] | None:
    """A result as tables, or None where it is no statistics."""
    entries = result.value
    if not isinstance(entries, list):
        return None
    if all(isinstance(entry, Statistics) for entry in entries):
        return [_refreshed(entry, result.subject) for entry in entries]
    if all(isinstance(entry, ChannelStatistics) for entry in entries):
        notes = [f"as of the last count; read {_moment(result.read_at)}"] if result.read_at else []
        return [_sheet(_title(result.subject, None), notes, entries, None)]
    return None


def as_json(result: object, about: Mapping[str, object] | None = None) -> str:
    """A result as JSON: what the platform sent, and beside `last_count_time` what that says.

    With `about`, it is the last item of that object, on one line. Stopped for a result that is nested too deeply.
    """
    try:
        plain = [_plain(entry) for entry in result] if isinstance(result, list) else _plain(result)
        return json.dumps(plain, indent=2) if about is None else json.dumps({**about, "result": plain})
    except RecursionError:
        message = "the result is nested too deeply to be shown"
        raise Stopped(Problem("RecursionError", message, FAILED)) from None


def _plain(result: object) -> object:
    built: object = msgspec.to_builtins(result, str_keys=True, enc_hook=str)
    if isinstance(result, (DatabaseStatistics, ResourceStatistics)) and result.counted_at and isinstance(built, dict):
        built["counted_at"] = msgspec.to_builtins(result.counted_at)
        assert result.count_duration is not None
        built["count_seconds"] = result.count_duration.total_seconds()
    return built


def _refreshed(entry: Statistics, subject: Subject | None) -> Sheet:
    notes: list[str] = []
    total: int | None = None
    if entry.updated is not None:
        notes.append(f"updated {_moment(entry.updated)}")
    if not isinstance(entry, SegmentStatistics):
        total = entry.total_count
        if total is not None:
            notes.append(f"{total} profile{'' if total == 1 else 's'}")
        if entry.counted_at is not None and entry.count_duration is not None:
            notes.append(
                f"counted at {_moment(entry.counted_at)} in {shown_duration(entry.count_duration.total_seconds())}"
            )
        elif entry.last_count_time:
            notes.append(f"last count: {entry.last_count_time}")
    if entry.in_progress:
        notes.append("another count is under way" + (f": {entry.refresh_task_id}" if entry.refresh_task_id else ""))
    return _sheet(_title(subject, entry), notes, entry.channels, total)


def _title(subject: Subject | None, entry: Statistics | None) -> str:
    """What was counted. The reply may name another database or resource than the request; the reply counts."""
    request = subject.parameters if subject else {}
    kind = subject.kind if subject else _KINDS.get(type(entry), "Statistics")
    database: object = None if entry is None or isinstance(entry, DatabaseStatistics) else entry.list_id
    if database is None:
        database = request.get("list_id", request.get("db_id"))
    resource: object = entry.resource_id if entry is not None else None
    if resource is None:
        resource = request.get("resource_id")
    parts = [f"{kind} {subject.id}" if subject else kind]
    if database is not None and kind != "Database":
        parts.append(f"database {database}")
    if resource is not None and not (subject and kind == "Resource" and resource == subject.id):
        parts.append(f"resource {resource}")
    return ", ".join(parts)


def _sheet(title: str, notes: list[str], channels: Sequence[ChannelStatistics], total: int | None) -> Sheet:
    counts = [channel.status for channel in channels]
    ordered = in_order(counts, Counters.documented)
    measure, parts = shares(counts, ordered, total)
    rows = [
        Row(channel.channel, counted, share) for channel, counted, share in zip(channels, counts, parts, strict=True)
    ]
    return Sheet(title, notes, ordered, rows, measure)


def _moment(moment: datetime) -> str:
    """In UTC, or in its own time zone where UTC has no such year: years end at 1 and 9999."""
    try:
        moment = moment.astimezone(timezone.utc)
    except OverflowError:
        return moment.isoformat(" ", "seconds")
    return f"{moment.replace(tzinfo=None).isoformat(' ', 'seconds')} UTC"
