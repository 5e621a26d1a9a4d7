"""The transport: one exchange from its connection to its reply."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from urllib.parse import SplitResult, urlsplit

import h11
from altcraft import (
    ConnectError,
    ConnectionLost,
    DecodeError,
    HttpRequest,
    HttpResponse,
    RequestTimeout,
    ResponseTooLarge,
    TransportSettings,
)

from altcraft_h11.waiting import Ended, Waiting

__all__ = ["H11Transport"]

CODINGS = frozenset({"br", "compress", "deflate", "gzip", "x-compress", "x-gzip", "zstd"})
"""None is asked for, and none is read. Other words in Content-Encoding, such as utf-8, are no codings."""

LARGEST_HEADER = 64 << 10
"""Bytes."""


class H11Transport:
    """A new connection for each exchange. Threads may share it. Proxies of the environment are not heeded.

    Heeds `max_response` and `ssl_context` of the settings, and has no use for `keep_idle`. ValueError for a proxy or a
    number of connections.
    """

    def __init__(self, settings: TransportSettings | None = None) -> None:
        self.settings = settings if settings is not None else TransportSettings()
        if self.settings.proxy is not None or self.settings.connections is not None:
            raise ValueError("the transport h11 knows no proxy, and no limit of connections: leave both settings out")
        self._lock = threading.Lock()
        self._under_way: set[Waiting] = set()
        self._closed = threading.Event()
        self._context = self.settings.ssl_context

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        """Carries out one exchange within `timeout` seconds."""
        waiting = Waiting(time.monotonic() + timeout)
        with self._lock:
            if self._closed.is_set():
                waiting.close()
                raise ConnectError("the transport is closed")
            self._under_way.add(waiting)
        connection: socket.socket | None = None
        try:
            parts, target = _address(request)
            http = h11.Connection(h11.CLIENT, max_incomplete_event_size=LARGEST_HEADER)
            outgoing = _written(http, request, parts, target)
            connection = self._connect(parts, waiting)
            return self._talk(http, connection, outgoing, waiting, timeout)
        finally:
            with self._lock:
                self._under_way.discard(waiting)
            waiting.close()
            if connection is not None:
                connection.close()

    def sleep(self, seconds: float) -> None:
        """Returns after so many seconds, or once the transport is closed."""
        self._closed.wait(seconds)

    def close(self) -> None:
        """Ends the exchanges and sleeps under way. May be called twice."""
        with self._lock:
            self._closed.set()
            for waiting in self._under_way:
                waiting.end()

    # Before anything is sent: every failure is a ConnectError.

    def _connect(self, parts: SplitResult, waiting: Waiting) -> socket.socket:
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        reason = "it has no address"
        try:
            addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError, OverflowError) as error:
            raise ConnectError(f"{host} can't be found: {error}") from None
        for family, kind, protocol, _, address in addresses:
            connection = socket.socket(family, kind, protocol)
            try:
                connection.setblocking(False)
                waiting.connect(connection, address)
                return self._secured(connection, host, waiting) if parts.scheme == "https" else connection
            except (OSError, Ended) as error:  # a TimeoutError is an OSError, too
                connection.close()
                reason = str(error) or type(error).__name__
            except BaseException:
                connection.close()
                raise
        raise ConnectError(f"no connection to {host}:{port}: {reason}")

    def _secured(self, connection: socket.socket, host: str, waiting: Waiting) -> socket.socket:
        if self._context is None:
            self._context = ssl.create_default_context()
        secured = self._context.wrap_socket(connection, server_hostname=host, do_handshake_on_connect=False)
        try:
            waiting.shake_hands(secured)
        except BaseException:
            secured.close()
            raise
        return secured

    # From here on the request may have been processed.

    def _talk(
        self, http: h11.Connection, connection: socket.socket, outgoing: bytes, waiting: Waiting, timeout: float
    ) -> HttpResponse:
        reply = _Reply(http, self.settings.max_response)
        left = memoryview(outgoing)
        try:
            while True:
                try:
                    left = left[waiting.push(connection, left) :]
                except OSError:
                    left = left[:0]  # the server reads no more, and may have replied before
                data = waiting.pull(connection)
                if data is None:
                    waiting.wait(connection, writes=bool(left))
                elif (response := reply.feed(data)) is not None:
                    return response
        except TimeoutError:
            raise RequestTimeout(f"no reply within {timeout:g} s") from None
        except Ended:
            raise ConnectionLost("the transport was closed during the exchange") from None
        except h11.RemoteProtocolError:  # without its text, which may repeat what was sent
            raise ConnectionLost("what came back is no whole HTTP reply") from None
        except OSError as error:
            raise ConnectionLost(f"the exchange broke off: {type(error).__name__}") from None


class _Reply:
    """A reply as it comes in."""

    def __init__(self, http: h11.Connection, largest: int) -> None:
        self._http = http
        self._largest = largest
        self._head: h11.Response | None = None
        self._body = bytearray()

    def feed(self, data: bytes) -> HttpResponse | None:
        """Takes bytes, b"" for the end of the connection. Returns the reply once it is whole."""
        self._http.receive_data(data)
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                return None
            if isinstance(event, h11.Response):
                self._head = event
            elif isinstance(event, h11.Data):
                self._body += event.data
                if len(self._body) > self._largest:
                    raise ResponseTooLarge(f"the reply has more than {self._largest} bytes")
            elif isinstance(event, h11.EndOfMessage) and self._head is not None:
                return _response(self._head, bytes(self._body))
            elif not isinstance(event, h11.InformationalResponse):
                raise h11.RemoteProtocolError("the reply ended")


def _response(head: h11.Response, body: bytes) -> HttpResponse:
    headers: dict[str, str] = {}
    for name, value in head.headers:
        key, text = name.decode("ascii"), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    named = {word.strip().lower() for word in headers.get("content-encoding", "").split(",")}
    for coding in sorted(named & CODINGS):
        raise DecodeError(f"the reply has the coding {coding}, which was not asked for")
    return HttpResponse(head.status_code, headers, body)


def _address(request: HttpRequest) -> tuple[SplitResult, str]:
    try:
        parts = urlsplit(request.url)
        if parts.port is not None and parts.port < 1:
            raise ValueError("port 0")
    except ValueError as error:
        raise ConnectError(f"the URL can't be used: {error}") from None
    return parts, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _written(http: h11.Connection, request: HttpRequest, parts: SplitResult, target: str) -> bytes:
    """The request's bytes."""
    headers = [("Host", parts.netloc.rpartition("@")[2]), ("Connection", "close")]
    headers.append(("Content-Length", str(len(request.body))))
    headers.extend(request.headers.items())
    try:
        head = http.send(h11.Request(method=request.method, target=target, headers=headers))
        body = http.send(h11.Data(data=request.body))
        return (head or b"") + (body or b"") + (http.send(h11.EndOfMessage()) or b"")
    except (h11.LocalProtocolError, UnicodeError):  # without its text, which may show a header
        raise ConnectError("the request can't be written: its method, URL or headers are not HTTP") from None
