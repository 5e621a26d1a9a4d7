"""httpx for tasks, each exchange in a cancel scope."""

from __future__ import annotations

import ssl
from typing import Any

import anyio
import httpcore
import httpx

from altcraft.errors import ConnectError, ConnectionLost, TransportError
from altcraft.wire.messages import HttpRequest, HttpResponse
from altcraft_transports._common.body import MAX_RESPONSE, Body
from altcraft_transports._common.sleep import AsyncSleeper
from altcraft_transports.httpx._exchange import (
    Exchange,
    Lanes,
    current,
    has_more,
    headers,
    note_sending,
    settings,
)

__all__ = ["AsyncHttpxTransport"]


class AsyncHttpxTransport:
    """`HttpxTransport` for an AsyncClient, under asyncio or trio. Shared by the tasks of one event loop."""

    def __init__(
        self,
        *,
        proxy: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        connections: int = 100,
        max_response: int = MAX_RESPONSE,
    ) -> None:
        self._max_response = max_response
        self._sleeper = AsyncSleeper()
        self._scopes: set[anyio.CancelScope] = set()
        self._closed = False
        self._settings = settings(proxy, ssl_context)
        self._lanes = Lanes(self._lane)
        self._free = anyio.Semaphore(connections)

    async def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        """One exchange, without redirects and retries."""
        if self._closed:
            raise ConnectError("the transport is closed")
        exchange = Exchange(request, timeout)
        current.set(exchange)
        with exchange.sorting_errors(), anyio.move_on_after(timeout) as scope:
            self._scopes.add(scope)
            try:
                async with self._free:
                    with self._lanes.one() as lane:
                        return await self._exchange(lane, exchange.request)
            finally:
                self._scopes.discard(scope)
        raise self._interrupted(exchange)

    async def sleep(self, seconds: float) -> None:
        """Sleeps, until the transport is closed."""
        await self._sleeper.sleep(seconds)

    async def close(self) -> None:
        """Ends sleeps and exchanges, closes all connections."""
        self._closed = True
        self._sleeper.close()
        for scope in tuple(self._scopes):
            scope.cancel()
        for lane in self._lanes.made:
            await lane.aclose()

    def _lane(self) -> httpx.AsyncHTTPTransport:
        lane = httpx.AsyncHTTPTransport(**self._settings)
        lane._pool._network_backend = _AsyncBackend()
        return lane

    def _interrupted(self, exchange: Exchange) -> TransportError:
        """Why the scope of an exchange has ended it."""
        if not self._closed:
            return exchange.out_of_time()
        kind = ConnectionLost if exchange.is_sent else ConnectError
        return kind("the transport was closed during the exchange")

    async def _exchange(self, lane: httpx.AsyncHTTPTransport, request: httpx.Request) -> HttpResponse:
        response = await lane.handle_async_request(request)
        try:
            body = Body(self._max_response, response.headers.get("content-encoding"))
            refused: TransportError | None = None
            try:
                async for chunk in response.stream:  # type: ignore[union-attr]  # an async request's has an async one
                    try:
                        if refused is None:
                            body.feed(chunk)
                    except TransportError as error:
                        # The generators behind the stream want to be run to an end, trio insists: now there is one.
                        refused = error
                        await response.extensions["network_stream"].aclose()
            except Exception:
                if refused is None:
                    raise
            if refused is not None:
                raise refused
            if has_more(response):
                await response.extensions["network_stream"].aclose()
        finally:
            await response.aclose()
        return HttpResponse(response.status_code, headers(response), body.whole())


class _AsyncBackend(httpcore.AsyncNetworkBackend):
    """httpcore's way to the network, with an ear on it."""

    def __init__(self) -> None:
        self._inner: Any = httpcore.AnyIOBackend()

    async def connect_tcp(self, *args: Any, **settings: Any) -> httpcore.AsyncNetworkStream:
        return _AsyncStream(await self._inner.connect_tcp(*args, **settings))


class _AsyncStream(httpcore.AsyncNetworkStream):
    """A connection that notes when a request goes out, and is closed when a handshake is cancelled."""

    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._inner.read(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        note_sending(buffer)
        await self._inner.write(buffer)

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        try:
            return _AsyncStream(await self._inner.start_tls(ssl_context, server_hostname))
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._inner.aclose()
            raise

    async def aclose(self) -> None:
        await self._inner.aclose()

    def get_extra_info(self, info: str) -> Any:
        try:
            return self._inner.get_extra_info(info)
        except ValueError:  # it is closed, and trio's sockets have no descriptor then
            return True if info == "is_readable" else None
