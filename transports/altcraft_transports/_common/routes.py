"""Where a URL leads, and by which way: worked out once for each URL, since a client has few of them."""

from __future__ import annotations

import os
from typing import NamedTuple
from urllib.parse import urlsplit

from altcraft.errors import ConnectError
from altcraft.wire.messages import HttpRequest
from altcraft.wire.transport import TransportSettings
from altcraft_transports._common.proxies import PORTS, Proxy, environment_proxy
from altcraft_transports._common.requests import ascii_host, authority, head, target

__all__ = ["Place", "Route", "Routes"]

_MANY = 1000


class Place(NamedTuple):
    """Where a connection leads, and the proxy on its way. Connections to one place are interchangeable."""

    is_secure: bool
    host: str
    port: int
    proxy: Proxy | None

    def forwards(self) -> Proxy | None:
        """Returns the proxy, if it is the one that sends the request on: it does so for http, and tunnels https."""
        return None if self.is_secure else self.proxy


class Route(NamedTuple):
    """The way of a request."""

    place: Place
    url: str
    """The request's URL, in ASCII."""
    host: str
    """The value of its Host header."""
    start: bytes
    """The first lines of its message: request line, Host, and the credentials for a proxy that forwards it."""


class Routes:
    """The routes of one transport. `proxies` are the schemes of those proxies that it can use. Thread-safe."""

    def __init__(self, settings: TransportSettings, proxies: tuple[str, ...]) -> None:
        self._settings = settings
        self._proxies = proxies
        self._known: dict[tuple[str, str], Route] = {}

    def of(self, request: HttpRequest) -> Route:
        """Returns the way of a request. ConnectError if there is none."""
        return self._known.get((request.method, request.url)) or self._find(request.method, request.url)

    def _find(self, method: str, url: str) -> Route:
        try:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ConnectError("no connection: the URL is neither http nor https")
            host = authority(parts)
            name, port = ascii_host(parts.hostname), parts.port or PORTS[parts.scheme]
            place = Place(parts.scheme == "https", name, port, self._proxy(parts.scheme, name, port))
            path = target(parts)
            forwarder = place.forwards()
            start = (
                head(method, path, host, {})
                if forwarder is None
                else (head(method, f"http://{host}{path}", host, forwarder.headers))
            )
        except ValueError as error:
            raise ConnectError(f"no connection: {error}") from error
        route = Route(place, f"{parts.scheme}://{host}{path}", host, start)
        if len(self._known) < _MANY:
            self._known[method, url] = route
        return route

    def _proxy(self, scheme: str, host: str, port: int) -> Proxy | None:
        url = self._settings.proxy
        if url is None and self._settings.trust_env:
            url = environment_proxy(scheme, host, port, os.environ)
        proxy = Proxy(url) if url else None
        if proxy is not None and proxy.scheme not in self._proxies:
            raise ConnectError(
                f"no connection: this transport has no {proxy.scheme} proxies, and the environment names one; "
                "choose another transport, or TransportSettings(trust_env=False)"
            )
        return proxy
