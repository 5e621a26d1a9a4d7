"""`Logs`: a plugin that makes one log record of each event."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from altcraft import AltcraftError, hookimpl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from altcraft import HttpResponse, ObservedExchange, Submission, TaskHandle, TaskStatus

__all__ = ["KINDS", "Logs"]

KINDS: Final = ("submission", "task", "wait", "retry", "exchange")
"""The loggers, below the one that `Logs` is given."""

_ORDINARY = 1e6
"""A progress that is no larger is shown. The platform may send any number."""


class Logs:
    """Logs what clients do, to a logger for each kind of event: `altcraft.submission`, `altcraft.task`, and so on.

    A record has the fields of its event as attributes (`extra`). No record holds a body, a header or a token. `parent`
    is the name of the logger above the others.
    """

    def __init__(self, parent: str = "altcraft") -> None:
        self._parent = parent
        self._submission, self._task, self._wait, self._retry, self._exchange = (
            _logger(f"{parent}.{kind}") for kind in KINDS
        )

    def __repr__(self) -> str:
        return f"Logs({self._parent!r})"

    @hookimpl
    def altcraft_exchange_finished(
        self,
        exchange: ObservedExchange,
        response: HttpResponse | None,
        error: BaseException | None,
        elapsed: float,
    ) -> None:
        """An exchange at DEBUG; a failure that another attempt follows at WARNING."""
        retries = exchange.retry_in is not None and self._retry.isEnabledFor(logging.WARNING)
        if not retries and not self._exchange.isEnabledFor(logging.DEBUG):
            return
        outcome = f"HTTP {response.status}" if response is not None else _described(error)
        fields = {
            "operation": exchange.operation,
            "task_id": exchange.task_id,
            "attempt": exchange.attempt,
            "elapsed": round(elapsed, 6),
            "http_status": response.status if response is not None else None,
            "error_type": type(error).__name__ if error is not None else None,
            "error_text": printable(error.message()) if isinstance(error, AltcraftError) else None,
            "reason": outcome,
            "retry_in": exchange.retry_in,
        }
        text = f"{_place(exchange.operation, exchange.task_id)}: {outcome} after {elapsed:.3f} s"
        if self._exchange.isEnabledFor(logging.DEBUG):
            _log(self._exchange, logging.DEBUG, "exchange", text, fields)
        if retries:
            text += f"; attempt {exchange.attempt + 1} in {exchange.retry_in:.3f} s"
            _log(self._retry, logging.WARNING, "retry", text, fields)

    @hookimpl
    def altcraft_task_submitted(self, task: TaskHandle, submission: Submission) -> None:
        """The platform has started a task: INFO."""
        if self._submission.isEnabledFor(logging.INFO):
            fields = {**_about(task), "installation": submission.host}
            _log(self._submission, logging.INFO, "submitted", f"{_place(task.operation, task.id)}: submitted", fields)

    @hookimpl
    def altcraft_submission_failed(self, submission: Submission, error: BaseException, in_doubt: bool) -> None:
        """A submission has ended without a task id: ERROR."""
        if self._submission.isEnabledFor(logging.ERROR):
            reason = _described(error)
            text = f"{submission.operation}: the submission failed: {reason}"
            fields = {
                "operation": submission.operation,
                "task_id": None,
                "key": submission.key,
                "installation": submission.host,
                "error_type": type(error).__name__,
                "reason": reason,
                "in_doubt": in_doubt,
            }
            text += "; the platform may have started a task" if in_doubt else ""
            _log(self._submission, logging.ERROR, "submission_failed", text, fields)

    @hookimpl
    def altcraft_task_progress(self, task: TaskHandle, status: TaskStatus[object]) -> None:
        """A poll was answered: INFO."""
        if self._task.isEnabledFor(logging.INFO):
            shown, progress = printable(status.status), status.progress
            text = f"task {printable(task.id)}: {shown}"
            if progress is not None and -_ORDINARY < progress < _ORDINARY:
                text += f", {progress:g} %"
            fields = {**_about(task), "status": shown, "progress": progress, "polls": task.polls}
            _log(self._task, logging.INFO, "progress", text, fields)

    @hookimpl
    def altcraft_task_completed(self, task: TaskHandle) -> None:
        """The task is done: INFO."""
        if self._task.isEnabledFor(logging.INFO):
            text = f"{_place(task.operation, task.id)}: completed after {_counted(task.polls)}"
            _log(self._task, logging.INFO, "completed", text, {**_about(task), "polls": task.polls})

    @hookimpl
    def altcraft_task_failed(self, task: TaskHandle, error: AltcraftError) -> None:
        """The platform reports that the task has failed: ERROR."""
        if self._task.isEnabledFor(logging.ERROR):
            reason = printable(error.message())
            text = f"{_place(task.operation, task.id)}: failed after {_counted(task.polls)}: {reason}"
            fields = {**_about(task), "polls": task.polls, "error_type": type(error).__name__, "reason": reason}
            _log(self._task, logging.ERROR, "failed", text, fields)

    @hookimpl
    def altcraft_wait_ended(self, task: TaskHandle, error: BaseException | None) -> None:
        """A wait has ended: INFO with the outcome of the task, WARNING without."""
        level = logging.INFO if error is None else logging.WARNING
        if self._wait.isEnabledFor(level):
            reason = None if error is None else _described(error)
            text = f"{_place(task.operation, task.id)}: the wait ended"
            text += " with the outcome" if error is None else f" without an outcome: {reason}"
            error_type = None if error is None else type(error).__name__
            _log(self._wait, level, "wait_ended", text, {**_about(task), "error_type": error_type, "reason": reason})


def printable(text: str) -> str:
    """The text with its control characters escaped, so that no text of the platform's makes a line of its own."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def _logger(name: str) -> logging.Logger:
    logger = logging.getLogger(name)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())  # else a program that configures no logging gets warnings on stderr
    return logger


def _log(logger: logging.Logger, level: int, kind: str, text: str, fields: Mapping[str, object]) -> None:
    logger.log(level, "%s", text, extra={"kind": kind, **fields})


def _about(task: TaskHandle) -> dict[str, object]:
    return {"operation": task.operation, "task_id": task.id, "key": task.key}


def _place(operation: str, task_id: str | None) -> str:
    return operation if task_id is None else f"{operation}, task {printable(task_id)}"


def _counted(polls: int) -> str:
    return f"{polls} poll{'s' if polls != 1 else ''}"


def _described(error: BaseException | None) -> str:
    """The name of an error, with its text where this library has worded it. Other libraries' texts may hold a token."""
    name = type(error).__name__
    text = printable(error.message()) if isinstance(error, AltcraftError) else ""
    return f"{name} ({text})" if text else name
