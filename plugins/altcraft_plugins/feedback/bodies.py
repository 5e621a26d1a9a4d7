"""Reading what was posted: no more than the limit, and no longer than the time allows."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias

from altcraft.wire.messages import header

__all__ = ["Readable", "Refusal", "announced", "read", "receive"]

_CHUNK = 16 * 1024

Receive: TypeAlias = "Callable[[], Awaitable[Mapping[str, Any]]]"
"""ASGI's `receive`."""


class Readable(Protocol):
    """A body that has not been read yet: `wsgi.input`, or a framework's stream."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""
        ...


class Refusal(Exception):
    """The request is answered with this status, and nothing comes of it."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def announced(headers: Mapping[str, str], limit: int) -> int | None:
    """The Content-Length, None where there is none. Refusal 413 for one over the limit, 400 for no number."""
    given = str(header(headers, "content-length") or "").strip()
    if not given:
        return None
    if not (given.isascii() and given.isdigit()):
        raise Refusal(400)
    if len(given.lstrip("0")) > len(str(limit)) or int(given) > limit:
        raise Refusal(413)
    return int(given)


def read(body: bytes | Readable, length: int | None, limit: int, seconds: float) -> bytes:
    """The whole body. Refusal 413 where it has more than `limit` bytes, 408 where it takes longer, 400 where it breaks.

    A single read that blocks is the server's to end; between two of them, the time is looked at.
    """
    if isinstance(body, (bytes, bytearray)):
        if len(body) > limit:
            raise Refusal(413)
        return bytes(body)
    deadline = time.monotonic() + seconds
    # read1, where there is one, returns what is there instead of waiting for the last byte.
    take: Callable[[int], bytes] = getattr(body, "read1", body.read)
    left = limit + 1 if length is None else length
    chunks: list[bytes] = []
    while left > 0:
        try:
            chunk = take(min(left, _CHUNK))
        except Exception:  # whatever a server calls it when the sender is gone
            raise Refusal(400) from None
        if not chunk:
            break
        chunks.append(chunk)
        left -= len(chunk)
        if time.monotonic() > deadline:
            raise Refusal(408)
    if length is None and left <= 0:
        raise Refusal(413)
    if length is not None and left > 0:
        raise Refusal(400)
    return b"".join(chunks)


async def receive(messages: Receive, limit: int, seconds: float) -> bytes:
    """The whole body of an ASGI request. Refusals as for `read`; EOFError where the sender has gone."""
    from altcraft_plugins.feedback.loops import limited

    async def gather() -> bytes:
        chunks: list[bytes] = []
        left = limit
        while True:
            message = await messages()
            if message["type"] == "http.disconnect":
                raise EOFError
            chunk: bytes = message.get("body", b"")
            left -= len(chunk)
            if left < 0:
                raise Refusal(413)
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)

    try:
        return await limited(gather, seconds)
    except TimeoutError:
        raise Refusal(408) from None
