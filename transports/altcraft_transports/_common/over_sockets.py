"""HTTP/1.1 over plain sockets: what the transports urllib3 and http_client have in common."""

from __future__ import annotations

import socket
import time
from abc import abstractmethod
from typing import NamedTuple

from altcraft.errors import ConnectError
from altcraft.wire.messages import HttpRequest, HttpResponse
from altcraft.wire.transport import TransportSettings
from altcraft_transports._common.errors import said
from altcraft_transports._common.for_threads import Pooled
from altcraft_transports._common.http1 import exchange, tunnel
from altcraft_transports._common.lines import Line
from altcraft_transports._common.requests import Composer
from altcraft_transports._common.routes import Place, Route

__all__ = ["OverSockets", "Way"]


class Way(NamedTuple):
    """A line, the place to which it is to lead, and the moment on time.monotonic by which it has to."""

    line: Line
    place: Place
    deadline: float

    def near(self) -> tuple[str, int]:
        """Returns the host and the port to connect to: the proxy's, if there is one."""
        proxy = self.place.proxy
        return (self.place.host, self.place.port) if proxy is None else (proxy.host, proxy.port)

    def dial(self) -> socket.socket:
        """Connects the line."""
        return self.timed(self.line.dial(*self.near(), self.deadline))

    def tunnel(self, sock: socket.socket) -> None:
        """Has the proxy lead the connection on to the place, as it does for https."""
        if self.place.proxy is not None:
            tunnel(sock, self.place.host, self.place.port, self.place.proxy, self.deadline)
            self.timed(sock)

    def timed(self, sock: socket.socket) -> socket.socket:
        """Bounds the next operation of a socket by what is left of the time."""
        sock.settimeout(max(0.001, self.deadline - time.monotonic()))
        return sock


class OverSockets(Pooled[Line]):
    """Reads and writes HTTP/1.1 itself. A subclass says how a connection is made."""

    def __init__(self, settings: TransportSettings | None = None) -> None:
        super().__init__(settings)
        self._composer = Composer()

    @abstractmethod
    def _connect(self, way: Way) -> socket.socket:
        """Connects a line with its place. Raises ConnectError or OSError."""

    def _make(self) -> Line:
        return Line()

    def _carry(
        self, connection: Line, request: HttpRequest, route: Route, timeout: float, deadline: float
    ) -> tuple[HttpResponse, bool]:
        message = self._composer.message(route.start, request.headers, request.body)
        sock = connection.sock
        is_kept = sock is not None
        if sock is None:
            try:
                sock = connection.sock = self._connect(Way(connection, route.place, deadline))
            except OSError as error:
                raise ConnectError(f"no connection: {said(error)}") from error
        return exchange(
            sock,
            message,
            request.method,
            timeout=timeout,
            deadline=deadline,
            limit=self.settings.max_response,
            is_kept=is_kept,
        )
