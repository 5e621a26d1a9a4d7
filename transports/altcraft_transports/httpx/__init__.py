"""httpx, for those who have it anyway: for threads and, under asyncio or trio, for tasks.

httpx bounds each single operation, not the exchange, and keeps bytes that follow a reply for the next one. Its way to
the network is therefore ours: that costs a few looks behind its front, which the contract's tests watch. Proxies: http
ones. HTTP/1.1 only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from altcraft.errors import MissingExtra
from altcraft_transports._common.body import MAX_RESPONSE

try:
    import anyio  # noqa: F401
    import httpcore  # noqa: F401
    import httpx  # noqa: F401
except ImportError as error:
    raise MissingExtra("the transport httpx needs the package httpx: pip install httpx") from error

from altcraft_transports.httpx._tasks import AsyncHttpxTransport
from altcraft_transports.httpx._threads import HttpxTransport

if TYPE_CHECKING:
    import ssl

__all__ = ["AsyncHttpxTransport", "HttpxTransport", "create", "create_async"]


def create(
    url: str,
    *,
    proxy: str | None = None,
    ssl_context: ssl.SSLContext | None = None,
    connections: int = 16,
    max_response: int = MAX_RESPONSE,
) -> HttpxTransport:
    """The transport for threads, whatever the URL; options as the class takes them."""
    return HttpxTransport(proxy=proxy, ssl_context=ssl_context, connections=connections, max_response=max_response)


def create_async(
    url: str,
    *,
    proxy: str | None = None,
    ssl_context: ssl.SSLContext | None = None,
    connections: int = 100,
    max_response: int = MAX_RESPONSE,
) -> AsyncHttpxTransport:
    """The transport for tasks, whatever the URL; options as the class takes them."""
    return AsyncHttpxTransport(proxy=proxy, ssl_context=ssl_context, connections=connections, max_response=max_response)
