"""The envelope around every reply, and what the task methods put into it.

Pages: "Update statistics on segment", "Update statistics on database" (v72).
"""

from __future__ import annotations

from typing import Generic, TypeVar

from msgspec import UNSET, Struct, UnsetType

from altcraft.schema.fields import Word

__all__ = ["Envelope", "ErrorEnvelope", "Reply", "TaskStarted", "TaskStatus"]

T = TypeVar("T")


class Reply(Struct, kw_only=True):
    """What every reply has in common: its own error code, 0 for success, and a text.

    Subclass it for a method that puts keys beside `data`, or `result` in its place.
    `error` is absent (None) where the body carries none: that is not the platform speaking.
    """

    error: int | None = None
    error_text: str | None = None


class Envelope(Reply, Generic[T], kw_only=True):
    """`{"data": …, "error": 0, "error_text": "…"}`; `data` is UNSET where it is absent or null."""

    data: T | UnsetType = UNSET


class ErrorEnvelope(Reply, kw_only=True):
    """The envelope of a refusal, whatever its `data`."""


class TaskStarted(Struct):
    """`data` of a method that starts a task. The id is opaque: UUIDs, prefixed UUIDs and shorter forms are known."""

    task_id: Word


class TaskStatus(Struct, Generic[T], omit_defaults=True):
    """`data` of tasks/status.

    `status` is an open set; "completed" and "success" are documented as done. `progress` runs from 0 to 100 and is
    None where the platform sends none; 100 alone does not end a task. `result` is there when the task is done.
    """

    status: Word
    progress: int | float | None = None
    result: T | None = None
