"""Every error and every warning of the library. Page: docs/reference/errors.md.

Errors say the operation, the host and the task id where there is one. They never hold a token: `altcraft.exchange`
masks it in texts from the other side. Each error can be copied and pickled, and keeps what it holds.
"""

from __future__ import annotations

import reprlib
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:  # for the annotations alone: errors stand below the schema
    from datetime import datetime

    from altcraft.schema import TaskStatus

__all__ = [
    "AltcraftError",
    "AltcraftWarning",
    "ApiError",
    "Attempt",
    "BadRequest",
    "BadResumeToken",
    "ClientClosed",
    "ConnectError",
    "ConnectionLost",
    "DecodeError",
    "EncodeError",
    "Forbidden",
    "InsecureTransportWarning",
    "LimitReached",
    "MissingExtra",
    "NotFound",
    "OutOfThreads",
    "RateLimited",
    "RequestTimeout",
    "ResponseTooLarge",
    "SubmissionsFailed",
    "TaskFailed",
    "TaskStalled",
    "TransportError",
    "Unauthorized",
    "UnmarkedHookWarning",
    "UnsafeXml",
    "UsedAfterFork",
    "WaitTimeout",
    "api_error",
    "at_progress",
    "warn",
]

Attempt: TypeAlias = "tuple[datetime, str]"
"""When an exchange failed, as an aware datetime, and what failed."""

_REASON = 200
"""Characters of the reason for a failed task that its message quotes."""

_briefly = reprlib.Repr()
_briefly.maxstring = _REASON


class AltcraftError(Exception):
    """The root of all errors that the library raises on purpose.

    * `operation` is the path of the method ("segments/refresh_counters"), `host` the installation's host name and
      port, `task_id` the id of the task. Each is None where it is not known.
    * `resume_token` leads back to the task where the error has ended a wait for it, but not the task; else None.
    * `attempts` are the failed attempts before the one that this error is about.
    """

    operation: str | None = None
    host: str | None = None
    task_id: str | None = None
    resume_token: str | None = None
    attempts: tuple[Attempt, ...] = ()

    def message(self) -> str:
        """What happened, without the place where it happened."""
        return str(self.args[0]) if self.args else ""

    def locate(self, operation: str | None = None, host: str | None = None, task_id: str | None = None) -> None:
        """Fills in the place of the error. What it knows of its place already is kept."""
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

    def __reduce__(self) -> tuple[Callable[..., AltcraftError], tuple[object, ...]]:
        # Without the constructor, whose arguments a subclass may have changed. The cause goes along where it is ours;
        # another library's may hold connections.
        cause = self.__cause__ if isinstance(self.__cause__, AltcraftError) else None
        return _restored, (type(self), self.args, self._state(), cause)

    def _state(self) -> dict[str, object]:
        """The attributes that a copy gets; notes are among them."""
        return dict(vars(self))


def _restored(
    kind: type[AltcraftError], args: tuple[object, ...], state: dict[str, object], cause: AltcraftError | None
) -> AltcraftError:
    error = kind.__new__(kind)
    error.args = args
    vars(error).update(state)
    if cause is not None:
        error.__cause__ = cause
    return error


class ApiError(AltcraftError):
    """The platform, or a proxy in front of it, refused the request.

    * `code` is the envelope's own code (an open set), or the HTTP status where the reply carried no envelope;
      `http_status` is the status of the HTTP reply.
    * `text` is the platform's explanation.
    * `retry_after` is what a Retry-After header asks for, in seconds, or None.
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
    """400: the platform can't use the request; its text says which parameter."""


class Unauthorized(ApiError):
    """401: the token is missing or wrong."""


class LimitReached(ApiError):
    """402: the tariff's limit is reached."""


class Forbidden(ApiError):
    """403: the token does not have the right to do this."""


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
    """How far a task is, for a message. The platform's progress can be any number."""
    if progress is None:
        return ""
    return f" at {progress:g} %" if -1e6 < progress < 1e6 else " at a progress that is no percentage"


def api_error(code: int, text: str, http_status: int, retry_after: float | None = None) -> ApiError:
    """The `ApiError` for a refusal: the class of its code, or else of its HTTP status."""
    kind = _BY_CODE.get(code) or _BY_CODE.get(http_status) or ApiError
    return kind(code, text, http_status, retry_after)


class TransportError(AltcraftError):
    """The HTTP exchange failed. The subclass says whether the platform may have processed the request."""


class ConnectError(TransportError):
    """No connection: nothing was sent, so any request may be repeated."""


class RequestTimeout(TransportError):
    """No complete reply came in time. The platform may have processed the request."""


class ConnectionLost(TransportError):
    """The connection broke after the request was sent, or the reply is unusable. It may have been processed."""


class ResponseTooLarge(TransportError):
    """The reply is larger than the transport accepts. A repetition would not help."""


class OutOfThreads(AltcraftError, RuntimeError):
    """The system gives no more threads. Nothing was sent."""


class UsedAfterFork(AltcraftError, RuntimeError):
    """A forked process uses an AsyncClient of its parent, whose connections and event loop it must not touch."""


class DecodeError(AltcraftError):
    """The reply is not in the format that it claims, or does not have the expected shape.

    `is_lasting` is True where another exchange would bring the same: the reply reports the end of a task, and a result
    that does not fit its type, or it is beyond a limit of the codec. Otherwise a poll within a wait is repeated a few
    times.
    """

    is_lasting: bool = False


class UnsafeXml(DecodeError):
    """The XML declares a document type or entities, or refers to the outside. The whole document is refused."""

    is_lasting = True


class EncodeError(AltcraftError, ValueError):
    """A value can't be written in this format, such as a control character in XML."""


class MissingExtra(AltcraftError, ImportError):
    """An optional library is not installed; the message says which, and how to install it."""


class ClientClosed(AltcraftError):
    """The client was closed, before the call or during it. A task goes on: `resume_token` leads back to it."""

    def __init__(self, text: str = "the client is closed", resume_token: str | None = None) -> None:
        super().__init__(text)
        self.resume_token = resume_token


class TaskFailed(AltcraftError):
    """The platform reports that the task has failed. `status` is the `TaskStatus` that says so."""

    def __init__(self, status: TaskStatus[object]) -> None:
        super().__init__(status)
        self.status = status

    def message(self) -> str:
        status, reason = self.status, self.status.result
        ended = f"the task ended with status {status.status!r}{at_progress(status.progress)}"
        if not reason:
            return ended
        text = " ".join((reason[: 4 * _REASON] if isinstance(reason, str) else _briefly.repr(reason)).split())
        return f"{ended}: {text if len(text) <= _REASON else text[: _REASON - 1] + '…'}"


class WaitTimeout(AltcraftError, TimeoutError):
    """The task was not done in time. It still runs: `resume_token` leads back to it, in any process.

    `status` is the last `TaskStatus` that a poll has shown, or None. Where the last exchange failed, its error is the
    `__cause__`.
    """

    def __init__(self, text: str, resume_token: str = "", status: TaskStatus[object] | None = None) -> None:
        super().__init__(text)
        # A str, which the root promises only as str | None: pyright minds, since an attribute can be assigned to.
        self.resume_token: str = resume_token  # pyright: ignore[reportIncompatibleVariableOverride]
        self.status = status


class TaskStalled(WaitTimeout):
    """The status and the progress of the task have not changed for `Polling.stall_after` seconds."""


class BadResumeToken(AltcraftError, ValueError):
    """A resume token is broken, of an unknown version, or of a task of another kind."""


class SubmissionsFailed(AltcraftError):
    """Some of many submissions failed, and the others started their tasks.

    `tasks` maps the place of a request among all to the resume token of its task, `errors` maps the place of each other
    request to its error.
    """

    def __init__(self, tasks: Mapping[int, str], errors: Mapping[int, Exception]) -> None:
        super().__init__(f"{len(errors)} of {len(errors) + len(tasks)} submissions failed")
        self.tasks = tasks
        self.errors = errors

    def message(self) -> str:
        place, first = next(iter(self.errors.items()))
        return f"{super().message()}; request {place}: {first}"

    def _state(self) -> dict[str, object]:
        errors = {place: _portable(error) for place, error in self.errors.items()}
        return {**super()._state(), "tasks": dict(self.tasks), "errors": errors}


def _portable(error: Exception) -> Exception:
    """The error, or a description of one that can't be copied: other libraries have such."""
    import pickle  # a slow import; who copies the error has made it already

    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  # what this process has just written
    except Exception:
        return AltcraftError(f"{type(error).__name__}: {error}")
    return error


class AltcraftWarning(UserWarning):
    """The root of the library's warnings."""


class InsecureTransportWarning(AltcraftWarning):
    """The client sends its token unencrypted to another machine: every machine on the way can read it."""


class UnmarkedHookWarning(AltcraftWarning):
    """A function of a plugin has the name of a hook, but not the mark `@altcraft.hookimpl`: it is never called."""


def warn(warning: AltcraftWarning) -> None:
    """Issues a warning for the line of the program that has called the library."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "altcraft":
        frame, level = frame.f_back, level + 1
    warnings.warn(warning, stacklevel=level)
