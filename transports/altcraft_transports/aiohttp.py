"""aiohttp, the quickest of the libraries that are asynchronous from the ground up. asyncio only.

Its proxies are http ones. Its session belongs to the event loop of the first exchange.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from altcraft.errors import ConnectionLost, DecodeError, MissingExtra, ResponseTooLarge, TransportError
from altcraft.wire.messages import HttpRequest, HttpResponse
from altcraft.wire.secret import MaskedBytes, MaskedList
from altcraft.wire.transport import TransportSettings
from altcraft_transports._common.abilities import Abilities
from altcraft_transports._common.body import Body
from altcraft_transports._common.errors import ENDED, Progress, said
from altcraft_transports._common.for_tasks import CONNECTIONS, ForTasks, all_gone
from altcraft_transports._common.kept import elapsed
from altcraft_transports._common.loops import under_trio
from altcraft_transports._common.proxies import Proxy
from altcraft_transports._common.ready import is_quiet
from altcraft_transports._common.requests import checked, word
from altcraft_transports._common.routes import Route
from altcraft_transports._common.tls import require_ssl

try:
    import aiohttp
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.connector import Connection
    from aiohttp.payload import Payload
    from yarl import URL
except ImportError as error:
    raise MissingExtra("the transport aiohttp needs the package aiohttp: pip install aiohttp") from error

__all__ = ["AiohttpTransport", "create_async"]

_MANY = 1000
_PIECE = 1 << 16
_YEAR = 366 * 86400.0  # aiohttp takes no infinite time


class AiohttpTransport(ForTasks):
    """HTTP/1.1 over connections that are kept alive. TLS certificates are verified. Shared by one event loop's tasks.

    Page: docs/reference/transports.md.
    """

    abilities = Abilities("aiohttp")

    def __init__(self, settings: TransportSettings | None = None) -> None:
        super().__init__(settings)
        self._session: aiohttp.ClientSession | None = None
        self._connector: _Connector | None = None

    async def close(self) -> None:
        """Ends the sleeps and the exchanges under way, and closes all connections."""
        await super().close()
        if self._session is not None and self._connector is not None:
            await self._session.close()
            await self._connector.end()

    async def _carry(self, request: HttpRequest, progress: Progress) -> HttpResponse:
        session = self._session or self._open()
        route = self._routes.of(request)
        headers = MaskedList([*checked(request.headers), ("Host", route.host)])
        while True:
            seen = _Seen(progress)
            try:
                return await self._exchange(session, request, route, headers, seen)
            except (ResponseTooLarge, DecodeError):
                raise
            except Exception as error:
                if seen.is_kept and not progress.is_sent:  # the next connection does as well
                    continue
                self._doubt(seen)
                if isinstance(error, TransportError):
                    raise
                raise self._failure(error, progress) from error
            except asyncio.CancelledError:  # the end of the exchange's time comes as a cancellation
                self._doubt(seen)
                raise

    async def _exchange(
        self,
        session: aiohttp.ClientSession,
        request: HttpRequest,
        route: Route,
        headers: MaskedList[tuple[str, str]],
        seen: _Seen,
    ) -> HttpResponse:
        place = route.place
        if place.is_secure:
            require_ssl()
        if (forwarder := place.forwards()) is not None:
            headers += forwarder.headers.items()
        async with session.request(
            word(request.method),
            URL(route.url, encoded=True),
            data=_Message(request.body, seen),
            headers=headers,
            allow_redirects=False,
            proxy=None if place.proxy is None else f"http://{_netloc(place.proxy)}",
            proxy_headers=None if place.proxy is None else place.proxy.headers,
            trace_request_ctx=seen,
        ) as response:
            collected = Body(self.settings.max_response, response.headers.get("Content-Encoding"))
            async for chunk in response.content.iter_any():
                collected.feed(chunk)
            if len(response.raw_headers) > _MANY:
                raise ConnectionLost("the reply is unusable: it has far too many headers")
            named: dict[str, list[str]] = {}
            for name, value in response.headers.items():
                named.setdefault(name.lower(), []).append(value)
            joined = {name: ", ".join(values) for name, values in named.items()}
            return HttpResponse(response.status, joined, collected.whole())

    def _open(self) -> aiohttp.ClientSession:
        if under_trio():
            raise RuntimeError("the transport aiohttp needs asyncio: under trio, choose 'threads' or 'httpx'")
        tracing = aiohttp.TraceConfig()
        tracing.on_connection_reuseconn.append(_note_reuse)
        tracing.on_connection_create_end.append(_note_making)
        self._connector = _Connector(self.settings)
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(),
            trace_configs=[tracing],
            auto_decompress=False,
        )
        return self._session

    @staticmethod
    def _failure(error: Exception, progress: Progress) -> Exception:
        """Returns this library's error for one of aiohttp's, or a bug's as it is."""
        if not isinstance(error, (aiohttp.ClientError, OSError, ValueError)):
            return error
        if isinstance(error, aiohttp.ClientResponseError):
            return progress.failed(f"the reply is unusable: {type(error).__name__}, status {error.status}")
        text = _said(error)
        return progress.failed(f"the exchange broke off: {text}" if progress.is_sent else f"no connection: {text}")

    def _doubt(self, seen: _Seen) -> None:
        if seen.is_kept and self._connector is not None:
            self._connector.doubt()


def create_async(url: str, *, settings: TransportSettings | None = None) -> AiohttpTransport:
    """Makes the transport, for any URL."""
    return AiohttpTransport(settings)


class _Connector(aiohttp.TCPConnector):
    """aiohttp's pool, which hands out only connections that can be used.

    aiohttp itself learns that a connection has ended when the event loop next has a turn. That is too late for a loop
    that stood still, and for one that begins a hundred exchanges in one turn.
    """

    def __init__(self, settings: TransportSettings) -> None:
        self.keep_idle = settings.keep_idle
        self.sockets: WeakSet[socket.socket] = WeakSet()
        self.idle_since: WeakKeyDictionary[object, float] = WeakKeyDictionary()
        self.doubted = 0.0
        super().__init__(
            limit=settings.connections or CONNECTIONS,
            ssl=settings.ssl_context or True,
            socket_factory=self.make_socket,
            keepalive_timeout=min(settings.keep_idle, _YEAR),
        )

    async def connect(self, req: aiohttp.ClientRequest, *args: Any, **kwargs: Any) -> Connection:
        """Returns a connection that is new, or can be used again, and shows it to the message."""
        while True:
            connection = await super().connect(req, *args, **kwargs)
            hearing = self.hearing(connection)
            if isinstance(req.body, _Message):
                req.body.seen.connection, req.body.seen.hearing = connection, hearing
            protocol = connection.protocol
            since = self.idle_since.get(protocol)
            if since is None or (self.doubted < since and elapsed() - since < self.keep_idle and _is_good(connection)):
                connection.add_callback(partial(self.note_release, protocol))
                return connection
            connection.close()

    def hearing(self, connection: Connection) -> _Hearing | None:
        """The protocol over a connection's own that hears what came before a reset. None under TLS."""
        protocol, transport = connection.protocol, connection.transport
        if protocol is None or not isinstance(transport, asyncio.Transport) or transport.get_extra_info("sslcontext"):
            return None
        outermost = transport.get_protocol()
        if isinstance(outermost, _Hearing):
            return outermost
        number = transport.get_extra_info("socket").fileno()
        for sock in tuple(self.sockets):
            if sock.fileno() == number:
                transport.set_protocol(hearing := _Hearing(protocol, sock))
                return hearing
        return None

    def note_release(self, protocol: object) -> None:
        """Notes since when a connection is idle."""
        self.idle_since[protocol] = elapsed()

    def doubt(self) -> None:
        """Has the connections that are idle now not used again: one has turned out to be dead."""
        self.doubted = elapsed()

    def make_socket(self, address: tuple[Any, ...]) -> socket.socket:
        """Makes a socket, and remembers it."""
        sock = socket.socket(*address[:3])
        sock.setblocking(False)
        self.sockets.add(sock)
        return sock

    async def end(self) -> None:
        """Has the sockets closed now. aiohttp would let them go once all is written, if ever that is."""
        for sock in tuple(self.sockets):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        await all_gone(self.sockets)


class _Seen:
    """What aiohttp tells of an exchange under way."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.is_kept = False
        self.connection: Connection | None = None
        self.hearing: _Hearing | None = None


class _Hearing(asyncio.Protocol):
    """A protocol of aiohttp's that also hears what the peer said just before it reset the connection.

    An event loop drops that with the connection, where its sending meets the reset before its receiving.
    """

    def __init__(self, inner: asyncio.Protocol, sock: socket.socket) -> None:
        self._inner = inner
        self._sock = sock

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Hears the rest first."""
        if exc is not None:
            self.hear_rest()
        self._inner.connection_lost(exc)

    def hear_rest(self) -> None:
        """Takes what the socket has received, and the loop has not read. The connection is dead."""
        with contextlib.suppress(OSError):  # nothing more has come, the reset's turn has come, or the socket is closed
            while data := self._sock.recv(_PIECE):
                self._inner.data_received(data)


class _Message(Payload):
    """A request's body. aiohttp writes the header together with it, so that nothing has been sent before."""

    def __init__(self, body: bytes, seen: _Seen) -> None:
        super().__init__(MaskedBytes(body))
        self.seen = seen
        self._body = memoryview(body)

    @property
    def autoclose(self) -> bool:
        """True: it holds nothing that is to be closed."""
        return True

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self._body)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Returns nothing of the body: aiohttp asks for that only to show it."""
        return ""

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Sends the body, unless the peer has ended the connection: event loops learn that a little late."""
        if self.seen.is_kept and not (self.seen.connection and _is_good(self.seen.connection)):
            raise OSError(errno.ENOTCONN, ENDED)
        self.seen.progress.is_sent = True
        for start in range(0, len(self._body), _PIECE):
            try:
                await writer.write(self._body[start : start + _PIECE])
            except OSError:
                if self.seen.hearing is not None:
                    self.seen.hearing.hear_rest()
                raise
            await asyncio.sleep(0)  # in this turn the loop hears a refusal, or learns that the connection is lost


async def _note_reuse(session: object, context: Any, params: object) -> None:
    context.trace_request_ctx.is_kept = True


async def _note_making(session: object, context: Any, params: object) -> None:
    context.trace_request_ctx.is_kept = False


def _is_good(connection: Connection) -> bool:
    protocol, transport = connection.protocol, connection.transport
    if protocol is None or transport is None or protocol.should_close:
        return False
    sock = transport.get_extra_info("socket")
    return sock is not None and sock.fileno() >= 0 and is_quiet(sock)


def _netloc(proxy: Proxy) -> str:
    return f"[{proxy.host}]:{proxy.port}" if ":" in proxy.host else f"{proxy.host}:{proxy.port}"


def _said(error: Exception) -> str:
    """Returns what the system says. aiohttp's own texts are left out: they repeat bytes that came."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return said(error.certificate_error)
    if isinstance(error, aiohttp.ClientConnectorError):
        return said(error.os_error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return said(error) if not isinstance(error, aiohttp.ClientError) else type(error).__name__
