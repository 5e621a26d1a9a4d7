"""What the transports for threads have in common: settings, sleeping, keeping connections, closing, and forks."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import ClassVar, Generic, Protocol, TypeVar

from altcraft.errors import ConnectError, ConnectionLost, RequestTimeout
from altcraft.wire.messages import HttpRequest, HttpResponse
from altcraft.wire.transport import TransportSettings
from altcraft_transports._common.abilities import Abilities, checked_settings
from altcraft_transports._common.errors import CLOSED, bare
from altcraft_transports._common.forks import heed_forks
from altcraft_transports._common.kept import Kept
from altcraft_transports._common.routes import Route, Routes
from altcraft_transports._common.sleeper import Sleeper
from altcraft_transports._common.slots import Slots

__all__ = ["ForThreads", "Pooled"]

CONNECTIONS = 16
"""How many connections are open at most, where the settings say nothing."""


class ForThreads:
    """Settings, sleeping and closing. Thread-safe."""

    abilities: ClassVar[Abilities]

    def __init__(self, settings: TransportSettings | None = None) -> None:
        self.settings = checked_settings(settings, self.abilities)
        self._closed = False
        self._sleeper = Sleeper()
        heed_forks(self)

    def sleep(self, seconds: float) -> None:
        """Sleeps, until the transport is woken or closed."""
        self._sleeper.sleep(seconds)

    def wake(self) -> None:
        """Ends all sleeps."""
        self._sleeper.wake()

    def close(self) -> None:
        """Ends the sleeps and the exchanges under way, and closes all connections."""
        self._closed = True
        self._sleeper.close()

    def after_fork(self) -> None:
        """Begins anew in a forked child: with locks that no thread of the parent holds."""
        self._sleeper = Sleeper()
        if self._closed:
            self._sleeper.close()


class Connection(Protocol):
    """What a pool keeps. One thread uses it at a time; `abort` is for the others."""

    def close(self) -> None:
        """Closes it, at once."""
        ...

    def abort(self) -> None:
        """Ends the exchange under way."""
        ...

    def abandon(self) -> None:
        """Lets go of it in a forked child, without a word to the server."""
        ...


C = TypeVar("C", bound=Connection)


class Pooled(ForThreads, ABC, Generic[C]):
    """Keeps connections, and bounds how many are in use."""

    def __init__(self, settings: TransportSettings | None = None) -> None:
        super().__init__(settings)
        self._routes = Routes(self.settings, self.abilities.proxies)
        self._begin()

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        """Carries out one exchange, without redirects and repetitions."""
        try:
            return self._send(request, timeout, time.monotonic() + timeout)
        except BaseException as error:
            raise bare(error)  # noqa: B904  # it is the same one

    def close(self) -> None:
        """Ends the sleeps and the exchanges under way, and closes all connections."""
        super().close()
        self._kept.close()
        for connection in tuple(self._busy):
            connection.abort()
        for _ in range(self._limit):
            self._slots.give()  # a thread that waits for a connection need not wait for its turn to be refused

    def after_fork(self) -> None:
        """Begins anew in a forked child: with connections of its own."""
        super().after_fork()
        old = [*self._kept.drain(), *self._busy]
        self._begin()
        if self._closed:
            self._kept.close()
        for connection in old:
            connection.abandon()

    def _begin(self) -> None:
        self._limit = self.settings.connections or CONNECTIONS
        self._slots = Slots(self._limit)
        self._kept: Kept[C] = Kept(self.settings.keep_idle, _close)
        self._busy: set[C] = set()

    @abstractmethod
    def _make(self) -> C:
        """Makes a connection that leads nowhere yet."""

    @abstractmethod
    def _carry(
        self, connection: C, request: HttpRequest, route: Route, timeout: float, deadline: float
    ) -> tuple[HttpResponse, bool]:
        """Carries an exchange over a connection, which it opens if need be; says whether it can carry another.

        ConnectError if nothing was sent, as when the peer has ended a connection that was kept.
        """

    def _send(self, request: HttpRequest, timeout: float, deadline: float) -> HttpResponse:
        route = self._routes.of(request)
        slots = self._slots
        if not slots.take(timeout):
            raise ConnectError("no free connection in time: more exchanges at once than connections")
        try:
            while (kept := self._kept.take(route.place)) is not None:
                try:
                    return self._use(kept, request, route, timeout, deadline)
                except ConnectError:  # nothing was sent, so the next one does as well
                    continue
                except (ConnectionLost, RequestTimeout):
                    self._kept.clear()  # its siblings may be as dead
                    raise
            return self._use(self._make(), request, route, timeout, deadline)
        finally:
            slots.give()

    def _use(self, connection: C, request: HttpRequest, route: Route, timeout: float, deadline: float) -> HttpResponse:
        """Carries out an exchange over a connection, and keeps or closes it."""
        persists = False
        self._busy.add(connection)
        try:
            if self._closed:
                raise ConnectError(CLOSED)
            response, persists = self._carry(connection, request, route, timeout, deadline)
        finally:
            self._busy.discard(connection)
            if persists:
                self._kept.give_back(route.place, connection)
            else:
                connection.close()
        return response


def _close(connection: Connection) -> None:
    connection.close()
