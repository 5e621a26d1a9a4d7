"""The default transport: urllib3's connection pools, TLS and proxies.

What goes over a connection is read and written by `_http1`: in one send and without urllib3's own response objects, so
that the time of an exchange is bounded as a whole, and its cost is below that of a bare `urlopen`. Looking a host name
up can't be interrupted, nor bounded in time. Proxies: http and https ones, no SOCKS.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import EmptyPoolError, HTTPError
from urllib3.util import Retry

from altcraft.errors import ConnectError
from altcraft.wire.messages import HttpRequest, HttpResponse
from altcraft.wire.secret import MaskedBytes
from altcraft_transports._common.body import MAX_RESPONSE
from altcraft_transports._common.dial import Lines
from altcraft_transports._common.http1 import exchange, tunnel
from altcraft_transports._common.requests import Composer, opening, proxy_headers
from altcraft_transports._common.sleep import Sleeping

if TYPE_CHECKING:
    import socket
    import ssl

__all__ = ["Urllib3Transport", "create"]

_ONCE = Retry(False, redirect=False)


def create(
    url: str,
    *,
    proxy: str | None = None,
    ssl_context: ssl.SSLContext | None = None,
    connections: int = 16,
    max_response: int = MAX_RESPONSE,
) -> Urllib3Transport:
    """The transport, whatever the URL; options as the class takes them."""
    return Urllib3Transport(proxy=proxy, ssl_context=ssl_context, connections=connections, max_response=max_response)


class Urllib3Transport(Sleeping):
    """HTTP/1.1 over kept-alive connections, at most `connections` to a host; further exchanges wait for a free one.

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
        settings: dict[str, Any] = {"maxsize": connections, "block": True, "ssl_context": ssl_context}
        self.proxy_headers = proxy_headers(proxy)
        self._manager = (
            urllib3.ProxyManager(proxy, proxy_headers=self.proxy_headers, **settings)
            if proxy
            else urllib3.PoolManager(**settings)
        )
        self.max_response = max_response
        self.lines = Lines()
        self.current = _Current()
        self._composer = Composer()
        self._lock = threading.Lock()
        self._routes: dict[tuple[str, str], tuple[urllib3.HTTPConnectionPool, str, str]] = {}

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        """One exchange, without redirects and retries."""
        current = self.current
        current.timeout, current.deadline = timeout, time.monotonic() + timeout
        pool, target, start = self._routes.get((request.method, request.url)) or self._find(request)
        try:
            pool.urlopen(
                request.method,
                target,
                body=MaskedBytes(self._composer.message(start, request.headers, request.body)),
                headers={},
                retries=_ONCE,
                redirect=False,
                assert_same_host=False,
                timeout=timeout,
                pool_timeout=timeout,  # type: ignore[arg-type]  # annotated int, handed to Queue.get
            )
        except EmptyPoolError as error:
            raise ConnectError("no free connection in time: more exchanges at once than connections") from error
        except (HTTPError, OSError) as error:  # what is raised before there is a connection
            raise ConnectError(f"no connection: {error}") from error
        return current.response

    def close(self) -> None:
        """Ends sleeps and exchanges, closes all connections."""
        self._sleeper.close()
        self.lines.close()
        self._manager.clear()

    def _find(self, request: HttpRequest) -> tuple[urllib3.HTTPConnectionPool, str, str]:
        """The pool for a URL, what the request line is to name, and the first lines of the request.

        A client has few URLs, so they are all kept.
        """
        if self.lines.is_closed():
            raise ConnectError("the transport is closed")
        try:
            parts = urlsplit(request.url)
            pool = self._manager.connection_from_url(request.url)
            forwards = pool.proxy is not None and parts.scheme == "http"
            target, start = opening(request.method, parts, self.proxy_headers if forwards else None)
        except (HTTPError, ValueError) as error:
            raise ConnectError(f"no connection: {error}") from error
        with self._lock:
            if "transport" not in pool.conn_kw:
                # The protocol that pyright holds this against is one that urllib3's own classes don't meet either.
                pool.ConnectionCls = _Https if parts.scheme == "https" else _Http  # pyright: ignore[reportAttributeAccessIssue]
                pool.conn_kw["transport"] = self
        route = pool, target, start
        self._routes[request.method, request.url] = route
        return route


class _Current(threading.local):
    """What the calling thread's exchange may take, and what came of it."""

    timeout: float
    deadline: float
    response: HttpResponse


class _Connection(HTTPConnection):
    """A connection as urllib3's pools handle it. Its errors are this library's, and go through them untouched."""

    def __init__(self, *args: Any, transport: Urllib3Transport, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._transport = transport
        self._key: socket.socket | None = None

    def connect(self) -> None:
        try:
            super().connect()
        except (HTTPError, OSError) as error:
            raise ConnectError(f"no connection: {error}") from error

    def request(self, method: str, url: str, body: Any = None, headers: Any = None, **_: Any) -> None:
        """Sends the message that the transport has composed, and reads the reply to it."""
        if self.sock is None:
            self.connect()
        assert self.sock is not None
        current, limit = self._transport.current, self._transport.max_response
        current.response, persists = exchange(
            self.sock, body, method, timeout=current.timeout, deadline=current.deadline, limit=limit
        )
        if not persists:
            self.close()

    def getresponse(self) -> Any:
        """A stand-in for urllib3's response: the real one has gone to the transport by now."""
        return _Done()

    def close(self) -> None:
        super().close()
        if self._key is not None:
            self._transport.lines.hang_up(self._key)
            self._key = None

    def _new_conn(self) -> socket.socket:
        sock, self._key = self._transport.lines.dial(
            self._dns_host.strip("[]"), self.port, self._transport.current.deadline
        )
        return sock

    def _tunnel(self) -> None:
        """The proxy's CONNECT, in bounded time, which http.client's own does not have."""
        assert self._tunnel_host is not None
        assert self._tunnel_port is not None
        current = self._transport.current
        tunnel(self.sock, self._tunnel_host, self._tunnel_port, self._transport.proxy_headers, current.deadline)


class _Done:
    """What urllib3 looks at after an exchange, to log it and to see that there is nothing to repeat."""

    status = 200
    headers: Mapping[str, str] = MappingProxyType({})
    version = 11
    version_string = "HTTP/1.1"
    length_remaining = 0


class _Http(_Connection):
    pass


class _Https(_Connection, HTTPSConnection):
    pass
