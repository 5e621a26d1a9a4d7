"""One submission: its key, its note, and what its failure leaves in doubt."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from typing import Any, TypeVar

import msgspec

from altcraft.errors import AltcraftError, ApiError, ClientClosed, ConnectError, EncodeError
from altcraft.hooks import Submission
from altcraft.operations import Operation
from altcraft.schema import Request
from altcraft.tasks.resume import KEY_LENGTH, NOTE_LENGTH, ResumeToken, is_traceparent

__all__ = [
    "check_traceparent",
    "checked_key",
    "checked_note",
    "may_be_processed",
    "resumed_submission",
    "without_credentials",
]

R = TypeVar("R")


def checked_key(key: str | None) -> str:
    """The caller's key of a submission, or a fresh one. ValueError for a key that a resume token can't carry."""
    if key is None:
        return os.urandom(16).hex()
    if not isinstance(key, str) or not 1 <= len(key) <= KEY_LENGTH or not key.isprintable():
        raise ValueError(f"key={key!r}: give 1 to {KEY_LENGTH} printable characters")
    return key


def checked_note(note: str) -> str:
    """The caller's note. ValueError for a note that a resume token can't carry."""
    if not isinstance(note, str) or len(note) > NOTE_LENGTH or not note.isprintable():
        raise ValueError(f"note={note!r}: give at most {NOTE_LENGTH} printable characters")
    return note


def check_traceparent(traceparent: str) -> None:
    """ValueError for a traceparent, set by a plugin, that a resume token can't carry. Empty stands for none."""
    if traceparent and not is_traceparent(traceparent):
        raise ValueError(f"submission.traceparent={traceparent!r}: set a W3C traceparent of version 00")


def without_credentials(request: Request[R]) -> Request[R]:
    """The request as its caller means it, without what the client fills in."""
    return msgspec.structs.replace(request, token=None, format=None)


def may_be_processed(error: BaseException) -> bool:
    """Whether the platform may have processed a request that was given to the transport and ended in this error.

    A refusal that the platform has worded itself says that it has not. A status of 500 or above may come from a proxy
    that lost the answer.
    """
    if isinstance(error, ApiError):
        return error.http_status >= 500
    if isinstance(error, (ConnectError, ClientClosed, EncodeError)):  # nothing was sent
        return False
    return isinstance(error, AltcraftError) or not isinstance(error, Exception)


def resumed_submission(token: ResumeToken, operation: Operation[Any]) -> Submission | None:
    """What a resume token tells of the submission. None where it knows the id alone."""
    if token.key is None or token.request is None or token.submitted_at is None:
        return None
    try:
        request = msgspec.convert(token.request, operation.request)
    except (msgspec.ValidationError, TypeError):  # a request of another release: the task goes on without it
        return None
    submitted_at = datetime.fromtimestamp(token.submitted_at, timezone.utc)
    return Submission(token.key, operation.path, request, submitted_at, token.note, traceparent=token.traceparent)
