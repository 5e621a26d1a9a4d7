"""The envelope around every reply, and what the task methods put into it.

Pages: "Update statistics on segment", "Update statistics on database" (v72); docs/reference/schema.md.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from msgspec import UNSET, Struct, UnsetType

from altcraft.schema.fields import Number, Word

__all__ = ["Envelope", "ErrorEnvelope", "Reply", "TaskStarted", "TaskStatus"]

T = TypeVar("T")


class Reply(Struct, kw_only=True):
    """What all replies share: the platform's error code, 0 for success, and a text.

    Subclass it for a method whose reply has keys beside `data`, or `result` in its place.
    `error` is None where the body has no code, which a reply of the platform always has.
    """

    error: int | None = None
    error_text: str | None = None


class Envelope(Reply, Generic[T], kw_only=True):
    """`{"data": …, "error": 0, "error_text": "…"}`; `data` is UNSET where the reply has none."""

    data: T | UnsetType = UNSET


class ErrorEnvelope(Reply, kw_only=True):
    """A reply that is read for its code and its text. Its `data` is passed over."""


class TaskStarted(Struct):
    """`data` of a method that starts a task. The id is an opaque string; several forms of it are known."""

    task_id: Word


class TaskStatus(Struct, Generic[T], omit_defaults=True):
    """`data` of tasks/status.

    `status` is an open set; the platform documents "completed" and "success" for a task that is done. `progress` is
    in per cent; 100 alone does not end a task. `result` is there when the task is done; of a task that failed, it is
    what the platform sent in its place, read without a type.
    """

    status: Word
    progress: Number | None = None
    result: T | None = None
