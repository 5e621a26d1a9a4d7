"""What a journal tells: its entries, as values."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

from msgspec import Struct

__all__ = ["Entry", "Outstanding", "State"]

State: TypeAlias = Literal["submitting", "in doubt", "running", "completed", "failed"]
"""Where a submission stands. "in doubt": it was sent, and no task id arrived, so that a task may have been started."""


class Entry(Struct, frozen=True, kw_only=True):
    """One submission and its task.

    `key` is the submission's, and stays the same over all deliveries of the outcome. `request` has the request's fields
    as plain values. Times are aware, in UTC. `resume_token` leads back to the task, None before there is one.
    `status` and `progress` are the last that a poll has shown. `result` holds the result of a completed task as plain
    values, `error` the text of a failure. `is_owned` says that a living process follows the task.
    """

    key: str
    state: State
    host: str
    operation: str
    request: dict[str, object]
    note: str
    submitted_at: datetime
    task_id: str | None = None
    resume_token: str | None = None
    status: str | None = None
    progress: float | None = None
    ended_at: datetime | None = None
    result: object = None
    error: str | None = None
    is_acknowledged: bool = False
    is_owned: bool = False


class Outstanding(Struct, frozen=True):
    """What a journal knows of that has no outcome: `tasks` that run, and submissions that are `in_doubt`."""

    tasks: list[Entry]
    in_doubt: list[Entry]
