"""httpx for threads, on sockets that know how much of an exchange's time is left."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from typing import Any

import httpcore
import httpx

from altcraft.wire.messages import HttpRequest, HttpResponse
from altcraft.wire.transport import TransportSettings
from altcraft_transports._common.abilities import Abilities
from altcraft_transports._common.body import Body
from altcraft_transports._common.errors import FAILURES, Progress, said
from altcraft_transports._common.for_threads import Pooled
from altcraft_transports._common.lines import Line
from altcraft_transports._common.ready import is_quiet
from altcraft_transports._common.routes import Place, Route
from altcraft_transports._common.sending import begins_final, bounded, send
from altcraft_transports.httpx._exchange import (
    Gathering,
    failure,
    has_more,
    is_request,
    new_request,
    pool_options,
    replied,
)

__all__ = ["HttpxTransport"]


class Lane(Line):
    """A connection, with a transport of httpx's over it, which has no other.

    One of httpx's transports with many connections looks at every pair of them with each exchange: at a hundred, that
    takes ten times as long as the exchange.
    """

    def __init__(self) -> None:
        super().__init__()
        self.progress = Progress()
        self.deadline = 0.0
        self._over: _Transport | None = None

    def over(self, place: Place, settings: TransportSettings) -> httpx.HTTPTransport:
        """Returns httpx's transport. All exchanges of a lane have one place."""
        if self._over is None:
            self._over = _Transport(self, place, settings)
        return self._over


class HttpxTransport(Pooled[Lane]):
    """HTTP/1.1 over connections that are kept alive. TLS certificates are verified. Thread-safe.

    Page: docs/reference/transports.md.
    """

    abilities = Abilities("httpx")

    def _make(self) -> Lane:
        return Lane()

    def _carry(
        self, connection: Lane, request: HttpRequest, route: Route, timeout: float, deadline: float
    ) -> tuple[HttpResponse, bool]:
        progress = connection.progress = Progress()
        connection.deadline = deadline
        progress.is_kept = connection.sock is not None
        asked = new_request(request, route)
        try:
            response = connection.over(route.place, self.settings).handle_request(asked)
            try:
                body = Body(self.settings.max_response, response.headers.get("content-encoding"))
                for chunk in response.stream:  # type: ignore[union-attr]  # a response to a sync request has a sync one
                    body.feed(chunk)
                persists = not has_more(response)
            finally:
                response.close()
        except (httpx.TimeoutException, httpcore.TimeoutException):
            raise progress.late(timeout) from None
        except FAILURES:
            raise
        except Exception as error:
            raise failure(error, progress) from error
        return replied(response, body), persists and connection.sock is not None


class _Transport(httpx.HTTPTransport):
    """httpx's transport over one connection. Its own constructor would read the authorities' certificates each time."""

    def __init__(self, lane: Lane, place: Place, settings: TransportSettings) -> None:
        pool = httpcore.ConnectionPool if place.proxy is None else httpcore.HTTPProxy
        self._pool = pool(network_backend=_Backend(lane), **pool_options(place, settings))


class _Backend(httpcore.NetworkBackend):
    """httpcore's way to the network."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane

    def connect_tcp(self, host: str, port: int, *_: object, **__: object) -> httpcore.NetworkStream:
        self._lane.dial(host, port, self._lane.deadline)
        return _Stream(self._lane)


class _Stream(httpcore.NetworkStream):
    """A socket whose every operation is bounded by what is left of the exchange."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._heard = b""
        self._gathering = Gathering()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._heard:
            data, self._heard = self._heard, b""
            return data
        with self._socket(httpcore.ReadTimeout, httpcore.ReadError) as sock:
            return bytes(sock.recv(max_bytes))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        message = self._gathering.add(buffer)
        if not message:
            return
        progress = self._lane.progress if is_request(message) else Progress()
        with self._socket(httpcore.WriteTimeout, httpcore.WriteError) as sock:
            if not send(sock, message, self._lane.deadline, progress, self._hear):
                raise httpcore.WriteError("the peer has ended the exchange")

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        with self._socket(httpcore.ConnectTimeout, httpcore.ConnectError) as sock:
            self._lane.sock = ssl_context.wrap_socket(sock, server_hostname=server_hostname)
        return self

    def close(self) -> None:
        self._lane.close()

    def get_extra_info(self, info: str) -> Any:
        sock = self._lane.sock
        if info == "is_readable":
            return sock is None or not is_quiet(sock)
        return {"socket": sock, "ssl_object": sock if isinstance(sock, ssl.SSLSocket) else None}.get(info)

    def _hear(self, data: bytes) -> bool:
        self._heard += data
        return not data or begins_final(self._heard)

    @contextlib.contextmanager
    def _socket(self, late: type[Exception], broken: type[Exception]) -> Iterator[Any]:
        """The socket, bounded in time; httpcore wants to see its own errors."""
        try:
            if self._lane.sock is None:
                raise OSError("it is closed")
            bounded(self._lane.sock, self._lane.deadline)
            yield self._lane.sock
        except TimeoutError as error:
            raise late(said(error)) from error
        except OSError as error:
            raise broken(said(error)) from error
