"""What a plugin may implement: the hooks, and the values that they get."""

from __future__ import annotations

import re
from collections import UserDict
from collections.abc import MutableMapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import pluggy

from altcraft.schema import Feedback, Request

if TYPE_CHECKING:
    from altcraft.codecs import CodecRegistry
    from altcraft.errors import AltcraftError
    from altcraft.operations import OperationRegistry
    from altcraft.schema import TaskStatus
    from altcraft.wire.messages import Delivery, HttpRequest, HttpResponse
    from altcraft.wire.transport import TransportRegistry

__all__ = [
    "HOOKS",
    "PROJECT",
    "ObservedExchange",
    "ObservedWait",
    "Specifications",
    "Submission",
    "TaskHandle",
    "hookimpl",
]

PROJECT = "altcraft"

hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a function of a plugin as the implementation of the hook that has its name."""

_hookspec = pluggy.HookspecMarker(PROJECT)


class Specifications:
    """The hooks that a plugin may implement. An implementation takes those arguments that it needs, by name."""

    @_hookspec
    def altcraft_register_codecs(self, registry: CodecRegistry) -> None:
        """Adds codecs to the registry of a client that is being made. What this raises ends the making of it."""

    @_hookspec
    def altcraft_register_transports(self, registry: TransportRegistry) -> None:
        """Adds transports to the registry of a client that is being made. What this raises ends the making of it."""

    @_hookspec
    def altcraft_register_operations(self, registry: OperationRegistry) -> None:
        """Declares operations for a client that is being made. What this raises ends the making of it."""

    @_hookspec
    def altcraft_exchange_started(self, exchange: ObservedExchange) -> None:
        """The client is about to send a request. `exchange.headers` takes further headers."""

    @_hookspec
    def altcraft_exchange_finished(
        self,
        exchange: ObservedExchange,
        response: HttpResponse | None,
        error: BaseException | None,
        elapsed: float,
    ) -> None:
        """An exchange has ended, after `elapsed` seconds. Called once for every exchange that has started.

        Exactly one of the two is set: `response`, with any status; or `error`, where the exchange failed, was
        cancelled, or was ended by the closing of the client.
        """

    @_hookspec
    def altcraft_submitting(self, submission: Submission) -> None:
        """The client is about to submit a task, and has sent nothing. What this raises ends the submission.

        A plugin may set `submission.traceparent` here.
        """

    @_hookspec
    def altcraft_submission_failed(self, submission: Submission, error: BaseException, in_doubt: bool) -> None:
        """A submission has ended without a task id. Each submitting is followed by this or by task_submitted.

        `in_doubt` says that the platform may have started a task: the request was sent, and its answer was lost or
        can't be read.
        """

    @_hookspec
    def altcraft_task_submitted(self, task: TaskHandle, submission: Submission) -> None:
        """The platform has started a task. Not called for a task that is resumed."""

    @_hookspec
    def altcraft_wait_started(self, task: TaskHandle, wait: ObservedWait) -> None:
        """A wait for the task begins, alone or in a group. There can be several waits for one task."""

    @_hookspec
    def altcraft_wait_ended(self, task: TaskHandle, error: BaseException | None, wait: ObservedWait) -> None:
        """A wait has ended. `error` is None when it ended with the outcome of the task, which may be a failure.

        Otherwise it is the reason: a timeout, a stall, the error of an exchange, the closing of the client, the
        cancellation of the caller.
        """

    @_hookspec
    def altcraft_task_progress(self, task: TaskHandle, status: TaskStatus[object]) -> None:
        """A poll was answered. The terminal state comes here too, before completed or failed."""

    @_hookspec
    def altcraft_task_completed(self, task: TaskHandle, result: object) -> None:
        """The task is done, and this is its result. Called once for each handle, and never after failed."""

    @_hookspec
    def altcraft_task_failed(self, task: TaskHandle, error: AltcraftError) -> None:
        """The platform reports that the task has failed. Called once for each handle, and never after completed."""

    @_hookspec
    def altcraft_feedback_received(self, delivery: Delivery) -> None:
        """A feedback receiver has taken a delivery and has hinted at its task. Called by the thread that received."""


HOOKS = tuple(name for name in vars(Specifications) if name.startswith("altcraft_"))


class TaskHandle(Protocol):
    """What a hook may use of a task, which is a `Task` or an `AsyncTask`."""

    @property
    def id(self) -> str:
        """The platform's id of the task."""
        ...

    @property
    def operation(self) -> str:
        """The path of the operation that started the task, or tasks/status where that is not known."""
        ...

    @property
    def request(self) -> Request[Any] | None:
        """The request that started the task, without the token; None where only the id is known."""
        ...

    @property
    def key(self) -> str | None:
        """The key of the task's submission; None where only the id is known."""
        ...

    @property
    def note(self) -> str:
        """What the caller has given as `submit(note=…)`."""
        ...

    @property
    def submitted_at(self) -> datetime | None:
        """When the submission began, aware, in UTC; None where only the id is known."""
        ...

    @property
    def traceparent(self) -> str:
        """What a plugin has set as the submission's `traceparent`; empty without one."""
        ...

    @property
    def polls(self) -> int:
        """How many polls were answered, in all processes that the resume token has been through."""
        ...

    @property
    def feedback(self) -> Feedback | None:
        """Where the platform was asked to report the end; None without feedback."""
        ...

    @property
    def resume_token(self) -> str:
        """Leads back to the task, in any process."""
        ...

    def done(self) -> bool:
        """Whether the outcome is known here. No I/O."""
        ...

    def notify(self) -> None:
        """A hint that there may be news: a wait for the task polls now."""
        ...


class Submission(msgspec.Struct):
    """The submission of a task, as the hooks see it.

    * `key` is unique, and the same for all retries.
    * `request` is the request struct, without the token.
    * `submitted_at` is an aware time in UTC.
    * `note` holds the words that the caller has given.
    * `traceparent` is the one field that a plugin sets, and only while the submission begins: the submission's place in
      a trace, as a W3C traceparent of version 00. It travels in the resume token, and must be no secret.
    """

    key: str
    operation: str
    request: Request[Any]
    submitted_at: datetime
    note: str = ""
    host: str = ""
    traceparent: str = ""

    @property
    def fields(self) -> dict[str, object]:
        """What the request asks, as plain values under the wire's names: no default, no token, no feedback URL."""
        plain: dict[str, object] = {}
        for field in msgspec.structs.fields(self.request):
            value = getattr(self.request, field.name)
            if field.name not in ("token", "format") and value != field.default and not isinstance(value, Feedback):
                plain[field.encode_name] = msgspec.to_builtins(value)
        return plain


class ObservedExchange:
    """One HTTP exchange, as the hooks see it: one object for its start and its end.

    * `operation` is the path of the method, `task_id` the id of the task that is polled, or None.
    * `task` is the handle of that task, `wait` the wait that the poll belongs to; both may be None.
    * `attempt` is 1 for the first attempt, 2 for the first repetition, and so on.
    * `headers` takes further headers when the exchange starts, such as traceparent. They never replace the client's.
    * `retry_in` is set at the end: the seconds until the next attempt, or None when none follows.
    * `context` is for the plugins' own state.
    """

    __slots__ = ("_headers", "attempt", "context", "operation", "request", "retry_in", "task", "task_id", "wait")

    def __init__(
        self,
        request: HttpRequest,
        operation: str,
        task_id: str | None,
        attempt: int,
        task: TaskHandle | None = None,
        wait: ObservedWait | None = None,
    ) -> None:
        self.request = request
        self.operation = operation
        self.task_id = task_id
        self.task = task
        self.wait = wait
        self.attempt = attempt
        self.retry_in: float | None = None
        self.context: dict[str, object] = {}
        self._headers: MutableMapping[str, str] | None = None  # made at its first use, since few observers add any

    @property
    def headers(self) -> MutableMapping[str, str]:
        """The headers that observers add."""
        if self._headers is None:
            self._headers = _AddedHeaders()
        return self._headers

    def to_send(self) -> HttpRequest:
        """The request with the headers that observers have added."""
        if not self._headers:
            return self.request
        ours = {name.lower() for name in (*self.request.headers, *_TRANSPORTS_HEADERS)}
        added = {name: value for name, value in self._headers.items() if name.lower() not in ours}
        headers = type(self.request.headers)({**added, **self.request.headers})  # type: ignore[call-arg]  # a dict
        return msgspec.structs.replace(self.request, headers=headers)

    def __repr__(self) -> str:
        return f"<exchange {self.operation}, attempt {self.attempt}>"


class ObservedWait:
    """One wait for a task, as the hooks see it: one object for its start, its exchanges and its end.

    * `is_grouped` says that the wait is one of a group's (`as_completed`, `wait`). Then the hooks are called in the
      context of the consumer, and the exchanges are made by workers.
    * `context` is for the plugins' own state.
    """

    __slots__ = ("context", "is_grouped")

    def __init__(self, *, is_grouped: bool) -> None:
        self.is_grouped = is_grouped
        self.context: dict[str, object] = {}

    def __repr__(self) -> str:
        return f"<wait{' in a group' if self.is_grouped else ''}>"


_TRANSPORTS_HEADERS = ("host", "content-length", "transfer-encoding", "connection", "authorization", "cookie")


class _AddedHeaders(UserDict[str, str]):
    """Headers that an observer adds. ValueError for one that would break the request."""

    def __setitem__(self, name: str, value: str) -> None:
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or not value.isprintable() or not value.isascii():
            raise ValueError(f"not a header: {name!r}: give a name of letters, and a value of printable ASCII")
        super().__setitem__(name, value)
