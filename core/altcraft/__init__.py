"""Recount the Altcraft marketing platform's subscription statistics, follow the task, read the numbers: typed, checked.

    from altcraft import Client

    with Client("https://your.host", token="…") as client:
        task = client.segments.refresh_counters(7, resource_id=24, db_id=1)
        for statistics in task.result(timeout=600):
            print(statistics.updated, statistics.channels)

An independent library: Altcraft, LLC has no part in it.
"""

from altcraft.async_client import AsyncClient
from altcraft.client import Client
from altcraft.engine.followed import OnProgress
from altcraft.engine.group import Waited
from altcraft.errors import (
    AltcraftError,
    AltcraftWarning,
    ApiError,
    BadRequest,
    BadResumeToken,
    ClientClosed,
    ConnectError,
    ConnectionLost,
    DecodeError,
    EncodeError,
    Forbidden,
    InsecureTransportWarning,
    LimitReached,
    MissingExtra,
    NotFound,
    OutOfThreads,
    RateLimited,
    RequestTimeout,
    ResponseTooLarge,
    SubmissionsFailed,
    TaskFailed,
    TaskStalled,
    TransportError,
    Unauthorized,
    UnmarkedHookWarning,
    UnsafeXml,
    UsedAfterFork,
    WaitTimeout,
)
from altcraft.hooks import ObservedExchange, ObservedWait, Plugin, Submission, TaskHandle, hookimpl
from altcraft.operations import Operation
from altcraft.per_loop import PerLoop
from altcraft.rows import rows
from altcraft.schema import (
    ChannelStatistics,
    Counters,
    DatabaseStatistics,
    Feedback,
    PlainRequest,
    Reply,
    ResourceStatistics,
    SegmentStatistics,
    TaskRequest,
    TaskStatus,
)
from altcraft.task import AsyncTask, Step, Task
from altcraft.tasks.budget import RetryBudget
from altcraft.tasks.polling import History, Polling
from altcraft.tasks.retry import Retry
from altcraft.wire.messages import Delivery, HttpRequest, HttpResponse
from altcraft.wire.secret import Auth
from altcraft.wire.transport import AsyncTransport, Transport, TransportSettings

__version__ = "0.2.0"

__all__ = [
    "AltcraftError",
    "AltcraftWarning",
    "ApiError",
    "AsyncClient",
    "AsyncTask",
    "AsyncTransport",
    "Auth",
    "BadRequest",
    "BadResumeToken",
    "ChannelStatistics",
    "Client",
    "ClientClosed",
    "ConnectError",
    "ConnectionLost",
    "Counters",
    "DatabaseStatistics",
    "DecodeError",
    "Delivery",
    "EncodeError",
    "Feedback",
    "Forbidden",
    "History",
    "HttpRequest",
    "HttpResponse",
    "InsecureTransportWarning",
    "LimitReached",
    "MissingExtra",
    "NotFound",
    "ObservedExchange",
    "ObservedWait",
    "OnProgress",
    "Operation",
    "OutOfThreads",
    "PerLoop",
    "PlainRequest",
    "Plugin",
    "Polling",
    "RateLimited",
    "Reply",
    "RequestTimeout",
    "ResourceStatistics",
    "ResponseTooLarge",
    "Retry",
    "RetryBudget",
    "SegmentStatistics",
    "Step",
    "Submission",
    "SubmissionsFailed",
    "Task",
    "TaskFailed",
    "TaskHandle",
    "TaskRequest",
    "TaskStalled",
    "TaskStatus",
    "Transport",
    "TransportError",
    "TransportSettings",
    "Unauthorized",
    "UnmarkedHookWarning",
    "UnsafeXml",
    "UsedAfterFork",
    "WaitTimeout",
    "Waited",
    "hookimpl",
    "rows",
]
