"""The default transport: urllib3's connections, with their TLS and their ways through http and https proxies.

What goes over a connection is read and written here: in one send, and without urllib3's response objects, so that the
time of an exchange is bounded as a whole. The look-up of a host's name can't be interrupted, nor bounded in time.
"""

from __future__ import annotations

import logging  # noqa: F401  # its lock is made before `_importing_urllib3`, under which urllib3 takes it
import socket

from altcraft.wire.forks import lock_for_forks
from altcraft.wire.transport import TransportSettings
from altcraft_transports._common.abilities import Abilities
from altcraft_transports._common.over_sockets import OverSockets, Way

__all__ = ["Urllib3Transport", "create"]


_importing_urllib3 = lock_for_forks()


class Urllib3Transport(OverSockets):
    """HTTP/1.1 over connections that are kept alive. TLS certificates are verified. Thread-safe.

    Page: docs/reference/transports.md.
    """

    abilities = Abilities("urllib3", proxies=("http", "https"))

    def _connect(self, way: Way) -> socket.socket:
        # Imported with the first connection, in the thread that makes it: urllib3 takes 50 ms and more, for which the
        # constructor of an AsyncClient would hold up its event loop.
        with _importing_urllib3:
            from altcraft_transports.urllib3.connections import connect

        return connect(way, self.settings)


def create(url: str, *, settings: TransportSettings | None = None) -> Urllib3Transport:
    """Makes the transport, for any URL."""
    return Urllib3Transport(settings)
