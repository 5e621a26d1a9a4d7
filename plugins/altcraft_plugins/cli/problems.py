"""What goes wrong, as plain values: the reporters turn them into a line for people or for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from altcraft_plugins.cli.exit_codes import FAILED, TIMED_OUT

if TYPE_CHECKING:
    from altcraft import TaskHandle
    from altcraft_plugins.cli.signals import Interrupted

__all__ = ["Problem", "problem_of", "problem_of_interrupt"]


class Problem(Struct, frozen=True, omit_defaults=True):
    """An error, as a command reports it. A field is None where it is not known or does not apply.

    `error` is the name of the exception's class, or "Usage" or "Interrupted". `resume_token` leads back to a task that
    may still run.
    """

    error: str
    message: str
    exit_code: int
    operation: str | None = None
    host: str | None = None
    task_id: str | None = None
    code: int | None = None
    http_status: int | None = None
    retry_after: float | None = None
    status: str | None = None
    progress: int | float | None = None
    hint: str | None = None
    resume_token: str | None = None


def problem_of(error: Exception, *, resume_token: str | None = None, hint: str | None = None) -> Problem:
    """The problem that an error is: one of the library, or one of a plugin that refuses a submission."""
    from altcraft import AltcraftError, ApiError, TaskFailed, WaitTimeout

    name = type(error).__name__
    if not isinstance(error, AltcraftError):
        return Problem(name, f"{name}: {error}", FAILED, hint=hint)
    api = error if isinstance(error, ApiError) else None
    seen = error.status if isinstance(error, (TaskFailed, WaitTimeout)) else None
    return Problem(
        error=name,
        message=str(error),
        exit_code=TIMED_OUT if isinstance(error, WaitTimeout) else FAILED,
        operation=error.operation,
        host=error.host,
        task_id=error.task_id,
        code=api.code if api else None,
        http_status=api.http_status if api else None,
        retry_after=api.retry_after if api else None,
        status=seen.status if seen else None,
        progress=seen.progress if seen else None,
        hint=hint,
        resume_token=resume_token,
    )


def problem_of_interrupt(
    interrupted: Interrupted, *, task: TaskHandle | None = None, resumable: bool = True, hint: str | None = None
) -> Problem:
    """The problem of a command that a signal ended, while it waited for `task`.

    A task that is not `resumable` ends with this process.
    """
    message = interrupted.cause
    if task is not None:
        message += "; the task goes on" if resumable else "; the task ends with the sandbox of this process"
    return Problem(
        "Interrupted",
        message,
        interrupted.exit_code,
        operation=task.operation if task else None,
        task_id=task.id if task else None,
        resume_token=task.resume_token if task and resumable else None,
        hint=hint,
    )
