"""A transport without a network, for an AsyncClient: calls an ASGI application in this process.

Works under asyncio, and under trio. The application gets no lifespan events: start it up before, if it needs that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote, urlsplit

from altcraft.errors import AltcraftError, ConnectError, ConnectionLost, RequestTimeout
from altcraft.wire.messages import HttpRequest, HttpResponse
from altcraft_transports._common.body import MAX_RESPONSE, Body
from altcraft_transports._common.sleep import AsyncSleeper, Limit

__all__ = ["AsgiTransport", "create_async"]

Message = MutableMapping[str, Any]
AsgiApp = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]
"""An ASGI 3 application."""


def create_async(url: str, *, app: AsgiApp | None = None, max_response: int = MAX_RESPONSE) -> AsgiTransport:
    """The transport for an application. TypeError without one."""
    if app is None:
        raise TypeError("the asgi transport needs an application: transport=AsgiTransport(app)")
    return AsgiTransport(app, max_response=max_response)


class AsgiTransport:
    """Each exchange is a call of `app`, in the calling task. One that takes too long is cancelled: RequestTimeout."""

    def __init__(self, app: AsgiApp, *, max_response: int = MAX_RESPONSE) -> None:
        self._app = app
        self._max_response = max_response
        self._sleeper = AsyncSleeper()
        self._limits: set[Limit] = set()
        self._closed = False

    async def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        """Calls the application. ConnectionLost where it raises, since there is no telling how far it came."""
        if self._closed:
            raise ConnectError("the transport is closed")
        call = _Call(request, self._max_response)
        limit = Limit(timeout)
        self._limits.add(limit)
        try:
            in_time = await limit.within(lambda: self._app(_scope(request), call.receive, call.send))
        except AltcraftError:
            raise
        except Exception as error:
            raise ConnectionLost(f"the application failed: {type(error).__name__}") from error
        finally:
            self._limits.discard(limit)
        if not in_time:
            if self._closed:
                raise ConnectionLost("the transport was closed during the exchange")
            raise RequestTimeout(f"no complete reply within {timeout:g} s")
        return call.response()

    async def sleep(self, seconds: float) -> None:
        """Sleeps, until the transport is closed."""
        await self._sleeper.sleep(seconds)

    async def close(self) -> None:
        """Ends all sleeps, and all calls of the application."""
        self._closed = True
        self._sleeper.close()
        for limit in tuple(self._limits):
            limit.end()


class _Call:
    """The two channels between the server, which is us, and the application."""

    def __init__(self, request: HttpRequest, max_response: int) -> None:
        self._messages: list[Message] = [{"type": "http.request", "body": request.body, "more_body": False}]
        self._start: Message | None = None
        self._body = Body(max_response)
        self._is_complete = False

    async def receive(self) -> Message:
        return self._messages.pop() if self._messages else {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
        elif message["type"] == "http.response.body":
            self._body.feed(message.get("body", b""))
            self._is_complete = not message.get("more_body", False)

    def response(self) -> HttpResponse:
        if self._start is None or not self._is_complete:
            raise ConnectionLost("the application returned without a complete reply")
        headers: dict[str, str] = {}
        for raw_name, raw_value in self._start.get("headers", ()):
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return HttpResponse(self._start["status"], headers, self._body.whole())


def _scope(request: HttpRequest) -> dict[str, Any]:
    parts = urlsplit(request.url)
    is_secure = parts.scheme == "https"
    host = parts.netloc.rpartition("@")[2] or "localhost"
    headers = [(b"host", host.encode("latin-1")), (b"content-length", str(len(request.body)).encode())]
    headers += [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in request.headers.items()]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "https" if is_secure else "http",
        "path": unquote(parts.path),
        "raw_path": parts.path.encode("ascii", "replace"),
        "query_string": parts.query.encode("ascii", "replace"),
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 0),
        "server": (parts.hostname or "localhost", parts.port or (443 if is_secure else 80)),
    }
