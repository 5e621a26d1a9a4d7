"""A transport for altcraft-client on plain sockets and h11: `Client(transport="h11")`.

It makes a connection for each exchange, goes through no proxy, and asks for no compression.
"""

from __future__ import annotations

import altcraft
from altcraft import TransportSettings
from altcraft.wire.transport import TransportRegistry

from altcraft_h11.transport import H11Transport

__all__ = ["H11Transport", "altcraft_register_transports", "create"]


def create(url: str, *, settings: TransportSettings | None = None) -> H11Transport:
    """Makes the transport for a client. ValueError for a setting that it can't heed."""
    return H11Transport(settings)


@altcraft.hookimpl
def altcraft_register_transports(registry: TransportRegistry) -> None:
    """Adds the transport to a client that is being made."""
    registry.register("h11", create)
