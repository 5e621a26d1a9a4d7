"""The download of an exported file."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from altcraft import HttpRequest, Transport
from altcraft.errors import api_error

__all__ = ["download"]


def download(url: str, *, host: str, token: str, transport: Transport, timeout: float = 60.0) -> bytes:
    """The bytes of a file, out of `ProfilesExport.urls`.

    `host` is the installation's URL, "https://your.host". `transport` stays the caller's, who closes it; its
    `max_response` bounds the size of the file. The download may be repeated: it changes nothing.

    ValueError for a URL that leads to another host, which must not see the token. ApiError for a refusal,
    TransportError for an exchange that failed.
    """
    whole = urljoin(host, url)
    if _origin(whole) != _origin(host):
        raise ValueError(f"the file is not at {urlsplit(host).hostname}: the token is for that host alone")
    request = HttpRequest("GET", whole, {"Authorization": f"Bearer {token}", "Accept": "*/*"}, b"")
    response = transport.send(request, timeout=timeout)
    if response.status != 200:
        raise api_error(response.status, "the file was refused", response.status)
    return response.body


def _origin(url: str) -> tuple[str, str | None, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
