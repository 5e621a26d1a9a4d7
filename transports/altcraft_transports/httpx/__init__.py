"""httpx, for programs that have it anyway: for threads and, under asyncio or trio, for tasks.

httpx bounds each single operation, not the exchange, and keeps bytes that follow a reply for the next one. Its way to
the network is therefore ours. Its proxies are http ones. HTTP/1.1 only.
"""

from __future__ import annotations

from altcraft.errors import MissingExtra
from altcraft.wire.transport import TransportSettings

try:
    import anyio  # noqa: F401
    import httpcore  # noqa: F401
    import httpx  # noqa: F401
except ImportError as error:
    if error.name in ("ssl", "_ssl"):
        raise MissingExtra("the transport httpx needs the ssl module, which this Python lacks") from error
    raise MissingExtra("the transport httpx needs the package httpx: pip install httpx") from error

from altcraft_transports.httpx._tasks import AsyncHttpxTransport
from altcraft_transports.httpx._threads import HttpxTransport

__all__ = ["AsyncHttpxTransport", "HttpxTransport", "create", "create_async"]


def create(url: str, *, settings: TransportSettings | None = None) -> HttpxTransport:
    """Makes the transport for threads, for any URL."""
    return HttpxTransport(settings)


def create_async(url: str, *, settings: TransportSettings | None = None) -> AsyncHttpxTransport:
    """Makes the transport for tasks, for any URL."""
    return AsyncHttpxTransport(settings)
