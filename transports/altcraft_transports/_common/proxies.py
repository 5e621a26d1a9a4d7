"""Which proxy a request goes through: the one of the settings, or the one that the environment names."""

from __future__ import annotations

import ipaddress
import re
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from altcraft.errors import ConnectError
from altcraft.wire.url import proxy_url
from altcraft_transports._common.requests import ascii_host

__all__ = ["PORTS", "Proxy", "environment_proxy"]

PORTS = {"http": 80, "https": 443, "socks4": 1080, "socks4a": 1080, "socks5": 1080, "socks5h": 1080}
"""Port of a URL that names none, by its scheme."""


class Proxy:
    """A proxy. No repr shows its user and password. Equal ones have equal URLs."""

    __slots__ = ("headers", "host", "port", "scheme", "url")

    def __init__(self, url: str) -> None:
        try:
            self.url = proxy_url(url)
        except ValueError as error:
            raise ConnectError(f"no connection: {error}") from None
        parts = urlsplit(self.url)
        self.scheme = parts.scheme
        self.host, self.port = parts.hostname or "", parts.port or PORTS[self.scheme]
        self.headers: dict[str, str] = {}
        if parts.username:
            credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self.headers["Proxy-Authorization"] = f"Basic {b64encode(credentials.encode()).decode('ascii')}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Proxy) and other.url == self.url

    def __hash__(self) -> int:
        return hash(self.url)

    def __repr__(self) -> str:
        return f"Proxy({self.scheme}://{self.host}:{self.port})"


def environment_proxy(scheme: str, host: str, port: int, environ: Mapping[str, str]) -> str | None:
    """Returns the URL of the proxy for requests to `scheme://host:port`, or None. Pure.

    HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY are read as requests and httpx read them: a name in lower case
    comes first, and an upper-case HTTP_PROXY does not count in a CGI program, where it is a header of the request.
    """
    proxy = None
    for name in (f"{scheme}_proxy", "all_proxy"):
        proxy = environ.get(name)
        if proxy is None and not (name == "http_proxy" and "REQUEST_METHOD" in environ):
            proxy = environ.get(name.upper())
        if proxy:
            break
    exceptions = environ.get("no_proxy", environ.get("NO_PROXY", ""))
    host = host.strip("[]").rstrip(".").lower()
    if proxy and any(_matches(entry, scheme, host, port) for entry in re.split(r"[\s,]+", exceptions.lower()) if entry):
        return None
    return proxy or None


def _matches(entry: str, scheme: str, host: str, port: int) -> bool:
    """Whether an entry of NO_PROXY means a host: "*", a domain, an address or a network, perhaps with a port."""
    wanted, _, rest = entry.rpartition("://")
    if entry == "*" or wanted not in ("", "all", scheme):
        return entry == "*"
    named = re.fullmatch(r"(\[.*\]|[^:]*):([0-9]+)", rest)
    if named is not None and int(named[2]) != port:
        return False
    name = (named[1] if named else rest).strip("[]")
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(name, strict=False)
    except ValueError:  # one of the two is a name
        name = name.removeprefix("*").strip(".")
    return bool(name) and f".{host}".endswith(f".{ascii_host(name)}")
