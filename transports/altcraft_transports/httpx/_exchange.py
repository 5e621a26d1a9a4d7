"""What the two httpx transports have in common: a request, and what becomes of errors and replies."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any

import httpcore
import httpx

from altcraft.errors import ConnectError
from altcraft.wire.messages import HttpRequest, HttpResponse
from altcraft.wire.transport import TransportSettings
from altcraft_transports._common.body import Body
from altcraft_transports._common.errors import Progress, said
from altcraft_transports._common.requests import checked, word
from altcraft_transports._common.routes import Place, Route
from altcraft_transports._common.tls import default_context

__all__ = ["Gathering", "failure", "has_more", "is_request", "new_request", "pool_options", "replied"]


class Content(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body in one piece. httpx's own is a generator, and trio complains of one that was not read to its end."""

    def __init__(self, body: bytes) -> None:
        self._left = [body]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._left)

    def __aiter__(self) -> Content:
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop()


def new_request(request: HttpRequest, route: Route) -> httpx.Request:
    """Returns the request as httpx wants it. ConnectError for a URL that it does not take."""
    headers = [*checked(request.headers), ("Content-Length", str(len(request.body))), ("Host", route.host)]
    try:
        return httpx.Request(word(request.method), route.url, headers=headers, stream=Content(request.body))
    except (httpx.InvalidURL, ValueError) as error:
        raise ConnectError(f"no connection: {said(error)}") from error


def pool_options(place: Place, settings: TransportSettings) -> dict[str, Any]:
    """Returns what httpcore needs to know for a pool of one connection, to a place."""
    options: dict[str, Any] = {"max_connections": 1}
    if place.is_secure:
        options["ssl_context"] = settings.ssl_context or default_context()
    if place.proxy is not None:
        options["proxy_url"] = httpcore.URL(
            scheme=place.proxy.scheme, host=place.proxy.host, port=place.proxy.port, target="/"
        )
        options["proxy_headers"] = place.proxy.headers
    return options


class Gathering:
    """Has a request go out in one piece: httpcore writes the header first, and the body, or nothing, after it."""

    def __init__(self) -> None:
        self._header = b""

    def add(self, buffer: bytes) -> bytes:
        """Returns what is to be sent now. A header waits for the next call."""
        if not self._header and buffer.endswith(b"\r\n\r\n"):
            self._header = buffer
            return b""
        message, self._header = self._header + buffer, b""
        return message


def is_request(buffer: bytes) -> bool:
    """Whether bytes that go out are a request's, and not a proxy's."""
    return bool(buffer) and not buffer.startswith(b"CONNECT ")


def failure(error: Exception, progress: Progress) -> Exception:
    """Returns this library's error for one of httpx's. It leaves out what httpx says of the bytes that came."""
    if isinstance(error, httpx.ProtocolError):
        return progress.failed(f"the reply is unusable: {type(error).__name__}")
    if isinstance(error, (httpx.HTTPError, httpcore.NetworkError, OSError, ValueError, RuntimeError)):
        text = said(_origin(error))
        return progress.failed(f"the exchange broke off: {text}" if progress.is_sent else f"no connection: {text}")
    return error


def replied(response: httpx.Response, body: Body) -> HttpResponse:
    """Returns the reply; httpx gives its headers' names in lower case, repeated ones joined."""
    return HttpResponse(response.status_code, dict(response.headers.items()), body.whole())


def has_more(response: httpx.Response) -> bool:
    """Whether bytes came after the reply. httpcore would take them for the reply to the next request.

    httpcore does not tell. Should it keep what it knows elsewhere one day, the contract's tests fail.
    """
    place: object = response.stream
    for name in ("_httpcore_stream", "_stream", "_connection", "_h11_state"):
        place = getattr(place, name, None)
    return bool(getattr(place, "trailing_data", (b"",))[0])


def _origin(error: BaseException) -> BaseException:
    """Returns the system's error from which a library's comes, if there is one."""
    found = error
    while error.__cause__ is not None:
        error = error.__cause__
        if isinstance(error, (OSError, ssl.SSLError)):
            found = error
    return found
