"""A transport out of the standard library alone, for those who can't take urllib3 along.

Plain sockets and `ssl`, and the same reading and writing of HTTP/1.1 as under urllib3's pools. http and https; proxies
are http ones. Looking a host name up can't be interrupted, nor bounded in time.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from altcraft.errors import ConnectError
from altcraft.wire.messages import HttpRequest, HttpResponse
from altcraft.wire.secret import MaskedBytes
from altcraft_transports._common.body import MAX_RESPONSE
from altcraft_transports._common.dial import Lines, is_quiet
from altcraft_transports._common.http1 import exchange, tunnel
from altcraft_transports._common.requests import Composer, opening, proxy_headers
from altcraft_transports._common.sleep import Sleeping

if TYPE_CHECKING:
    import socket
    import ssl

__all__ = ["HttpClientTransport", "create"]

_PORTS = {"http": 80, "https": 443}


def create(
    url: str,
    *,
    proxy: str | None = None,
    ssl_context: ssl.SSLContext | None = None,
    connections: int = 16,
    max_response: int = MAX_RESPONSE,
) -> HttpClientTransport:
    """The transport, whatever the URL; options as the class takes them."""
    return HttpClientTransport(proxy=proxy, ssl_context=ssl_context, connections=connections, max_response=max_response)


class HttpClientTransport(Sleeping):
    """HTTP/1.1 over kept-alive connections, at most `connections` at once; further exchanges wait for a free one.

    TLS certificates are verified, against the system's authorities or those of `ssl_context`, which also carries
    client certificates. `proxy` is the URL of an HTTP proxy, with its user and password if it wants them; the
    environment's proxies are not looked at. A reply of more than `max_response` bytes, after decompression, is
    ResponseTooLarge. Thread-safe.
    """

    def __init__(
        self,
        *,
        proxy: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        connections: int = 16,
        max_response: int = MAX_RESPONSE,
    ) -> None:
        super().__init__()
        self._proxy = urlsplit(proxy) if proxy else None
        if self._proxy is not None and self._proxy.scheme != "http":
            raise ValueError("this transport's proxies are http ones: proxy='http://host:port'")
        self._proxy_headers = proxy_headers(proxy)
        self._ssl_context = ssl_context
        self._max_response = max_response
        self._lines = Lines()
        self._composer = Composer()
        self._slots = threading.Semaphore(connections)
        self._lock = threading.Lock()
        self._idle: dict[_Place, list[_Connection]] = {}
        self._routes: dict[tuple[str, str], tuple[_Place, str]] = {}

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        """One exchange, without redirects and retries."""
        deadline = time.monotonic() + timeout
        place, start = self._routes.get((request.method, request.url)) or self._find(request)
        message = MaskedBytes(self._composer.message(start, request.headers, request.body))
        if not self._slots.acquire(timeout=timeout):
            raise ConnectError("no free connection in time: more exchanges at once than connections")
        try:
            connection = self._take(place) or self._connect(place, deadline)
            persists = False
            try:
                response, persists = exchange(
                    connection.sock,
                    message,
                    request.method,
                    timeout=timeout,
                    deadline=deadline,
                    limit=self._max_response,
                )
            finally:
                self._give_back(place, connection, persists)
        finally:
            self._slots.release()
        return response

    def close(self) -> None:
        """Ends sleeps and exchanges, closes all connections."""
        self._sleeper.close()
        self._lines.close()
        with self._lock:
            idle, self._idle = self._idle, {}
        for connections in idle.values():
            for connection in connections:
                self._drop(connection)

    def _find(self, request: HttpRequest) -> tuple[_Place, str]:
        """Where a URL leads, and the first lines of the request. A client has few URLs, so they are all kept."""
        try:
            parts = urlsplit(request.url)
            if parts.scheme not in _PORTS or not parts.hostname:
                raise ConnectError("no connection: the URL is neither http nor https")
            place = _Place(parts.scheme == "https", parts.hostname, parts.port or _PORTS[parts.scheme])
            forwards = self._proxy is not None and not place.is_secure
            start = opening(request.method, parts, self._proxy_headers if forwards else None)[1]
        except ValueError as error:
            raise ConnectError(f"no connection: {error}") from error
        self._routes[request.method, request.url] = place, start
        return place, start

    def _take(self, place: _Place) -> _Connection | None:
        """A connection that was kept, if the other side has not closed it, or said something unasked, meanwhile."""
        while True:
            with self._lock:
                idle = self._idle.get(place)
                if not idle:
                    return None
                connection = idle.pop()
            if is_quiet(connection.sock):
                return connection
            self._drop(connection)

    def _connect(self, place: _Place, deadline: float) -> _Connection:
        if self._lines.is_closed():
            raise ConnectError("the transport is closed")
        host, port = place.host, place.port
        if self._proxy is not None:
            host, port = self._proxy.hostname or "", self._proxy.port or _PORTS["http"]
        sock, key = self._lines.dial(host, port, deadline)
        try:
            if place.is_secure:
                if self._proxy is not None:
                    tunnel(sock, place.host, place.port, self._proxy_headers, deadline)
                sock.settimeout(max(0.001, deadline - time.monotonic()))
                sock = self._context().wrap_socket(sock, server_hostname=place.host)
        except BaseException as error:
            self._drop(_Connection(sock, key))
            if isinstance(error, OSError):
                raise ConnectError(f"no connection: {error}") from error
            raise
        return _Connection(sock, key)

    def _context(self) -> ssl.SSLContext:
        if self._ssl_context is None:
            import ssl  # on first use: it takes longer to import than everything else here

            self._ssl_context = ssl.create_default_context()
        return self._ssl_context

    def _give_back(self, place: _Place, connection: _Connection, persists: bool) -> None:
        with self._lock:
            if persists and not self._lines.is_closed():
                self._idle.setdefault(place, []).append(connection)
                return
        self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
        connection.sock.close()
        self._lines.hang_up(connection.key)


class _Place(NamedTuple):
    """Where connections lead."""

    is_secure: bool
    host: str
    port: int


class _Connection(NamedTuple):
    """An open one, and the key by which it can be ended from elsewhere."""

    sock: socket.socket
    key: socket.socket
