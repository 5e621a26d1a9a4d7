"""Strategies for values of every type in the schema, for the property tests of both codecs."""

from __future__ import annotations

import re
from datetime import timezone

import pytest
from hypothesis import strategies as st

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

# What both formats can express. XML has no control characters, can't tell "" from null where both are allowed, and
# strips words.
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=6)
words = texts.map(lambda text: text.strip(" ")).filter(bool)
numbers = st.integers(-(2**63), 2**63 - 1)
maybe_numbers = st.none() | numbers
moments = st.datetimes(timezones=st.just(timezone.utc))
names = st.text("abcXYZ_09.-", max_size=6).map("n{}".format)

channels = st.builds(ChannelStatistics, words, st.dictionaries(names, maybe_numbers, max_size=2))
shared = {
    "channels": st.lists(channels, max_size=2),
    "in_progress": st.none() | st.booleans(),
    "refresh_task_id": st.none() | words,
    "resource_id": maybe_numbers,
    "updated": st.none() | moments,
}
counted = {"last_count_time": st.none() | words, "total_count": maybe_numbers}
credentials = {"token": st.none() | words, "format": st.none() | st.sampled_from(["json", "xml"])}
feedback = st.builds(Feedback, words, st.sampled_from(["JSON", "XML"]) | words)
progress = st.none() | st.integers(0, 100) | st.floats(0, 100, allow_nan=False)

segment_statistics = st.builds(SegmentStatistics, **shared, list_id=maybe_numbers)
database_statistics = st.builds(DatabaseStatistics, **shared, **counted)
resource_statistics = st.builds(ResourceStatistics, **shared, **counted, list_id=maybe_numbers)


def envelopes(data: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Envelopes around such data. The text is never None, which XML can't tell from an empty one."""
    return st.builds(Envelope, data=data, error=numbers, error_text=texts)


def several(items: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Up to two of them, but not a single one without any field set: in XML that looks like an empty array."""
    return st.lists(items, max_size=2).filter(lambda drawn: len(drawn) != 1 or drawn[0] != type(drawn[0])())


def states(result: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Replies of tasks/status with such a result."""
    return st.builds(TaskStatus, words, progress, result)


def _name(type_: type) -> str:
    return re.sub(r"[a-z.]+\.", "", str(type_)) if hasattr(type_, "__args__") else type_.__name__


BY_TYPE: dict[type, st.SearchStrategy[object]] = {
    SegmentsRefreshCounters: st.builds(
        SegmentsRefreshCounters, numbers, numbers, maybe_numbers, maybe_numbers, **credentials
    ),
    DatabasesRefreshCounters: st.builds(
        DatabasesRefreshCounters, numbers, numbers, st.none() | feedback, **credentials
    ),
    ResourcesRefreshCounters: st.builds(
        ResourcesRefreshCounters, numbers, maybe_numbers, st.none() | feedback, **credentials
    ),
    SegmentsGetCounters: st.builds(SegmentsGetCounters, numbers, numbers, maybe_numbers, maybe_numbers, **credentials),
    DatabasesGetCounters: st.builds(DatabasesGetCounters, numbers, numbers, **credentials),
    TaskStatusRequest: st.builds(TaskStatusRequest, words, **credentials),
    Feedback: feedback,
    ChannelStatistics: channels,
    SegmentStatistics: segment_statistics,
    DatabaseStatistics: database_statistics,
    ResourceStatistics: resource_statistics,
    ErrorEnvelope: st.builds(ErrorEnvelope, error=numbers, error_text=texts),
    Envelope[TaskStarted]: envelopes(st.builds(TaskStarted, words)),
    Envelope[list[ChannelStatistics]]: envelopes(st.lists(channels, max_size=2)),
    Envelope[TaskStatus[list[SegmentStatistics]]]: envelopes(states(several(segment_statistics))),
    Envelope[TaskStatus[list[DatabaseStatistics]]]: envelopes(states(several(database_statistics))),
    Envelope[TaskStatus[list[ResourceStatistics]]]: envelopes(states(several(resource_statistics))),
}

ROUND_TRIPS = pytest.mark.parametrize(
    ("type_", "values"), [pytest.param(type_, values, id=_name(type_)) for type_, values in BY_TYPE.items()]
)
