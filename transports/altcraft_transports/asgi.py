"""A transport without a network, for an AsyncClient: calls an ASGI application in this process.

Works under asyncio and trio. The application gets no lifespan events: start it before, if it needs that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote, urlsplit

from altcraft.errors import ConnectionLost, ResponseTooLarge
from altcraft.wire.messages import HttpRequest, HttpResponse
from altcraft.wire.transport import TransportSettings
from altcraft_transports._common.abilities import Abilities
from altcraft_transports._common.body import Body
from altcraft_transports._common.errors import Progress
from altcraft_transports._common.for_tasks import ForTasks

__all__ = ["AsgiTransport", "create_async"]

Message = MutableMapping[str, Any]
AsgiApp = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]
"""An ASGI 3 application."""


class AsgiTransport(ForTasks):
    """Each exchange is a call of `app`, in the calling task. One that takes too long is cancelled: RequestTimeout.

    ConnectionLost if the application raises, since nothing tells how far it came.
    """

    abilities = Abilities("asgi", proxies=())

    def __init__(self, app: AsgiApp, settings: TransportSettings | None = None) -> None:
        super().__init__(settings)
        self._app = app

    async def _carry(self, request: HttpRequest, progress: Progress) -> HttpResponse:
        call = _Call(request, self.settings.max_response)
        progress.is_sent = True
        try:
            await self._app(_scope(request), call.receive, call.send)
        except ResponseTooLarge:
            raise
        except Exception as error:
            raise ConnectionLost(f"the application failed: {type(error).__name__}") from error
        return call.response()


def create_async(url: str, *, app: AsgiApp | None = None, settings: TransportSettings | None = None) -> AsgiTransport:
    """Makes the transport for an application. TypeError without one."""
    if app is None:
        raise TypeError("the asgi transport needs an application: transport=AsgiTransport(app)")
    return AsgiTransport(app, settings)


class _Call:
    """The two channels between the server, which is this transport, and the application."""

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
