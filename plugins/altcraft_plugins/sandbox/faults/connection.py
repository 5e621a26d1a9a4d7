"""The connection that brought a request, as far as a fault needs it: it can wait, and end the hard way."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NoReturn, Protocol

from altcraft import ConnectError, ConnectionLost, RequestTimeout
from altcraft_plugins.sandbox.clock import Clock

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

__all__ = ["Connection", "ConnectionAborted", "connection_of"]

CHECK_EVERY: Final = 0.1
"""Seconds after which a waiting exchange checks again that the client is still connected."""


class ConnectionAborted(Exception):
    """Raised by the application: the server has to reset the connection, without a reply."""


class Connection(Protocol):
    """What a fault can do to a connection. Each method may raise, and so end the exchange without a reply."""

    def wait(self, seconds: float) -> None:
        """Waits. Raises where the exchange is over before."""
        ...

    def reset(self) -> NoReturn:
        """Ends the connection after the request has been read."""
        ...

    def refuse(self) -> NoReturn:
        """Ends the connection as if there were no server."""
        ...


def connection_of(environ: WSGIEnvironment, clock: Clock, is_closed: Callable[[], bool]) -> Connection:
    """The connection of a request. `is_closed` says that the sandbox has been closed, which ends all waiting."""
    if "altcraft.timeout" in environ:
        return _InProcess(clock, is_closed, float(environ["altcraft.timeout"]))
    is_disconnected: Callable[[], bool] = environ.get("waitress.client_disconnected") or (lambda: False)
    return _Socket(clock, lambda: is_closed() or is_disconnected())


class _InProcess:
    """A call by a client's transport, in its process: errors are raised instead of sent."""

    def __init__(self, clock: Clock, is_closed: Callable[[], bool], timeout: float) -> None:
        self._clock = clock
        self._is_closed = is_closed
        self._timeout = timeout
        self._left = timeout

    def wait(self, seconds: float) -> None:
        self._clock.sleep(min(seconds, self._left))
        if self._is_closed():
            raise ConnectionLost("the sandbox was closed during the exchange")
        self._left -= seconds
        if self._left <= 0:
            raise RequestTimeout(f"no complete reply within {self._timeout:g} s")

    def reset(self) -> NoReturn:
        raise ConnectionLost("the fault plan has reset the connection")

    def refuse(self) -> NoReturn:
        raise ConnectError("the fault plan has an outage: the connection is refused")


class _Socket:
    """A request that a server has read from a socket."""

    def __init__(self, clock: Clock, is_over: Callable[[], bool]) -> None:
        self._clock = clock
        self._is_over = is_over

    def wait(self, seconds: float) -> None:
        until = self._clock.monotonic() + seconds
        while (left := until - self._clock.monotonic()) > 0:
            self._clock.sleep(min(left, CHECK_EVERY))
            if self._is_over():
                self.reset()

    def reset(self) -> NoReturn:
        raise ConnectionAborted

    def refuse(self) -> NoReturn:
        raise ConnectionAborted
