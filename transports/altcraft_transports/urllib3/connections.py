"""urllib3's connections: the only place that imports it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from urllib3.connection import HTTPConnection, HTTPSConnection, ProxyConfig
from urllib3.exceptions import HTTPError
from urllib3.util.ssl_ import create_urllib3_context

from altcraft.errors import ConnectError
from altcraft.wire.forks import importing
from altcraft.wire.transport import TransportSettings
from altcraft_transports._common.errors import said
from altcraft_transports._common.over_sockets import Way
from altcraft_transports._common.tls import SharedContext

if TYPE_CHECKING:
    import ssl

__all__ = ["connect"]


def connect(way: Way, settings: TransportSettings) -> socket.socket:
    """The socket of a new connection, after TLS and after the proxy's consent. Raises ConnectError."""
    place = way.place
    connection: _Connection
    if place.is_secure or (place.proxy is not None and place.proxy.scheme == "https"):
        context = settings.ssl_context or _shared_context()
        connection = _Https(way, ssl_context=context, proxy_config=ProxyConfig(context, False, None, None))
    else:
        connection = _Connection(way)
    if place.is_secure and place.proxy is not None:
        connection.set_tunnel(place.host, place.port, scheme=place.proxy.scheme)
    try:
        connection.connect()
    except BaseException as error:
        connection.close()
        if isinstance(error, HTTPError):
            raise ConnectError(f"no connection: {said(error)}") from error
        raise
    assert connection.sock is not None
    return connection.sock


class _Connection(HTTPConnection):
    """urllib3's connection, in bounded time, with a socket that other threads can end."""

    def __init__(self, way: Way, **settings: Any) -> None:
        super().__init__(*way.near(), **settings)
        self._way = way

    def _new_conn(self) -> socket.socket:
        return self._way.dial()

    def _tunnel(self) -> None:
        assert self.sock is not None
        self._way.tunnel(self.sock)


class _Https(_Connection, HTTPSConnection):
    pass


@SharedContext
def _shared_context() -> ssl.SSLContext:
    with importing:
        import ssl  # noqa: F401  # without it, urllib3 has no context to make

    context = create_urllib3_context()
    context.load_default_certs()
    return context
