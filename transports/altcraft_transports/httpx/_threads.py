"""httpx for threads, on sockets that know how much of an exchange's time is left."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import httpcore
import httpx

from altcraft.errors import ConnectError
from altcraft.wire.messages import HttpRequest, HttpResponse
from altcraft_transports._common.body import MAX_RESPONSE, Body
from altcraft_transports._common.dial import Lines, is_quiet
from altcraft_transports._common.sleep import Sleeping
from altcraft_transports.httpx._exchange import (
    Exchange,
    Lanes,
    current,
    has_more,
    headers,
    note_sending,
    settings,
)

__all__ = ["HttpxTransport"]


class HttpxTransport(Sleeping):
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
        self._max_response = max_response
        self._lines = Lines()
        self._settings = settings(proxy, ssl_context)
        self._lanes = Lanes(self._lane)
        self._free = threading.Semaphore(connections)

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        """One exchange, without redirects and retries."""
        if self._lines.is_closed():
            raise ConnectError("the transport is closed")
        exchange = Exchange(request, timeout)
        current.set(exchange)
        if not self._free.acquire(timeout=timeout):
            raise exchange.out_of_time()
        try:
            with exchange.sorting_errors(), self._lanes.one() as lane:
                return self._exchange(lane, exchange.request)
        finally:
            self._free.release()

    def close(self) -> None:
        """Ends sleeps and exchanges, closes all connections."""
        self._sleeper.close()
        self._lines.close()
        for lane in tuple(self._lanes.made):
            lane.close()

    def _lane(self) -> httpx.HTTPTransport:
        lane = httpx.HTTPTransport(**self._settings)
        lane._pool._network_backend = _Backend(self._lines)
        return lane

    def _exchange(self, lane: httpx.HTTPTransport, request: httpx.Request) -> HttpResponse:
        response = lane.handle_request(request)
        try:
            body = Body(self._max_response, response.headers.get("content-encoding"))
            for chunk in response.stream:  # type: ignore[union-attr]  # a response to a sync request has a sync one
                body.feed(chunk)
            if has_more(response):
                response.extensions["network_stream"].close()
        finally:
            response.close()
        return HttpResponse(response.status_code, headers(response), body.whole())


class _Backend(httpcore.NetworkBackend):
    """httpcore's way to the network, with our sockets in it."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def connect_tcp(self, host: str, port: int, *_: object, **__: object) -> httpcore.NetworkStream:
        sock, key = self._lines.dial(host, port, current.get().deadline)
        return _Stream(self._lines, sock, key)


class _Stream(httpcore.NetworkStream):
    """A socket whose every operation is bounded by what is left of the exchange."""

    def __init__(self, lines: Lines, sock: Any, key: Any) -> None:
        self._lines, self._sock, self._key = lines, sock, key

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with self._mapped(httpcore.ReadTimeout, httpcore.ReadError):
            data: bytes = self._sock.recv(max_bytes)
            return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        note_sending(buffer)
        rest = memoryview(buffer)
        while rest:
            with self._mapped(httpcore.WriteTimeout, httpcore.WriteError):
                rest = rest[self._sock.send(rest) :]

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            with self._mapped(httpcore.ConnectTimeout, httpcore.ConnectError):
                self._sock = ssl_context.wrap_socket(self._sock, server_hostname=server_hostname)
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        self._sock.close()
        self._lines.hang_up(self._key)

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return self._sock.fileno() < 0 or not is_quiet(self._sock)
        return {"socket": self._sock, "ssl_object": self._sock if isinstance(self._sock, ssl.SSLSocket) else None}.get(
            info
        )

    @contextlib.contextmanager
    def _mapped(self, late: type[Exception], broken: type[Exception]) -> Iterator[None]:
        try:
            self._sock.settimeout(current.get().left())
            yield
        except TimeoutError as error:
            raise late(str(error)) from error
        except OSError as error:
            raise broken(str(error)) from error
