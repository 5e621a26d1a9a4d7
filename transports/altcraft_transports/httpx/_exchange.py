"""What the two httpx transports have in common: an exchange, and what is to be known about it."""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

import httpcore
import httpx

from altcraft.errors import ConnectError, ConnectionLost, RequestTimeout, TransportError
from altcraft.wire.messages import HttpRequest
from altcraft_transports._common.requests import authority, checked, word

__all__ = ["Content", "Exchange", "Lanes", "current", "has_more", "headers", "note_sending", "settings"]

T = TypeVar("T")


class Exchange:
    """What is known of an exchange while it lasts."""

    def __init__(self, request: HttpRequest, timeout: float) -> None:
        self.timeout = timeout
        self.deadline = time.monotonic() + timeout
        self.is_sent = False
        headers = [*checked(request.headers), ("Content-Length", str(len(request.body)))]
        try:
            headers.append(("Host", authority(urlsplit(request.url))))
            self.request = httpx.Request(
                word(request.method), request.url, headers=headers, stream=Content(request.body)
            )
        except (httpx.InvalidURL, ValueError) as error:
            raise ConnectError(f"no connection: {error}") from error

    def left(self) -> float:
        """Seconds, more than 0."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout
        return left

    def out_of_time(self) -> TransportError:
        if self.is_sent:
            return RequestTimeout(f"no complete reply within {self.timeout:g} s")
        return ConnectError("no connection in time")

    @contextlib.contextmanager
    def sorting_errors(self) -> Iterator[None]:
        """httpx's errors become this library's. What it says of bytes that went or came is left out: a token may be."""
        try:
            yield
        except (httpx.TimeoutException, httpcore.TimeoutException):
            raise self.out_of_time() from None
        except httpx.ProtocolError as error:
            kind = ConnectionLost if self.is_sent else ConnectError
            raise kind(f"the reply is unusable: {type(error).__name__}") from None
        except (httpx.HTTPError, OSError, ValueError, RuntimeError) as error:  # RuntimeError: from a closed pool
            if self.is_sent:
                raise ConnectionLost(f"the exchange broke off: {type(error).__name__}: {error}") from error
            raise ConnectError(f"no connection: {error}") from error


current: ContextVar[Exchange] = ContextVar("exchange")


def note_sending(buffer: bytes) -> None:
    if buffer and not buffer.startswith(b"CONNECT "):  # that one is for a proxy
        current.get().is_sent = True


class Content(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body in one piece. httpx's own is a generator, and trio complains of one that was not read to its end."""

    def __init__(self, body: bytes) -> None:
        self._left = [body]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._left)

    def __aiter__(self) -> Content:
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop()


class Lanes(Generic[T]):
    """httpx's own transports, each with a single connection; whoever has one has it alone. Thread-safe.

    One of them with many connections looks at every pair of them with each exchange: at a hundred, that takes ten
    times as long as the exchange. The last one given back comes first, so that idle connections may end.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._idle: list[T] = []
        self.made: list[T] = []

    @contextlib.contextmanager
    def one(self) -> Iterator[T]:
        try:
            lane = self._idle.pop()
        except IndexError:
            lane = self._make()
            self.made.append(lane)
        try:
            yield lane
        finally:
            self._idle.append(lane)


def settings(proxy: str | None, ssl_context: ssl.SSLContext | None) -> dict[str, Any]:
    if proxy is not None and urlsplit(proxy).scheme != "http":
        raise ValueError("this transport's proxies are http ones: proxy='http://host:port'")
    limits = httpx.Limits(max_connections=1)
    verify = ssl_context or ssl.create_default_context()
    return {"verify": verify, "trust_env": False, "limits": limits, "proxy": proxy}


def headers(response: httpx.Response) -> dict[str, str]:
    return dict(response.headers.items())  # names in lower case, repeated ones joined


def has_more(response: httpx.Response) -> bool:
    """Whether bytes came after the reply. httpcore would take them for the reply to the next request.

    What it knows of them is out of sight; should it be moved, the contract's tests will say so.
    """
    place: object = response.stream
    for name in ("_httpcore_stream", "_stream", "_connection", "_h11_state"):
        place = getattr(place, name, None)
    return bool(getattr(place, "trailing_data", (b"",))[0])
