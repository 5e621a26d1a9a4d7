"""httpx for tasks, under asyncio and trio."""

from __future__ import annotations

import os
import socket
import ssl
from contextlib import suppress
from typing import Any

import anyio
import httpcore
import httpx

from altcraft.errors import ConnectError, DecodeError, ResponseTooLarge
from altcraft.wire.messages import HttpRequest, HttpResponse
from altcraft.wire.transport import TransportSettings
from altcraft_transports._common.abilities import Abilities
from altcraft_transports._common.body import Body
from altcraft_transports._common.errors import ENDED, FAILURES, Progress
from altcraft_transports._common.for_tasks import CONNECTIONS, ForTasks, all_gone
from altcraft_transports._common.kept import Kept
from altcraft_transports._common.loops import Slots
from altcraft_transports._common.ready import is_quiet
from altcraft_transports._common.routes import Place, Route
from altcraft_transports._common.sending import begins_final
from altcraft_transports.httpx._exchange import (
    Gathering,
    failure,
    has_more,
    is_request,
    new_request,
    pool_options,
    replied,
)

__all__ = ["AsyncHttpxTransport"]

_LARGE = 1 << 16  # bytes of a message, from which on a refusal may arrive while it is being sent
_RECEIVE = 1 << 16


class Lane:
    """A connection, with a transport of httpx's over it, which has no other: see the lane for threads.

    httpcore may lose track of its connection when an exchange is cancelled, so that a lane serves only until something
    goes wrong; and it is our stream that is closed then.
    """

    def __init__(self, place: Place, settings: TransportSettings, sockets: set[socket.socket]) -> None:
        self.progress = Progress()
        self.over: httpx.AsyncHTTPTransport = _Transport(self, place, settings)
        self.stream: _Stream | None = None
        self._sockets = sockets

    def opened(self, inner: httpcore.AsyncNetworkStream) -> httpcore.AsyncNetworkStream:
        """Notes the connection's stream, from then on, and its socket."""
        self.stream = _Stream(self, inner)
        self._sockets.difference_update([sock for sock in self._sockets if sock.fileno() < 0])
        self._sockets.add(inner.get_extra_info("socket"))
        return self.stream

    async def aclose(self) -> None:
        """Closes the connection."""
        if self.stream is not None:
            await self.stream.aclose()


class AsyncHttpxTransport(ForTasks):
    """`HttpxTransport` for an AsyncClient, under asyncio or trio. Shared by the tasks of one event loop."""

    abilities = Abilities("httpx")

    def __init__(self, settings: TransportSettings | None = None) -> None:
        super().__init__(settings)
        self._slots = Slots(self.settings.connections or CONNECTIONS)
        self._dropped: list[Lane] = []
        self._kept: Kept[Lane] = Kept(self.settings.keep_idle, self._dropped.append)
        self._sockets: set[socket.socket] = set()

    async def close(self) -> None:
        """Ends the sleeps and the exchanges under way, and closes all connections."""
        await super().close()
        self._kept.close()
        while self._dropped:
            await self._dropped.pop().aclose()
        await all_gone(self._sockets)

    async def _carry(self, request: HttpRequest, progress: Progress) -> HttpResponse:
        route = self._routes.of(request)
        async with self._slots:
            while (kept := self._kept.take(route.place)) is not None:
                try:
                    return await self._use(kept, route, request, progress)
                except ConnectError:  # nothing was sent, so the next one does as well
                    continue
                except (ResponseTooLarge, DecodeError):
                    raise
                except BaseException:  # the end of the exchange's time comes as a cancellation
                    self._kept.clear()  # its siblings may be as dead
                    raise
            return await self._use(Lane(route.place, self.settings, self._sockets), route, request, progress)

    async def _use(self, lane: Lane, route: Route, request: HttpRequest, progress: Progress) -> HttpResponse:
        """Carries out an exchange over a connection, and keeps or closes it."""
        asked = new_request(request, route)
        lane.progress = progress
        progress.is_kept = lane.stream is not None
        persists = False
        try:
            response, persists = await self._exchange(lane, asked)
        except FAILURES:
            raise
        except Exception as error:
            raise failure(error, progress) from error
        finally:
            if persists:
                self._kept.give_back(route.place, lane)
            else:
                self._dropped.append(lane)
            with anyio.CancelScope(shield=True):
                while self._dropped:
                    await self._dropped.pop().aclose()
        return response

    async def _exchange(self, lane: Lane, request: httpx.Request) -> tuple[HttpResponse, bool]:
        """Returns the reply, and whether the connection can carry another exchange."""
        response = await lane.over.handle_async_request(request)
        body = Body(self.settings.max_response, response.headers.get("content-encoding"))
        refused: BaseException | None = None
        try:
            async for chunk in response.stream:  # type: ignore[union-attr]  # an async request's has an async one
                try:
                    if refused is None:
                        body.feed(chunk)
                except FAILURES as error:
                    # The generators behind the stream must be run to an end, trio insists: now there is one.
                    refused = error
                    await lane.aclose()
        except Exception:
            if refused is None:
                raise
        if refused is not None:
            raise refused
        persists = not has_more(response)
        await response.aclose()
        return replied(response, body), persists and lane.stream is not None


class _Transport(httpx.AsyncHTTPTransport):
    """httpx's transport over one connection. Its own constructor would read the authorities' certificates each time."""

    def __init__(self, lane: Lane, place: Place, settings: TransportSettings) -> None:
        pool = httpcore.AsyncConnectionPool if place.proxy is None else httpcore.AsyncHTTPProxy
        self._pool = pool(network_backend=_Backend(lane), **pool_options(place, settings))


class _Backend(httpcore.AsyncNetworkBackend):
    """httpcore's way to the network."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._anyio: Any = httpcore.AnyIOBackend()  # pyright takes it for the stand-in of a machine without anyio

    async def connect_tcp(self, host: str, port: int, *_: object, **__: object) -> httpcore.AsyncNetworkStream:
        return self._lane.opened(await self._anyio.connect_tcp(host, port))


class _Stream(httpcore.AsyncNetworkStream):
    """A connection that notes when a request goes out, and listens meanwhile."""

    def __init__(self, lane: Lane, inner: httpcore.AsyncNetworkStream) -> None:
        self._lane = lane
        self._inner = inner
        self._heard = b""
        self._has_ended = False
        self._gathering = Gathering()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._heard or self._has_ended:
            data, self._heard = self._heard, b""
            return data
        return await self._inner.read(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        message = self._gathering.add(buffer)
        if not message:
            return
        progress = self._lane.progress
        if progress.is_kept and not progress.is_sent and self.get_extra_info("is_readable"):
            raise httpcore.ConnectError(ENDED)
        progress.is_sent |= is_request(message)
        if len(message) < _LARGE:
            await self._inner.write(message)
        else:
            await self._write_and_listen(message)

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        return self._lane.opened(await self._inner.start_tls(ssl_context, server_hostname))

    async def aclose(self) -> None:
        if self._lane.stream is self:
            self._lane.stream = None
        await self._inner.aclose()

    def get_extra_info(self, info: str) -> Any:
        if info != "is_readable":
            return self._inner.get_extra_info(info)
        return self._lane.stream is not self or not is_quiet(self._inner.get_extra_info("socket"))

    async def _write_and_listen(self, buffer: bytes) -> None:
        """Sends a large message, unless the peer refuses it before it has all of it.

        Where the peer resets the connection after its reply, the event loop may see the reset first, and close its
        socket with the reply unread. A duplicate of the socket has it still.
        """
        duplicate = self._duplicate()
        try:
            await self._send_and_listen(buffer)
        except httpcore.WriteError:
            if duplicate is not None:
                self._heard += _left_in(duplicate)
            self._has_ended = True
            raise
        finally:
            if duplicate is not None:
                duplicate.close()

    def _duplicate(self) -> socket.socket | None:
        """The connection's socket once more; None under TLS, where what it holds can't be read."""
        if self._inner.get_extra_info("ssl_object") is not None:
            return None
        return socket.socket(fileno=os.dup(self._inner.get_extra_info("socket").fileno()))

    async def _send_and_listen(self, buffer: bytes) -> None:
        failures: list[Exception] = []

        async def listen() -> None:
            while not (self._has_ended or begins_final(self._heard)):
                try:
                    data = await self._inner.read(_RECEIVE)
                except httpcore.ReadError:
                    data = b""
                self._heard += data
                self._has_ended = not data
            failures.append(httpcore.WriteError("the peer has ended the exchange"))
            group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(listen)
            try:
                await self._inner.write(buffer)
            except Exception as error:
                failures.append(error)
            group.cancel_scope.cancel()
        if failures:
            raise failures[0]


def _left_in(sock: socket.socket) -> bytes:
    """What a socket has received, and has not handed out."""
    sock.setblocking(False)
    data = b""
    with suppress(OSError):  # nothing more has come, or the reset's turn has come
        while len(data) < _LARGE and (piece := sock.recv(_RECEIVE)):
            data += piece
    return data
