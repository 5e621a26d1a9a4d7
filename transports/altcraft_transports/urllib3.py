"""The default transport: urllib3, by way of its connection pools."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, ReadTimeoutError

from altcraft.errors import ConnectError, ConnectionLost, RequestTimeout, ResponseTooLarge
from altcraft.messages import HttpRequest, HttpResponse
from altcraft_transports._sleep import Sleeper

__all__ = ["Urllib3Transport", "create"]

MEBIBYTE = 1 << 20
_CHUNK = 1 << 16


def create(url: str) -> Urllib3Transport:
    """The transport with its default settings."""
    return Urllib3Transport()


class Urllib3Transport:
    """HTTP/1.1 over kept-alive connections, at most `connections` to a host; further exchanges wait for a free one.

    TLS certificates are verified, against the system's authorities or those of `ssl_context`, which also carries
    client certificates. `proxy` is the URL of an HTTP proxy; the environment's proxies are not looked at. A reply of
    more than `max_response` bytes, after decompression, is ResponseTooLarge. Thread-safe.
    """

    def __init__(
        self,
        *,
        proxy: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        connections: int = 16,
        max_response: int = 64 * MEBIBYTE,
    ) -> None:
        settings: dict[str, Any] = {"maxsize": connections, "block": True, "ssl_context": ssl_context}
        self._manager = urllib3.ProxyManager(proxy, **settings) if proxy else urllib3.PoolManager(**settings)
        self._has_proxy = proxy is not None
        self._max_response = max_response
        self._sleeper = Sleeper()
        self._lock = threading.Lock()
        self._targets: dict[str, tuple[urllib3.HTTPConnectionPool, str]] = {}
        self._open: set[_Tracked] = set()
        self._closed = False

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        """One exchange, without redirects and retries."""
        deadline = time.monotonic() + timeout
        pool, target = self._targets.get(request.url) or self._find(request.url)
        try:
            response = pool.urlopen(
                request.method,
                target,
                body=request.body,
                headers={"Accept-Encoding": "gzip, deflate", **request.headers},
                retries=False,
                redirect=False,
                assert_same_host=False,
                timeout=urllib3.Timeout(connect=timeout, read=timeout),
                pool_timeout=timeout,  # type: ignore[arg-type]  # annotated int, handed to Queue.get
                preload_content=False,
                decode_content=True,
            )
            body = self._read(response, deadline)
        except urllib3.exceptions.EmptyPoolError as error:
            raise ConnectError("no free connection in time: more exchanges at once than connections") from error
        except (ReadTimeoutError, TimeoutError) as error:
            raise RequestTimeout(f"no complete reply within {timeout:g} s") from error
        except (HTTPError, OSError) as error:
            raise ConnectionLost(f"the exchange broke off: {error}") from error
        return HttpResponse(response.status, response.headers, body)

    def sleep(self, seconds: float) -> None:
        """Sleeps, until the transport is woken or closed."""
        self._sleeper.sleep(seconds)

    def wake(self) -> None:
        """Ends all sleeps."""
        self._sleeper.wake()

    def close(self) -> None:
        """Ends sleeps and exchanges, closes all connections."""
        self._sleeper.close()
        with self._lock:
            self._closed = True
            connections = tuple(self._open)
        for connection in connections:
            connection.abort()
        self._manager.clear()

    def _find(self, url: str) -> tuple[urllib3.HTTPConnectionPool, str]:
        """The pool for a URL, and what the request line is to name. A client has few URLs, so they are all kept."""
        parts = urlsplit(url)
        pool = self._manager.connection_from_url(url)
        tracked = _TrackedHttps if parts.scheme == "https" else _TrackedHttp
        with self._lock:
            if pool.ConnectionCls is not tracked:
                # The protocol that pyright holds this against is one that urllib3's own classes don't meet either.
                pool.ConnectionCls = tracked  # pyright: ignore[reportAttributeAccessIssue]
                pool.conn_kw["track"] = self._track
            by_path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            target = url if self._has_proxy and parts.scheme == "http" else by_path
            self._targets[url] = (pool, target)
        return pool, target

    def _track(self, connection: _Tracked, is_open: bool) -> None:
        with self._lock:
            if not is_open:
                self._open.discard(connection)
            elif self._closed:
                raise ConnectError("the transport is closed")
            else:
                self._open.add(connection)

    def _read(self, response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
        """The whole body, decompressed, within the limits of size and time."""
        chunks: list[bytes] = []
        left = self._max_response
        complete = False
        try:
            while chunk := response.read(_CHUNK):
                chunks.append(chunk)
                left -= len(chunk)
                if left < 0:
                    limit = self._max_response
                    raise ResponseTooLarge(f"the reply has more than {limit:,} bytes, this transport's max_response")
                if time.monotonic() > deadline:
                    raise TimeoutError
            complete = True
        finally:
            if complete:
                response.release_conn()
            else:
                response.close()
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


class _Tracked(HTTPConnection):
    """A connection that its transport knows while it is open; its failure to open is told apart from all others."""

    def __init__(self, *args: Any, track: Callable[[_Tracked, bool], None], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._track = track

    def connect(self) -> None:
        try:
            super().connect()
        except (HTTPError, OSError) as error:
            raise ConnectError(f"no connection: {error}") from error
        self._track(self, True)

    def close(self) -> None:
        self._track(self, False)
        super().close()

    def abort(self) -> None:
        """Ends whatever another thread is doing on this connection."""
        sock = self.sock
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:  # it is closed already, which is what was wanted
                return


class _TrackedHttp(_Tracked):
    pass


class _TrackedHttps(_Tracked, HTTPSConnection):
    pass
