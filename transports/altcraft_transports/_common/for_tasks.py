"""What the transports for an event loop's tasks have in common: settings, sleeping, bounds in time, closing, forks."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from typing import ClassVar

from altcraft.errors import ConnectError, UsedAfterFork
from altcraft.wire.messages import HttpRequest, HttpResponse
from altcraft.wire.transport import TransportSettings
from altcraft_transports._common.abilities import Abilities, checked_settings
from altcraft_transports._common.errors import CLOSED, Progress, bare
from altcraft_transports._common.forks import FORKED, heed_forks
from altcraft_transports._common.loops import AsyncSleeper, Bound, Flag
from altcraft_transports._common.routes import Routes

__all__ = ["CONNECTIONS", "ForTasks", "all_gone"]

CONNECTIONS = 100
"""How many connections are open at most, where the settings say nothing."""
_FAREWELL = 1.0  # seconds that closing waits for the event loop to give its sockets up


class ForTasks:
    """Settings, sleeping, closing, and the time of an exchange. The tasks of one event loop share it."""

    abilities: ClassVar[Abilities]

    def __init__(self, settings: TransportSettings | None = None) -> None:
        self.settings = checked_settings(settings, self.abilities)
        self._routes = Routes(self.settings, self.abilities.proxies)
        self._closed = self._forked = False
        self._sleeper = AsyncSleeper()
        self._bounds: set[Bound] = set()
        heed_forks(self)

    async def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        """Carries out one exchange, without redirects and repetitions."""
        try:
            return await self._send(request, timeout)
        except BaseException as error:
            raise bare(error)  # noqa: B904  # it is the same one

    async def sleep(self, seconds: float) -> None:
        """Sleeps, until the transport is closed."""
        await self._sleeper.sleep(seconds)

    async def close(self) -> None:
        """Ends the sleeps and the exchanges under way."""
        self._closed = True
        self._sleeper.close()
        for bound in tuple(self._bounds):
            bound.end()

    def after_fork(self) -> None:
        """Notes, in a forked child, that the connections and the event loop are the parent's."""
        self._forked = True

    async def _carry(self, request: HttpRequest, progress: Progress) -> HttpResponse:
        """Carries out an exchange, and notes in `progress` when the request goes out."""
        raise NotImplementedError

    async def _send(self, request: HttpRequest, timeout: float) -> HttpResponse:
        if self._forked:
            raise UsedAfterFork(FORKED)
        if self._closed:
            raise ConnectError(CLOSED)
        progress = Progress()
        try:
            async with Bound(timeout) as bound:
                self._bounds.add(bound)
                try:
                    return await self._carry(request, progress)
                finally:
                    self._bounds.discard(bound)
        except TimeoutError:
            pass
        if self._closed:
            raise progress.failed("the transport was closed during the exchange")
        raise progress.late(timeout)


async def all_gone(sockets: Iterable[socket.socket]) -> None:
    """Waits until sockets are closed that are about to be: event loops do it a little later."""
    patience = time.monotonic() + _FAREWELL
    while any(sock.fileno() >= 0 for sock in tuple(sockets)) and time.monotonic() < patience:
        await Flag().wait(0.001)
