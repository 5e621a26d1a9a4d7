"""What a transport can do of what its settings may ask for."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from altcraft.wire.transport import TransportSettings

__all__ = ["Abilities", "checked_settings"]


class Abilities(NamedTuple):
    """Of one transport, whose `name` is for messages."""

    name: str
    proxies: tuple[str, ...] = ("http",)
    """The schemes of the proxies that it can use. None at all: it has no network."""
    ssl_context: str | None = None
    """Why it can't take an `ssl.SSLContext`, and what to do instead; None if it can."""


def checked_settings(settings: TransportSettings | None, able: Abilities) -> TransportSettings:
    """Returns the settings, or the default ones. ValueError, which says what to do, if they ask for too much."""
    if settings is None:
        return TransportSettings()
    scheme = urlsplit(settings.proxy or "").scheme
    if not able.proxies and (settings.proxy or settings.ssl_context or settings.connections):
        raise ValueError(f"the transport {able.name} has no network: it takes no proxy, ssl_context or connections")
    if scheme and scheme not in able.proxies:
        kinds = " and ".join(able.proxies)
        raise ValueError(f"the transport {able.name} has no {scheme} proxies: its proxies are {kinds} ones")
    if settings.ssl_context is not None and able.ssl_context is not None:
        raise ValueError(f"the transport {able.name} takes no ssl_context: {able.ssl_context}")
    return settings
