"""A transport without a network, for a Client: calls a WSGI application in this process."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes, urlsplit

from altcraft.errors import AltcraftError, ConnectError, ConnectionLost
from altcraft.wire.messages import HttpRequest, HttpResponse
from altcraft.wire.transport import TransportSettings
from altcraft_transports._common.abilities import Abilities
from altcraft_transports._common.body import Body
from altcraft_transports._common.errors import CLOSED, bare
from altcraft_transports._common.for_threads import ForThreads

__all__ = ["WsgiTransport", "create"]

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
"""A WSGI application, PEP 3333."""


class SleepingClock(Protocol):
    """A time to live in, such as `altcraft.testing.FakeClock`."""

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class WsgiTransport(ForThreads):
    """Each exchange is a call of `app`, in the calling thread.

    A call can't be interrupted when its time is over. An application that waits finds its limit, in seconds, as
    `altcraft.timeout` in the environ, and raises RequestTimeout; errors of this library pass through. With a `clock`,
    such as `altcraft.testing.FakeClock`, the client lives in that clock's time. Closing the transport closes the
    application too, if that has a `close`. Thread-safe as far as the application is.
    """

    abilities = Abilities("wsgi", proxies=())

    def __init__(
        self, app: WsgiApp, settings: TransportSettings | None = None, *, clock: SleepingClock | None = None
    ) -> None:
        super().__init__(settings)
        self._app = app
        self._clock = clock
        if clock is not None:
            self.monotonic = clock.monotonic  # present only with a clock: see `altcraft.wire.transport.Clock`

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        """Calls the application. ConnectionLost if it raises, since nothing tells how far it came."""
        if self._closed:
            raise ConnectError(CLOSED)
        try:
            return self._call(request, timeout)
        except AltcraftError as error:
            raise bare(error)  # noqa: B904  # it is the same one

    def sleep(self, seconds: float) -> None:
        """Sleeps in the clock's time, or else until the transport is woken or closed."""
        if self._clock is not None:
            self._clock.sleep(seconds)
        else:
            super().sleep(seconds)

    def close(self) -> None:
        """Ends all sleeps, and closes the application."""
        was_closed = self._closed
        super().close()
        close = getattr(self._app, "close", None)
        if close is not None and not was_closed:
            close()

    def _call(self, request: HttpRequest, timeout: float) -> HttpResponse:
        started: list[tuple[str, list[tuple[str, str]]]] = []
        body = Body(self.settings.max_response)

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
        whole = body.whole()
        length = named.get("content-length", "")
        if length.isdecimal() and int(length) > len(whole) and request.method != "HEAD":
            raise ConnectionLost(f"the reply ended after {len(whole)} of {length} bytes")
        return HttpResponse(int(status[:3]), named, whole)


def create(
    url: str,
    *,
    app: WsgiApp | None = None,
    clock: SleepingClock | None = None,
    settings: TransportSettings | None = None,
) -> WsgiTransport:
    """Makes the transport for an application. TypeError without one."""
    if app is None:
        raise TypeError("the wsgi transport needs an application: transport=WsgiTransport(app)")
    return WsgiTransport(app, settings, clock=clock)


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
