"""aiohttp, the quickest of the libraries that are asynchronous from the ground up. asyncio only.

Proxies: http ones. A connection is opened by whoever needs it first, and belongs to the event loop of that moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import socket
import sys
import time
import weakref
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from altcraft.errors import ConnectError, ConnectionLost, MissingExtra, RequestTimeout, TransportError
from altcraft.wire.messages import HttpRequest, HttpResponse
from altcraft.wire.secret import MaskedList
from altcraft_transports._common.body import MAX_RESPONSE, Body
from altcraft_transports._common.dial import is_quiet
from altcraft_transports._common.requests import checked, proxy_headers
from altcraft_transports._common.sleep import AsyncSleeper, under_trio

try:
    import aiohttp
    from yarl import URL
except ImportError as error:
    raise MissingExtra("the transport aiohttp needs the package aiohttp: pip install aiohttp") from error

if TYPE_CHECKING:
    import ssl

__all__ = ["AiohttpTransport", "create_async"]

_FAREWELL = 1.0  # seconds that closing waits for aiohttp to give its sockets up
_MANY = 1000
_TURNS = 3  # of the loop, from what a socket has to say to aiohttp's knowing of it
_LARGE = 1 << 20  # from here on aiohttp wants a stream


def create_async(
    url: str,
    *,
    proxy: str | None = None,
    ssl_context: ssl.SSLContext | None = None,
    connections: int = 100,
    max_response: int = MAX_RESPONSE,
) -> AiohttpTransport:
    """The transport, whatever the URL; options as the class takes them."""
    return AiohttpTransport(proxy=proxy, ssl_context=ssl_context, connections=connections, max_response=max_response)


class AiohttpTransport:
    """HTTP/1.1 over kept-alive connections, at most `connections` at once; further exchanges wait for a free one.

    TLS certificates are verified, against the system's authorities or those of `ssl_context`, which also carries
    client certificates. `proxy` is the URL of an HTTP proxy, with its user and password if it wants them; the
    environment's proxies are not looked at. A reply of more than `max_response` bytes, after decompression, is
    ResponseTooLarge. Shared by the tasks of one event loop.
    """

    def __init__(
        self,
        *,
        proxy: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        connections: int = 100,
        max_response: int = MAX_RESPONSE,
    ) -> None:
        if proxy is not None and urlsplit(proxy).scheme != "http":
            raise ValueError("this transport's proxies are http ones: proxy='http://host:port'")
        self._proxy = None if proxy is None else f"http://{urlsplit(proxy).netloc.rpartition('@')[2]}"
        self._proxy_headers = proxy_headers(proxy)
        self._ssl_context = ssl_context
        self._connections = connections
        self._max_response = max_response
        self._sleeper = AsyncSleeper()
        self._session: aiohttp.ClientSession | None = None
        self._bounds: set[_Bound] = set()
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._closed = False

    async def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        """One exchange, without redirects and retries."""
        if self._closed:
            raise ConnectError("the transport is closed")
        session = self._session or self._open()
        if not self._bounds:
            await self._see_ends()
        progress = _Progress()
        try:
            async with _Bound(timeout) as bound:
                self._bounds.add(bound)
                try:
                    return await self._exchange(session, request, progress)
                finally:
                    self._bounds.discard(bound)
        except (TimeoutError, asyncio.TimeoutError) as error:  # one and the same from Python 3.11 on
            raise self._out_of_time(progress, timeout) from error
        except aiohttp.ClientResponseError as error:
            # What it says of the bytes that came is left out: a peer that sends ours back would show a token.
            kind = ConnectionLost if progress.is_sent else ConnectError
            raise kind(f"the reply is unusable: {type(error).__name__}, status {error.status}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if progress.is_sent:
                raise ConnectionLost(f"the exchange broke off: {type(error).__name__}") from None
            raise ConnectError(f"no connection: {error}") from error

    async def sleep(self, seconds: float) -> None:
        """Sleeps, until the transport is closed."""
        await self._sleeper.sleep(seconds)

    async def close(self) -> None:
        """Ends sleeps and exchanges, closes all connections."""
        self._closed = True
        self._sleeper.close()
        if self._session is None:
            return
        for bound in tuple(self._bounds):
            bound.end()
        await self._session.close()
        for sock in tuple(self._sockets):  # aiohttp would let them go once all is written, if ever that is
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        patience = time.monotonic() + _FAREWELL
        while any(sock.fileno() >= 0 for sock in tuple(self._sockets)) and time.monotonic() < patience:
            await asyncio.sleep(0.001)

    async def _exchange(
        self, session: aiohttp.ClientSession, request: HttpRequest, progress: _Progress
    ) -> HttpResponse:
        headers = MaskedList(checked(request.headers))
        if self._proxy_headers and not request.url.startswith("https:"):
            headers += self._proxy_headers.items()
        async with session.request(
            request.method,
            URL(request.url, encoded=True),
            data=request.body if len(request.body) < _LARGE else io.BytesIO(request.body),
            headers=headers,
            allow_redirects=False,
            proxy=self._proxy,
            proxy_headers=dict(self._proxy_headers),
            trace_request_ctx=progress,
        ) as response:
            body = Body(self._max_response, response.headers.get("Content-Encoding"))
            async for chunk in response.content.iter_any():
                body.feed(chunk)
            if len(response.raw_headers) > _MANY:
                raise ConnectionLost("the reply is unusable: it has far too many headers")
            named: dict[str, list[str]] = {}
            for name, value in response.headers.items():
                named.setdefault(name.lower(), []).append(value)
            joined = {name: ", ".join(values) for name, values in named.items()}
            return HttpResponse(response.status, joined, body.whole())

    def _open(self) -> aiohttp.ClientSession:
        if under_trio():
            raise RuntimeError("the transport aiohttp needs asyncio: under trio, choose 'threads' or 'httpx'")
        tracing = aiohttp.TraceConfig()
        tracing.on_request_headers_sent.append(_note_sending)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._connections, ssl=self._ssl_context or True, socket_factory=self._make_socket
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(),
            trace_configs=[tracing],
            auto_decompress=False,
        )
        return self._session

    async def _see_ends(self) -> None:
        """Has the event loop notice which idle connections have ended, should it have stood still until now."""
        if not all(is_quiet(sock) for sock in tuple(self._sockets) if sock.fileno() >= 0):
            for _ in range(_TURNS):
                await asyncio.sleep(0)

    def _make_socket(self, address: tuple[Any, ...]) -> socket.socket:
        sock = socket.socket(*address[:3])
        sock.setblocking(False)
        self._sockets.add(sock)
        return sock

    def _out_of_time(self, progress: _Progress, timeout: float) -> TransportError:
        if self._closed:
            kind = ConnectionLost if progress.is_sent else ConnectError
            return kind("the transport was closed during the exchange")
        if progress.is_sent:
            return RequestTimeout(f"no complete reply within {timeout:g} s")
        return ConnectError("no connection in time")


class _Progress:
    """How far an exchange has come."""

    is_sent = False


async def _note_sending(session: object, context: Any, params: object) -> None:
    context.trace_request_ctx.is_sent = True


class _Bound:
    """Bounds a block in time: TimeoutError, which `end` brings on at once. As asyncio.timeout, which 3.10 has not."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._is_over = False

    async def __aenter__(self) -> _Bound:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._cancellations = task.cancelling() if sys.version_info >= (3, 11) else 0
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self.end)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self._timer.cancel()
        if not self._is_over or kind is None or not issubclass(kind, asyncio.CancelledError):
            return
        if sys.version_info >= (3, 11) and self._task.uncancel() > self._cancellations:
            return  # somebody else has cancelled it, too
        raise TimeoutError from error

    def end(self) -> None:
        """Ends the block as if its time were up."""
        if not self._is_over:
            self._is_over = True
            self._task.cancel()
