"""The wire's structs: requests, the envelope around every reply, statistics."""

from altcraft.schema.envelope import Envelope, ErrorEnvelope, Reply, TaskStarted, TaskStatus
from altcraft.schema.requests import (
    DatabasesGetCounters,
    DatabasesRefreshCounters,
    Feedback,
    PlainRequest,
    Request,
    ResourcesRefreshCounters,
    SegmentsGetCounters,
    SegmentsRefreshCounters,
    TaskRequest,
    TaskStatusRequest,
)
from altcraft.schema.statistics import (
    ChannelStatistics,
    Counters,
    DatabaseStatistics,
    ResourceStatistics,
    SegmentStatistics,
    Statistics,
)

__all__ = [
    "ChannelStatistics",
    "Counters",
    "DatabaseStatistics",
    "DatabasesGetCounters",
    "DatabasesRefreshCounters",
    "Envelope",
    "ErrorEnvelope",
    "Feedback",
    "PlainRequest",
    "Reply",
    "Request",
    "ResourceStatistics",
    "ResourcesRefreshCounters",
    "SegmentStatistics",
    "SegmentsGetCounters",
    "SegmentsRefreshCounters",
    "Statistics",
    "TaskRequest",
    "TaskStarted",
    "TaskStatus",
    "TaskStatusRequest",
]
