"""Subscription statistics, as tasks and get_counters deliver them.

What the platform did not send is None, not zero; `channels` is an empty list then. Fields come in any order, and
unknown fields are passed over. Pages: "Update statistics on segment", "Update statistics on database" (v72);
docs/reference/schema.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, ClassVar, NoReturn, overload

from msgspec import Meta, Struct, field

from altcraft.schema.counted import parse_counted
from altcraft.schema.fields import LENIENT, Flag, Moment, Whole, Word
from altcraft.schema.html import statistics_table

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "ChannelStatistics",
    "Counters",
    "DatabaseStatistics",
    "ResourceStatistics",
    "SegmentStatistics",
    "Statistics",
]


class _Documented:
    """A documented counter as an attribute of `Counters`: None where the platform sent no integer under its name."""

    def __init__(self, meaning: str) -> None:
        self.__doc__ = meaning

    def __set_name__(self, owner: type[Counters], name: str) -> None:
        self._name = name

    @overload
    def __get__(self, counters: None, owner: type[Counters]) -> Self: ...

    @overload
    def __get__(self, counters: Counters, owner: type[Counters]) -> int | None: ...

    def __get__(self, counters: Counters | None, owner: type[Counters]) -> Self | int | None:
        if counters is None:
            return self
        count = counters.get(self._name)
        return count if type(count) is int else None


class Counters(dict[str, object]):
    """A channel's counters by name. The ten documented ones are attributes, too: an int, or None.

    `counters["name"]` and iteration reach everything that the platform sent, such as a counter without documentation.
    Such a value is an int where the platform sent one; it may be a fraction, a text or anything else. Read-only.
    """

    __slots__ = ()

    all = _Documented("Profiles in the database.")
    subscribed = _Documented("The platform may send messages to them.")
    unsubscribed = _Documented("They asked for no more messages.")
    complained = _Documented("They reported a message as spam.")
    hardbounced = _Documented("The address does not exist.")
    unconfirmed = _Documented("The confirmation of a double opt-in is pending.")
    suspended = _Documented("Paused for a while.")
    invalid = _Documented("No message can be sent to them, for another reason.")
    subscribed_sendable = _Documented("Of the subscribed, those that a message reaches now.")
    unconfirmed_sendable = _Documented("Of the unconfirmed, those that a message reaches now.")

    documented: ClassVar[tuple[str, ...]] = tuple(
        name for name, value in list(vars().items()) if isinstance(value, _Documented)
    )
    """The names of the documented counters, in the order of the documentation."""

    def __init__(self, counts: Mapping[str, object]) -> None:
        super().__init__((name, count) for name, count in counts.items() if count is not None)

    def __repr__(self) -> str:
        return f"Counters({super().__repr__()})"

    def __reduce__(self) -> tuple[type[Counters], tuple[dict[str, object]]]:
        return Counters, (dict(self),)

    def _refuse(self, *arguments: object, **items: object) -> NoReturn:
        raise TypeError("counters are read-only: change a copy, dict(counters)")

    # Each takes any arguments, to refuse them with one sentence.
    __setitem__ = __delitem__ = __ior__ = update = setdefault = _refuse  # pyright: ignore[reportAssignmentType]
    pop = popitem = clear = _refuse


class ChannelStatistics(Struct, frozen=True, omit_defaults=True):
    """One channel's counters. Channels are an open set: email, sms, push, viber, whatsapp, telegram_bot and more.

    `status` has them all. `counters` holds the integers among them, and a None for each null; `others` holds what the
    platform sent in place of an integer.
    """

    channel: Word
    counters: Annotated[dict[str, int | None], Meta(extra={LENIENT: "counters"})] = field(
        name="status", default_factory=dict
    )
    others: Annotated[dict[str, object], Meta(extra={LENIENT: "counters"})] = {}

    @property
    def status(self) -> Counters:
        """The counters, by attribute and by name."""
        return Counters({**self.counters, **self.others} if self.others else self.counters)

    def _repr_html_(self) -> str:
        """A table with a single row, for a notebook."""
        return statistics_table("", [], [(self.channel, self.status)], Counters.documented)


class Statistics(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the refreshed statistics share.

    `channels` has one entry a channel. `updated` is the time of the count. `in_progress` says that another count runs;
    `refresh_task_id` is its task, "" for none.
    """

    channels: list[ChannelStatistics] = []
    in_progress: Flag | None = None
    refresh_task_id: Word | None = None
    resource_id: Whole | None = None
    updated: Moment | None = None

    def _repr_html_(self) -> str:
        """A table with a row a channel, for a notebook."""
        place = {"database": getattr(self, "list_id", None), "resource": self.resource_id}
        title = [type(self).__name__.removesuffix("Statistics")]
        title += [f"{kind} {id_}" for kind, id_ in place.items() if id_ is not None]
        total = getattr(self, "total_count", None)
        updated = "" if self.updated is None else self.updated.isoformat(" ", "seconds").replace("+00:00", " UTC")
        notes = [f"updated {updated}"] if updated else []
        notes += [] if total is None else [f"{total} profiles"]
        counted = getattr(self, "last_count_time", None)
        notes += [counted] if counted else []
        notes += ["another count is under way"] if self.in_progress else []
        channels = [(channel.channel, channel.status) for channel in self.channels]
        return statistics_table(", ".join(title), notes, channels, Counters.documented, total)


class SegmentStatistics(Statistics, frozen=True, kw_only=True):
    """Result of segments/refresh_counters, one entry a database (`list_id`)."""

    list_id: Whole | None = None


class _Counted(Statistics, frozen=True, kw_only=True):
    last_count_time: Word | None = None
    total_count: Whole | None = None

    @property
    def counted_at(self) -> datetime | None:
        """The time of the count, out of `last_count_time`; None where that has another form."""
        counted = parse_counted(self.last_count_time)
        return counted[0] if counted else None

    @property
    def count_duration(self) -> timedelta | None:
        """How long the count took, out of `last_count_time`, to the microsecond; None where that has another form."""
        counted = parse_counted(self.last_count_time)
        return counted[1] if counted else None


class DatabaseStatistics(_Counted, frozen=True, kw_only=True):
    """Result of databases/refresh_counters. `total_count` is the number of profiles in the database."""


class ResourceStatistics(_Counted, frozen=True, kw_only=True):
    """Result of resources/refresh_counters. No page shows it: it has every field of the family, and requires none."""

    list_id: Whole | None = None
