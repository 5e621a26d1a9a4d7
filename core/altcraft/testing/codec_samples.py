"""The samples of the codec contract: every request, reply and result, and the structs of a user's own operation."""

from __future__ import annotations

import enum
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import NamedTuple, TypeVar
from uuid import UUID

import msgspec
from msgspec import Struct

from altcraft.schema import (
    ChannelStatistics,
    DatabasesGetCounters,
    DatabasesRefreshCounters,
    DatabaseStatistics,
    Envelope,
    ErrorEnvelope,
    Feedback,
    ResourcesRefreshCounters,
    ResourceStatistics,
    SegmentsGetCounters,
    SegmentsRefreshCounters,
    SegmentStatistics,
    TaskStarted,
    TaskStatus,
    TaskStatusRequest,
)

__all__ = ["REPLIES", "REQUESTS", "SAMPLES", "Sample"]

T = TypeVar("T")

_MOMENT = datetime(2024, 4, 17, 21, 36, 1, 449_000, tzinfo=timezone.utc)


class _Colour(enum.Enum):
    RED = "red"
    DEEP_BLUE = "deep blue"


class _Line(Struct):
    article: str
    pieces: int
    price: Decimal
    colours: list[_Colour] = []


class _Order(Struct, kw_only=True):
    """A struct as users declare it for an operation of their own."""

    id: UUID
    placed: datetime
    due: date
    paid: bool
    rebate: float
    lines: list[_Line]
    notes: dict[str, str] = {}
    totals: dict[str, int | None] = {}
    parent: _Order | None = None
    alias: str = msgspec.field(name="also-known.as", default="")


class Sample(NamedTuple):
    """A value, and the type that it is read as."""

    value: object
    type: type[object]


_CHANNELS = [
    ChannelStatistics("email", {"all": 1336, "subscribed": 925, "hardbounced": 411, "never_heard_of": 0}),
    ChannelStatistics("push", {"subscribed": None}),
    ChannelStatistics("“ж” & <💌>", {}),
]
_SEGMENT = SegmentStatistics(channels=_CHANNELS, in_progress=False, refresh_task_id="", resource_id=27, updated=_MOMENT)
_DATABASE = DatabaseStatistics(
    channels=_CHANNELS[:1], last_count_time="counted at …", total_count=2**53, updated=_MOMENT
)
_ORDER = _Order(
    id=UUID("930bfdb0-a5a8-4207-a77d-6b989bdea326"),
    placed=_MOMENT.replace(microsecond=123_457),
    due=date(2024, 2, 29),
    paid=True,
    rebate=-0.1,
    lines=[_Line("a]]>b\n\t&amp;", 2, Decimal("19.90"), list(_Colour)), _Line("", -(2**53), Decimal("1E+3"))],
    notes={"greeting": " two  spaces ", "empty": ""},
    totals={"all": 0, "none": None},
)


def _reply(data: T) -> Envelope[T]:
    return Envelope(data=data, error=0, error_text="Successful operation")


REQUESTS: tuple[Sample, ...] = (
    Sample(SegmentsRefreshCounters(7, 24, db_id=1, format="json"), SegmentsRefreshCounters),
    Sample(DatabasesRefreshCounters(5, 24, Feedback("https://x.example/?a=1&b=2")), DatabasesRefreshCounters),
    Sample(ResourcesRefreshCounters(24), ResourcesRefreshCounters),
    Sample(SegmentsGetCounters(7, 24, list_id=1), SegmentsGetCounters),
    Sample(DatabasesGetCounters(5, 24, format="xml"), DatabasesGetCounters),
    Sample(TaskStatusRequest("930bfdb0"), TaskStatusRequest),
)
REPLIES: tuple[Sample, ...] = (
    Sample(Envelope(data=TaskStarted("task_1"), error=0, error_text=""), Envelope[TaskStarted]),
    Sample(Envelope(error=401, error_text="API token required"), Envelope[TaskStarted]),
    Sample(ErrorEnvelope(error=-440, error_text="…"), ErrorEnvelope),
    Sample(_reply(TaskStatus("in progress", 12.5)), Envelope[TaskStatus[list[SegmentStatistics]]]),
    Sample(
        _reply(TaskStatus("completed", 100, [_SEGMENT, SegmentStatistics()])),
        Envelope[TaskStatus[list[SegmentStatistics]]],
    ),
    Sample(
        _reply(TaskStatus("completed", 100, [_DATABASE])),
        Envelope[TaskStatus[list[DatabaseStatistics]]],
    ),
    Sample(
        _reply(TaskStatus("success", 100, [ResourceStatistics(list_id=1)] * 40)),
        Envelope[TaskStatus[list[ResourceStatistics]]],
    ),
    Sample(_reply(_CHANNELS), Envelope[list[ChannelStatistics]]),
    Sample(_reply(TaskStatus("completed", 100, _ORDER)), Envelope[TaskStatus[_Order]]),
    Sample(msgspec.structs.replace(_ORDER, parent=msgspec.structs.replace(_ORDER, lines=[])), _Order),
)
SAMPLES = REQUESTS + REPLIES
