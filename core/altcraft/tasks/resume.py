"""The resume token: the id of a task and the operation that started it, as versioned JSON without any secret."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from altcraft.errors import BadResumeToken

__all__ = ["parse_resume_token", "resume_token"]

VERSION = 1


class ResumeToken(Struct, frozen=True):
    """The content of a token. `operation` is the path that started the task; None where only the id is known."""

    v: int
    task_id: str
    operation: str | None = None


def resume_token(task_id: str, operation: str | None) -> str:
    """The token of a task."""
    return msgspec.json.encode(ResumeToken(VERSION, task_id, operation)).decode()


def parse_resume_token(text: str) -> ResumeToken:
    """The content of a token. A bare task id is read as a token without operation.

    BadResumeToken for a broken token, or one of another version.
    """
    if not text.lstrip().startswith("{"):
        if not text.strip():
            raise BadResumeToken("an empty task id: pass the id that the platform gave, or a resume token")
        return ResumeToken(VERSION, text.strip())
    try:
        token = msgspec.json.decode(text, type=ResumeToken)
    except msgspec.MsgspecError as error:
        raise BadResumeToken(f"not a resume token: {error}") from None
    if token.v != VERSION:
        raise BadResumeToken(
            f"a resume token of version {token.v}; this release of altcraft-client reads version {VERSION}"
        )
    if not token.task_id:
        raise BadResumeToken("a resume token without a task id")
    return token
