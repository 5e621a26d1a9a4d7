"""`OpenTelemetry`: a plugin that makes spans and metrics of what clients do.

A span is made current only where the hook for its end is called in the same context: for submissions, exchanges, and
waits for a single task. The waits of a group overlap in the consumer's context, so each exchange of a group is given
its parent. The span of a whole task is made at the outcome, with its start in the past. So it is open in no process,
and the process that learns the outcome need not be the one that submitted.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from contextvars import Token
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from altcraft import AltcraftError, hookimpl
from altcraft_plugins.otel.api import SUPPRESS_HTTP, context, propagate, trace
from altcraft_plugins.otel.metrics import SCHEMA, SCOPE, instruments_of

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Link, Span, SpanContext, TracerProvider

    from altcraft import HttpResponse, ObservedExchange, ObservedWait, Submission, TaskHandle, TaskStatus

__all__ = ["OpenTelemetry"]

_KEY: Final = "altcraft_plugins.otel"
_REMEMBERED = 1024
"""Tasks whose outcome was reported, so that a second handle on one of them makes no second span."""


class OpenTelemetry:
    """Spans for submissions, waits, exchanges and whole tasks, and metrics, by the API of OpenTelemetry.

    `tracer_provider` and `meter_provider` None stand for the global ones. Pass it as a plugin of a client; clients and
    threads may share it. Raises MissingExtra without opentelemetry-api.
    """

    def __init__(
        self, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        release = _release()
        self._tracer = trace.get_tracer(SCOPE, release, tracer_provider, SCHEMA)
        self._instruments = instruments_of(meter_provider, release)
        self._submissions: dict[int, _Open] = {}  # by the id of the Submission, which lives as long
        self._reported: OrderedDict[str, None] = OrderedDict()

    # Submissions.

    @hookimpl
    def altcraft_submitting(self, submission: Submission) -> None:
        """Starts the span of a submission, and puts its place in the trace into the task's resume token."""
        span = self._tracer.start_span(
            f"submit {submission.operation}",
            attributes={"altcraft.operation": submission.operation, "altcraft.submission.key": submission.key},
        )
        self._submissions[id(submission)] = _Open(span)
        place = span.get_span_context()
        if place.is_valid and not submission.traceparent:
            submission.traceparent = f"00-{place.trace_id:032x}-{place.span_id:016x}-{place.trace_flags & 0xFF:02x}"

    @hookimpl
    def altcraft_task_submitted(self, task: TaskHandle, submission: Submission) -> None:
        """Ends it."""
        submitting = self._submissions.pop(id(submission), None)
        self._instruments.seen(task, None if submitting is None else submitting.since)
        if submitting is not None:
            submitting.span.set_attribute("altcraft.task.id", task.id)
            submitting.end()

    @hookimpl
    def altcraft_submission_failed(self, submission: Submission, error: BaseException, in_doubt: bool) -> None:
        """Ends it, as failed."""
        submitting = self._submissions.pop(id(submission), None)
        if submitting is not None:
            submitting.span.set_attribute("altcraft.submission.in_doubt", in_doubt)
            submitting.end(error)

    # Waits.

    @hookimpl
    def altcraft_wait_started(self, task: TaskHandle, wait: ObservedWait) -> None:
        """Starts the span of a wait."""
        self._instruments.seen(task)
        span = self._tracer.start_span(f"wait {task.operation}", links=_links(task), attributes=_about(task))
        wait.context[_KEY] = _Open(span, is_current=not wait.is_grouped)

    @hookimpl
    def altcraft_wait_ended(self, error: BaseException | None, wait: ObservedWait) -> None:
        """Ends it."""
        waiting = wait.context.pop(_KEY, None)
        if isinstance(waiting, _Open):
            waiting.end(error)

    # Exchanges.

    @hookimpl
    def altcraft_exchange_started(self, exchange: ObservedExchange) -> None:
        """Starts the span of an exchange, and hands its context to the platform."""
        request, task = exchange.request, exchange.task
        url = urlsplit(request.url)
        known: dict[str, str | int] = {
            "http.request.method": request.method,
            "server.address": url.hostname or "",
            "server.port": url.port or (80 if url.scheme == "http" else 443),
            "altcraft.operation": exchange.operation,
        }
        attributes = {**known, "url.full": f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"}
        if exchange.task_id is not None:
            attributes["altcraft.task.id"] = exchange.task_id
        if exchange.attempt > 1:
            attributes["http.request.resend_count"] = exchange.attempt - 1
        waiting = exchange.wait.context.get(_KEY) if exchange.wait is not None else None
        span = self._tracer.start_span(
            f"{request.method} {url.path}",
            trace.set_span_in_context(waiting.span) if isinstance(waiting, _Open) else None,
            kind=trace.SpanKind.CLIENT,
            links=() if task is None else _links(task),
            attributes=attributes,
        )
        opened = _Open(span, suppresses=True, known=known)
        exchange.context[_KEY] = opened
        propagate.inject(exchange.headers, opened.context)

    @hookimpl
    def altcraft_exchange_finished(
        self,
        exchange: ObservedExchange,
        response: HttpResponse | None,
        error: BaseException | None,
        elapsed: float,
    ) -> None:
        """Ends it, and measures its duration."""
        opened = exchange.context.pop(_KEY, None)
        if not isinstance(opened, _Open):
            return
        known = opened.known
        failure: str | BaseException | None = error
        if response is not None:
            known["http.response.status_code"] = response.status
            opened.span.set_attribute("http.response.status_code", response.status)
            failure = str(response.status) if response.status >= 400 else None
        if failure is not None:
            known["error.type"] = _error_type(failure)
        opened.end(failure)
        self._instruments.exchange_duration.record(elapsed, known, opened.context)

    # Tasks.

    @hookimpl
    def altcraft_task_progress(self, task: TaskHandle, status: TaskStatus[object]) -> None:
        """Counts a task that is polled as outstanding."""
        self._instruments.seen(task)

    @hookimpl
    def altcraft_task_completed(self, task: TaskHandle) -> None:
        """Makes the span of the whole task."""
        self._report(task, None)

    @hookimpl
    def altcraft_task_failed(self, task: TaskHandle, error: AltcraftError) -> None:
        """Likewise, of a failed one."""
        self._report(task, error)

    def _report(self, task: TaskHandle, error: AltcraftError | None) -> None:
        since, now = self._instruments.since(task), time.time_ns()
        self._instruments.ended(task)
        if task.key is not None and self._was_reported(task.key):
            return
        submitted = _submitted(task)
        learnt = trace.get_current_span().get_span_context()
        links = [trace.Link(learnt)] if submitted is not None and learnt.is_valid else []
        span = self._tracer.start_span(
            f"task {task.operation}",
            None if submitted is None else trace.set_span_in_context(trace.NonRecordingSpan(submitted)),
            links=links,
            attributes={**_about(task), "altcraft.task.polls": task.polls},
            start_time=min(since, now),
        )
        _end(span, error)
        attributes = {"altcraft.operation": task.operation, "altcraft.outcome": "failed" if error else "completed"}
        self._instruments.task_duration.record(max(0, now - since) / 1e9, attributes)
        self._instruments.task_polls.record(task.polls, attributes)

    def _was_reported(self, key: str) -> bool:
        if key in self._reported:
            return True
        self._reported[key] = None
        if len(self._reported) > _REMEMBERED:
            self._reported.popitem(last=False)
        return False


class _Open:
    """A span that has started. While it is current, it is the parent of what else is started in its context.

    `suppresses` keeps instrumentations of HTTP libraries from making a second span of an exchange. `known` is what the
    metrics of an exchange take over.
    """

    __slots__ = ("_token", "context", "known", "since", "span")

    def __init__(
        self,
        span: Span,
        *,
        is_current: bool = True,
        suppresses: bool = False,
        known: dict[str, str | int] | None = None,
    ) -> None:
        self.span = span
        self.since = time.time_ns()
        self.known = known if known is not None else {}
        self.context: Context = trace.set_span_in_context(span)
        if suppresses:
            self.context = context.set_value(SUPPRESS_HTTP, True, self.context)
        self._token: Token[Context] | None = context.attach(self.context) if is_current else None

    def end(self, failure: str | BaseException | None = None) -> None:
        """Ends the span. It stops being current, unless the garbage collector ends it in some other context."""
        token, self._token = self._token, None
        if token is not None and context.get_current() is self.context:
            context.detach(token)
        _end(self.span, failure)


def _end(span: Span, failure: str | BaseException | None) -> None:
    if failure is not None:
        span.set_attribute("error.type", _error_type(failure))
        # The client has masked the token in its errors. The texts of other libraries' errors stay out.
        text = failure.message() if isinstance(failure, AltcraftError) else None
        span.set_status(trace.StatusCode.ERROR, text)
    span.end()


def _error_type(failure: str | BaseException) -> str:
    if isinstance(failure, str):
        return failure
    kind = type(failure)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _about(task: TaskHandle) -> dict[str, str | int]:
    return {"altcraft.operation": task.operation, "altcraft.task.id": task.id}


def _submitted(task: TaskHandle) -> SpanContext | None:
    """The place of the task's submission in a trace, from this process or from the resume token."""
    if not task.traceparent:
        return None
    _, trace_id, span_id, flags = task.traceparent.split("-")
    return trace.SpanContext(int(trace_id, 16), int(span_id, 16), True, trace.TraceFlags(int(flags, 16)))


def _links(task: TaskHandle) -> list[Link]:
    submitted = _submitted(task)
    return [] if submitted is None else [trace.Link(submitted)]


def _release() -> str:
    try:
        return version("altcraft-client")
    except PackageNotFoundError:  # packed into a program
        return ""
