"""A transport without a network: calls a WSGI application in this process."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes, urlsplit

from altcraft.errors import AltcraftError, ConnectError, ConnectionLost
from altcraft.wire.messages import HttpRequest, HttpResponse
from altcraft_transports._common.body import MAX_RESPONSE, Body
from altcraft_transports._common.sleep import Sleeping

__all__ = ["WsgiTransport", "create"]

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
"""A WSGI application, PEP 3333."""


class SleepingClock(Protocol):
    """A time to live in, such as `altcraft.testing.FakeClock`."""

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


def create(
    url: str,
    *,
    app: WsgiApp | None = None,
    clock: SleepingClock | None = None,
    max_response: int = MAX_RESPONSE,
) -> WsgiTransport:
    """The transport for an application. TypeError without one."""
    if app is None:
        raise TypeError("the wsgi transport needs an application: transport=WsgiTransport(app)")
    return WsgiTransport(app, clock=clock, max_response=max_response)


class WsgiTransport(Sleeping):
    """Each exchange is a call of `app`, in the calling thread.

    A call can't be interrupted when its time is over. An application that waits finds its limit, in seconds, as
    `altcraft.timeout` in the environ, and raises RequestTimeout; errors of this library pass through. With a `clock`,
    such as `altcraft.testing.FakeClock`, the client lives in that clock's time. Closing the transport closes the
    application too, where that has a `close`. Thread-safe as far as the application is.
    """

    def __init__(self, app: WsgiApp, *, clock: SleepingClock | None = None, max_response: int = MAX_RESPONSE) -> None:
        super().__init__()
        self._clock = clock
        if clock is not None:
            self.monotonic = clock.monotonic  # present only with a clock: see `altcraft.wire.transport.Clock`
        self._app = app
        self._max_response = max_response
        self._closed = False

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        """Calls the application. ConnectionLost where it raises, since there is no telling how far it came."""
        if self._closed:
            raise ConnectError("the transport is closed")
        started: list[tuple[str, list[tuple[str, str]]]] = []
        body = Body(self._max_response)

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[..., Any]:
            started.append((status, headers))
            return body.feed

        try:
            chunks = self._app(_environ(request) | {"altcraft.timeout": timeout}, start_response)
            try:
                for chunk in chunks:
                    body.feed(chunk)
            finally:
                close = getattr(chunks, "close", None)
                if close is not None:
                    close()
        except AltcraftError:
            raise
        except Exception as error:
            raise ConnectionLost(f"the application failed: {type(error).__name__}") from error
        if not started:
            raise ConnectionLost("the application returned without calling start_response")
        status, headers = started[-1]
        named: dict[str, str] = {}
        for name, value in headers:
            key = name.lower()
            named[key] = f"{named[key]}, {value}" if key in named else value
        return HttpResponse(int(status[:3]), named, body.whole())

    def sleep(self, seconds: float) -> None:
        """Sleeps in the clock's time, or else until the transport is woken or closed."""
        if self._clock is not None:
            self._clock.sleep(seconds)
        else:
            super().sleep(seconds)

    def close(self) -> None:
        """Ends all sleeps, and closes the application where it can be closed."""
        self._sleeper.close()
        if not self._closed:
            self._closed = True
            close = getattr(self._app, "close", None)
            if close is not None:
                close()


def _environ(request: HttpRequest) -> dict[str, Any]:
    parts = urlsplit(request.url)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(parts.path).decode("latin-1"),
        "QUERY_STRING": parts.query,
        "SERVER_NAME": parts.hostname or "localhost",
        "SERVER_PORT": str(parts.port or (443 if parts.scheme == "https" else 80)),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_LENGTH": str(len(request.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https" if parts.scheme == "https" else "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request.headers.items():
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    return environ
