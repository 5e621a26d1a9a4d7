"""What can become of a command: exit codes, and errors as plain values that both ways of reporting share."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from altcraft import AltcraftError, TaskHandle

__all__ = [
    "BROKEN_PIPE", "DONE", "FAILED", "INTERRUPTED", "TIMED_OUT", "USAGE", "Misuse", "Problem", "Stopped", "masked",
    "problem_of", "worst",
]  # fmt: skip

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
TIMED_OUT: Final = 3
INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141
"""What a shell sees of any other program whose reader went away."""

_BADNESS = (DONE, TIMED_OUT, FAILED, INTERRUPTED)


class Misuse(Exception):
    """The command cannot be carried out as it was typed. Its text says what to type instead."""


class Problem(Struct, frozen=True, omit_defaults=True):
    """An error, as it is reported. What is None is not known, or does not apply.

    `error` is the name of the exception's class, or "Usage" or "Interrupted"; `resume_token` leads back to a task that
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


class Stopped(Exception):
    """The command has nothing more to do: its `problem` is all there is to tell."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def worst(codes: Iterable[int]) -> int:
    """The code of several tasks: one that failed says more than one that takes its time."""
    return max(codes, key=_BADNESS.index, default=DONE)


def masked(text: str) -> str:
    """`text` without the token, in case it was typed where it does not belong."""
    token = os.environ.get("ALTCRAFT_TOKEN", "").strip()
    return text.replace(token, "***") if token else text


def problem_of(error: AltcraftError, task: TaskHandle | None = None, *, submitting: bool = False) -> Problem:
    """What there is to say about an error, during a wait for `task` or, without one, during a request."""
    from altcraft import ApiError, NotFound, TaskFailed, WaitTimeout

    api = error if isinstance(error, ApiError) else None
    seen = error.status if isinstance(error, (TaskFailed, WaitTimeout)) else None
    lost = task is None or isinstance(error, (NotFound, TaskFailed))
    hint = _hint(error)
    if submitting and _may_have_been_processed(error):
        hint = "the task may or may not have been started, so it is not submitted again by itself"
    return Problem(
        error=type(error).__name__,
        message=masked(str(error)),
        exit_code=TIMED_OUT if isinstance(error, WaitTimeout) else FAILED,
        operation=error.operation,
        host=error.host,
        task_id=error.task_id or (task.id if task is not None else None),
        code=api.code if api else None,
        http_status=api.http_status if api else None,
        retry_after=api.retry_after if api else None,
        status=seen.status if seen else None,
        progress=seen.progress if seen else None,
        hint=hint,
        resume_token=None if lost or task is None else task.resume_token,
    )


def _may_have_been_processed(error: AltcraftError) -> bool:
    from altcraft import ApiError, ConnectError, DecodeError, TransportError

    if isinstance(error, ApiError):
        return error.http_status >= 500
    return isinstance(error, (TransportError, DecodeError)) and not isinstance(error, ConnectError)


def _hint(error: AltcraftError) -> str | None:
    from altcraft import Unauthorized

    if not isinstance(error, Unauthorized):
        return None
    if os.environ.get("ALTCRAFT_TOKEN", "").strip():
        return "the token in ALTCRAFT_TOKEN was refused"
    return "put the API token into the environment variable ALTCRAFT_TOKEN"
