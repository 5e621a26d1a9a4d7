"""Statistics, as tasks and get_counters deliver them.

Everything is tolerant: fields come in any order, unknown ones are passed over, and what the platform did not send is
None, not zero. Pages: "Update statistics on segment", "Update statistics on database" (v72).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from altcraft.schema.counted import parse_counted
from altcraft.schema.fields import Word

__all__ = [
    "ChannelStatistics",
    "Counters",
    "DatabaseStatistics",
    "ResourceStatistics",
    "SegmentStatistics",
    "Statistics",
]


class Counters(Mapping[str, int]):
    """A channel's counters by name. The ten documented ones are attributes, None where the platform sent none.

    `counters["name"]` and iteration reach whatever else was sent. Read-only; equal to any mapping with the same items.
    """

    __slots__ = ("_counts",)

    def __init__(self, counts: Mapping[str, int | None]) -> None:
        self._counts = counts

    def __getitem__(self, name: str) -> int:
        count = self._counts[name]
        if count is None:
            raise KeyError(name)
        return count

    def __iter__(self) -> Iterator[str]:
        return (name for name, count in self._counts.items() if count is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"Counters({dict(self)})"

    @property
    def all(self) -> int | None:
        """Profiles in the database."""
        return self._counts.get("all")

    @property
    def subscribed(self) -> int | None:
        """May be sent to."""
        return self._counts.get("subscribed")

    @property
    def unsubscribed(self) -> int | None:
        """Asked to be left alone."""
        return self._counts.get("unsubscribed")

    @property
    def complained(self) -> int | None:
        """Reported a message as spam."""
        return self._counts.get("complained")

    @property
    def hardbounced(self) -> int | None:
        """The address does not exist."""
        return self._counts.get("hardbounced")

    @property
    def unconfirmed(self) -> int | None:
        """Double opt-in is pending."""
        return self._counts.get("unconfirmed")

    @property
    def suspended(self) -> int | None:
        """Paused for a while."""
        return self._counts.get("suspended")

    @property
    def invalid(self) -> int | None:
        """Cannot be sent to for another reason."""
        return self._counts.get("invalid")

    @property
    def subscribed_sendable(self) -> int | None:
        """Of the subscribed, reachable now."""
        return self._counts.get("subscribed_sendable")

    @property
    def unconfirmed_sendable(self) -> int | None:
        """Of the unconfirmed, reachable now."""
        return self._counts.get("unconfirmed_sendable")


class ChannelStatistics(Struct, frozen=True):
    """One channel's counters. Channels are an open set: email, sms, push, viber, whatsapp, telegram_bot and more.

    `counters` is the wire's `status` as it came; `status` is the same with the documented counters as attributes.
    """

    channel: Word
    counters: dict[str, int | None] = msgspec.field(name="status", default_factory=dict)

    @property
    def status(self) -> Counters:
        """The counters, by attribute and by name."""
        return Counters(self.counters)


class Statistics(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What all the refreshed statistics share.

    `updated` is the moment of the count. `in_progress` says that another count is under way, `refresh_task_id` which
    one ("" for none).
    """

    channels: Annotated[list[ChannelStatistics], Meta(description="one entry a channel")] = []
    in_progress: bool | None = None
    refresh_task_id: Word | None = None
    resource_id: int | None = None
    updated: Annotated[datetime, Meta(tz=True)] | None = None


class SegmentStatistics(Statistics, frozen=True, kw_only=True):
    """Result of segments/refresh_counters, one entry a database (`list_id`)."""

    list_id: int | None = None


class _Counted(Statistics, frozen=True, kw_only=True):
    last_count_time: Word | None = None
    total_count: int | None = None

    @property
    def counted_at(self) -> datetime | None:
        """When the count was made, out of `last_count_time`; None where that reads otherwise."""
        counted = parse_counted(self.last_count_time)
        return counted[0] if counted else None

    @property
    def count_duration(self) -> timedelta | None:
        """How long the count took, out of `last_count_time`, to the microsecond; None where that reads otherwise."""
        counted = parse_counted(self.last_count_time)
        return counted[1] if counted else None


class DatabaseStatistics(_Counted, frozen=True, kw_only=True):
    """Result of databases/refresh_counters. `total_count` is the number of profiles in the database."""


class ResourceStatistics(_Counted, frozen=True, kw_only=True):
    """Result of resources/refresh_counters, which no page shows: every field of the family, none required."""

    list_id: int | None = None
