"""A transport out of the standard library alone: plain sockets and `ssl`.

Its proxies are http ones. The look-up of a host's name can't be interrupted, nor bounded in time.
"""

from __future__ import annotations

import socket

from altcraft.wire.transport import TransportSettings
from altcraft_transports._common.abilities import Abilities
from altcraft_transports._common.over_sockets import OverSockets, Way
from altcraft_transports._common.tls import default_context

__all__ = ["HttpClientTransport", "create"]


class HttpClientTransport(OverSockets):
    """HTTP/1.1 over connections that are kept alive. TLS certificates are verified. Thread-safe.

    Page: docs/reference/transports.md.
    """

    abilities = Abilities("http_client")

    def _connect(self, way: Way) -> socket.socket:
        if not way.place.is_secure:
            return way.dial()
        context = self.settings.ssl_context or default_context()
        sock = way.dial()
        way.tunnel(sock)
        return context.wrap_socket(sock, server_hostname=way.place.host)


def create(url: str, *, settings: TransportSettings | None = None) -> HttpClientTransport:
    """Makes the transport, for any URL."""
    return HttpClientTransport(settings)
