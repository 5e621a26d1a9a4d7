"""The URL at which the platform reaches a receiver."""

from __future__ import annotations

import re
import socket
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import urlsplit

__all__ = ["checked", "is_unspecified"]


def checked(base_url: str) -> str:
    """Return `base_url` without a slash at its end. Raise ValueError for a URL that the platform can't call."""
    host = _host(base_url)
    if not host:
        raise ValueError(f"base_url={base_url!r}: the http or https URL at which the platform reaches the receiver")
    if is_unspecified(host):
        raise ValueError(
            f"base_url={base_url!r}: {host} stands for every address of a machine, so the platform can't call it; "
            "give the URL at which the platform reaches the receiver"
        )
    return base_url.rstrip("/")


def is_unspecified(host: str) -> bool:
    """Whether a host is 0.0.0.0 or ::, in any way of writing them. Such an address is listened on, not called."""
    if ":" in host:
        try:
            address = IPv6Address(host.partition("%")[0])
        except ValueError:
            return False
        return address.is_unspecified or address.ipv4_mapped == IPv4Address(0)
    try:
        return socket.inet_aton(host) == bytes(4)  # "0" and "0x0" too; it parses, and asks no name server
    except (OSError, ValueError):
        return False


def _host(url: str) -> str | None:
    """The host of an http or https URL that has no query and a port to call; None for everything else."""
    # urlsplit drops line breaks and outer blanks in silence, so they are looked for in the text itself.
    if not isinstance(url, str) or re.search(r"[\s\x00-\x1f\x7f?#]", url):
        return None
    try:
        parts = urlsplit(url)
        return parts.hostname if parts.scheme in ("http", "https") and parts.port != 0 else None
    except ValueError:  # a port beyond 65535, a bracket that stays open
        return None
