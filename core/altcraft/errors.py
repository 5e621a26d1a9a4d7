"""Every error the library raises, in one tree under `AltcraftError`.

Errors say the operation, the host and the task id where there is one. They never hold a token: texts that come
from the other side are scrubbed before they get here (see `altcraft.exchange`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:  # for the annotations alone: this floor stands below the schema
    from collections.abc import Mapping

    from altcraft.schema import TaskStatus

TaskT = TypeVar("TaskT")

__all__ = [
    "AltcraftError",
    "ApiError",
    "BadRequest",
    "ClientClosed",
    "ConnectError",
    "ConnectionLost",
    "DecodeError",
    "EncodeError",
    "Forbidden",
    "LimitReached",
    "MissingExtra",
    "NotFound",
    "RateLimited",
    "RequestTimeout",
    "ResponseTooLarge",
    "SubmissionsFailed",
    "TaskFailed",
    "TaskStalled",
    "TransportError",
    "Unauthorized",
    "UnsafeXml",
    "WaitTimeout",
    "api_error",
    "at_progress",
]


class AltcraftError(Exception):
    """The root: catch it to catch everything that the library raises on purpose.

    `operation` is the method's path ("segments/refresh_counters"), `host` the installation's host name and port,
    `task_id` the task's id; each is None where it is not known.
    """

    operation: str | None = None
    host: str | None = None
    task_id: str | None = None

    def message(self) -> str:
        """What happened, without the place where it did."""
        return str(self.args[0]) if self.args else ""

    def locate(self, operation: str | None = None, host: str | None = None, task_id: str | None = None) -> None:
        """Fills in the place of the error; what an inner layer knew already is kept."""
        self.operation = self.operation or operation
        self.host = self.host or host
        self.task_id = self.task_id or task_id

    def __str__(self) -> str:
        place = self.operation or ""
        if self.host:
            place += f" at {self.host}" if place else self.host
        if self.task_id:
            place += f", task {self.task_id}" if place else f"task {self.task_id}"
        return f"{place}: {self.message()}" if place else self.message()


class ApiError(AltcraftError):
    """The platform, or a proxy in front of it, refused.

    `code` is the envelope's own code (an open set), or the HTTP status where the reply carried no envelope;
    `http_status` is the status of the HTTP reply, so both survive when they differ. `retry_after` is what a
    Retry-After header asks for, in seconds, or None.
    """

    def __init__(self, code: int, text: str = "", http_status: int = 200, retry_after: float | None = None) -> None:
        super().__init__(code, text, http_status, retry_after)
        self.code = code
        self.text = text
        self.http_status = http_status
        self.retry_after = retry_after

    def message(self) -> str:
        http = f" (HTTP {self.http_status})" if self.http_status not in (200, self.code) else ""
        wait = f"; retry after {self.retry_after:g} s" if self.retry_after is not None else ""
        return f"error {self.code}{http}: {self.text or 'no text given'}{wait}"


class BadRequest(ApiError):
    """400: the request was not understood; its text says which parameter."""


class Unauthorized(ApiError):
    """401: the token is missing or wrong."""


class LimitReached(ApiError):
    """402: the tariff's limit is reached."""


class Forbidden(ApiError):
    """403: the token may not do this."""


class NotFound(ApiError):
    """404: no such database, segment, resource, task or method."""


class RateLimited(ApiError):
    """429: too many requests; `retry_after` says how many seconds to wait, where the reply said so."""


_BY_CODE: dict[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    402: LimitReached,
    403: Forbidden,
    404: NotFound,
    429: RateLimited,
}


def at_progress(progress: float | None) -> str:
    """How far a task is, for a message: whatever number the platform calls its progress."""
    if progress is None:
        return ""
    return f" at {progress:g} %" if -1e6 < progress < 1e6 else " at a progress that is no percentage"


def api_error(code: int, text: str, http_status: int, retry_after: float | None = None) -> ApiError:
    """The fitting `ApiError`: by the envelope's code, and where nobody knows that one, by the HTTP status."""
    kind = _BY_CODE.get(code) or _BY_CODE.get(http_status) or ApiError
    return kind(code, text, http_status, retry_after)


class TransportError(AltcraftError):
    """The HTTP exchange itself did not come about. Its subclasses say whether the request may have been processed."""


class ConnectError(TransportError):
    """No connection: nothing was sent, so any request may be repeated."""


class RequestTimeout(TransportError):
    """No complete reply within the exchange's time; the request may have been processed."""


class ConnectionLost(TransportError):
    """The connection broke after the request went out, or the reply was unusable; it may have been processed."""


class ResponseTooLarge(TransportError):
    """The reply is larger than the transport takes. It was not read to its end, and asking again would not help."""


class DecodeError(AltcraftError):
    """What arrived is not the format, or not the shape, it is said to be."""


class UnsafeXml(DecodeError):
    """The XML declares a document type or entities, or refers to the outside. It is refused whole."""


class EncodeError(AltcraftError, ValueError):
    """A value cannot be written in this format, such as a control character in XML."""


class MissingExtra(AltcraftError, ImportError):
    """An optional library is not installed; the message says which, and how to install it."""


class ClientClosed(AltcraftError):
    """The client was closed, before the call or while it waited. A task goes on: `resume_token` leads back to it."""

    def __init__(self, text: str = "the client is closed", resume_token: str | None = None) -> None:
        super().__init__(text, resume_token)
        self.resume_token = resume_token


class TaskFailed(AltcraftError):
    """The platform says that the task has failed; `status` is the `TaskStatus` that said so."""

    def __init__(self, status: TaskStatus[object]) -> None:
        super().__init__(status)
        self.status = status

    def message(self) -> str:
        return f"the task ended with status {self.status.status!r}{at_progress(self.status.progress)}"


class WaitTimeout(AltcraftError, TimeoutError):
    """The task was not done in time. It still runs: `resume_token` leads back to it, in any process.

    `status` is the last `TaskStatus` seen, or None when no poll was answered; the last failed exchange, if the
    last one failed, is the exception's `__cause__`.
    """

    def __init__(self, text: str, resume_token: str, status: TaskStatus[object] | None = None) -> None:
        super().__init__(text, resume_token, status)
        self.resume_token = resume_token
        self.status = status


class SubmissionsFailed(AltcraftError, Generic[TaskT]):
    """Some of many submissions failed; nothing of the others is lost.

    `tasks` are the handles of those that came about, `errors` what the others ended with, both by the place of their
    request among all.
    """

    def __init__(self, tasks: Mapping[int, TaskT], errors: Mapping[int, Exception]) -> None:
        super().__init__(tasks, errors)
        self.tasks = tasks
        self.errors = errors

    def message(self) -> str:
        place, first = next(iter(self.errors.items()))
        return (
            f"{len(self.errors)} of {len(self.errors) + len(self.tasks)} submissions failed; request {place}: {first}"
        )


class TaskStalled(WaitTimeout):
    """The task's status and progress have not moved for `Polling.stall_after` seconds."""
