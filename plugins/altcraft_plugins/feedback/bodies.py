"""Reading what was posted: up to the size limit, and within the time limit."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias

from altcraft_plugins.feedback.loops import limited
from altcraft_plugins.feedback.replies import Refusal

__all__ = ["Readable", "announced", "read", "receive"]

_CHUNK = 16 * 1024
_logger = logging.getLogger("altcraft.feedback")

Receive: TypeAlias = "Callable[[], Awaitable[Mapping[str, Any]]]"
"""ASGI's `receive`."""


class Readable(Protocol):
    """A body that is still to be read: `wsgi.input`, or a framework's stream."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        ...


def announced(headers: Mapping[str, str], limit: int) -> int | None:
    """The Content-Length, or None where the body says itself when it ends. Names of `headers` are in lower case.

    Refusal 413 for a length over the limit, 400 for one that is no number.
    """
    given = headers.get("content-length", "").strip()
    if not given or headers.get("transfer-encoding"):  # RFC 9112, 6.3: a transfer coding overrides the length
        return None
    if not (given.isascii() and given.isdigit()):
        raise Refusal(400)
    if len(given.lstrip("0")) > len(str(limit)) or int(given) > limit:
        raise Refusal(413)
    return int(given)


def read(body: object, length: int | None, limit: int, seconds: float) -> bytes:
    """The whole body: bytes, None for none, or something with a `read` method. None as `length` reads to the end.

    Refusal 413 for more than `limit` bytes, 408 for a body that takes longer than `seconds`, 400 for one that breaks
    off or is not made of bytes. The time is looked at between two reads: only the server can end a read that blocks.
    """
    if body is None:
        return b""
    if isinstance(body, (bytes, bytearray, memoryview)):
        if memoryview(body).nbytes > limit:
            raise Refusal(413)
        return bytes(body)
    # read1, where there is one, returns what has arrived instead of waiting for all it was asked for.
    take: object = getattr(body, "read1", None) or getattr(body, "read", None)
    if not callable(take):
        _logger.error("a delivery's body is bytes or a stream with read(), not %s", type(body).__name__)
        raise Refusal(400)
    deadline = time.monotonic() + seconds
    left = limit + 1 if length is None else length
    chunks: list[bytes] = []
    while left > 0:
        chunk = _chunk(take, min(left, _CHUNK))
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


def _chunk(take: Callable[[int], object], size: int) -> bytes:
    """One read. Refusal 400 when it fails, gives something other than bytes, or more of them than it was asked for."""
    try:
        chunk = take(size)
    except Exception:  # each server and framework has its own error for a sender that has gone away
        _logger.debug("the body of a delivery broke off", exc_info=True)
        raise Refusal(400) from None
    if isinstance(chunk, bytes) and len(chunk) <= size:
        return chunk
    if inspect.iscoroutine(chunk):
        chunk.close()  # it would warn that it was never awaited
    _logger.error("read(%d) of a delivery's body gave %s: a blocking stream of bytes is needed", size, type(chunk))
    raise Refusal(400)


async def receive(messages: Receive, limit: int, seconds: float) -> bytes:
    """The whole body of an ASGI request. Refusals as for `read`; EOFError when the sender has gone away."""

    async def gather() -> bytes:
        chunks: list[bytes] = []
        left = limit
        while True:
            message = await messages()
            if message["type"] == "http.disconnect":
                raise EOFError
            chunk: bytes = message.get("body") or b""
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
