"""An HTTP request and an HTTP response as plain values: the language between the core and a transport."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from altcraft.wire.secret import MaskedDict, MaskedStruct

__all__ = ["Delivery", "Headers", "HttpRequest", "HttpResponse", "header"]


class Headers(MaskedDict[str]):
    """Request headers that show their credentials as a mask."""


class HttpRequest(MaskedStruct, frozen=True):
    """A request to carry out. Body and headers may hold the token, so it shows neither.

    `url` is absolute. `headers` name no Host and no Content-Length: the transport adds what its protocol needs.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        size = f"{len(self.body)} bytes"
        return [("method", self.method), ("url", self.url), ("headers", list(self.headers)), ("body", size)]


class HttpResponse(MaskedStruct, frozen=True):
    """A reply after transfer and content coding were undone. Header names come in any case.

    The platform may echo the token, so the response shows no body.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("status", self.status), ("body", f"{len(self.body)} bytes")]


class Delivery(MaskedStruct, frozen=True):
    """A request that came in on a feedback URL. It is unsigned: poll the task because of it, and trust only the poll.

    `key` names the URL without giving it away: the same in every process that shares the receiver's secret. `task_id`
    is None where this process does not know the task. `body` holds the bytes that were posted.
    """

    key: str
    task_id: str | None
    content_type: str
    body: bytes

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        size = f"{len(self.body)} bytes"
        return [("key", self.key), ("task_id", self.task_id), ("content_type", self.content_type), ("body", size)]


def header(headers: Mapping[str, str], name: str) -> str | None:
    """The value of a header, or None. `name` is in lower case, the names of `headers` in any."""
    for key, value in headers.items():
        if key.lower() == name:
            return value
    return None
