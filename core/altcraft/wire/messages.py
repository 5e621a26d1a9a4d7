"""An HTTP request and an HTTP response, as plain values: what the core and a transport say to each other."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from altcraft.wire.secret import MaskedDict

__all__ = ["Delivery", "Headers", "HttpRequest", "HttpResponse", "header"]


class Headers(MaskedDict[str]):
    """Request headers whose repr masks the credentials among them."""


class HttpRequest(msgspec.Struct, frozen=True):
    """A request to carry out as it stands. Its repr shows no body and no credentials, since both may hold the token.

    `url` is absolute. `headers` name no Host and no Content-Length: the transport adds what its protocol needs.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        names = ", ".join(self.headers)
        return f"HttpRequest({self.method} {self.url}, headers: {names}; body: {len(self.body)} bytes)"


class HttpResponse(msgspec.Struct, frozen=True):
    """A reply as it came, after transfer and content coding are undone; header names in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"HttpResponse({self.status}, body: {len(self.body)} bytes)"


class Delivery(msgspec.Struct, frozen=True):
    """What came in on a feedback URL. Nobody has signed it: a reason to look at the task, and nothing to believe.

    `key` names the URL without giving it away: the same in every process that shares the receiver's secret. `task_id`
    is None where this process does not know the task. `body` is what was posted, as it came.
    """

    key: str
    task_id: str | None
    content_type: str
    body: bytes

    def __repr__(self) -> str:
        return f"Delivery({self.key}, task {self.task_id}, {self.content_type or 'no type'}, {len(self.body)} bytes)"


def header(headers: Mapping[str, str], name: str) -> str | None:
    """The header's value whatever the case of its name, or None. `name` is given in lower case."""
    for key, value in headers.items():
        if key.lower() == name:
            return value
    return None
