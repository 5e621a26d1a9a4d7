"""What an HTTP/1.1 request says before its body, and what it must not say: for the transports that write it.

Nothing that a caller hands in breaks out of its line, or says where the request ends.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import SplitResult, quote

from altcraft.wire.secret import MaskedBytes
from altcraft_transports._common.body import ACCEPTED

__all__ = ["TOKEN", "Composer", "ascii_host", "authority", "checked", "head", "lines", "target", "word"]

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_SAFE = "/%:@!$&'()*+,;=~?"
_UNSENDABLE = re.compile(r"[\r\n\0\u0100-\U0010ffff]")
_NO_HOST = re.compile(r"[\x00-\x20\x7f]")
_FRAMING = ("content-length", "transfer-encoding")


class Composer:
    """Makes requests' bytes. Remembers the last headers, which seldom change. Thread-safe."""

    def __init__(self) -> None:
        self._last: tuple[Mapping[str, str], bytes] = ({}, lines({}))

    def message(self, start: bytes, headers: Mapping[str, str], body: bytes) -> MaskedBytes:
        """Returns a whole request. `start` is its first lines, with their line breaks, as `head` makes them.

        Raises the ValueError of `checked`.
        """
        last, block = self._last
        if headers != last:
            block = lines(headers)
            self._last = dict(headers), block
        return MaskedBytes(b"%b%bContent-Length: %d\r\n\r\n%b" % (start, block, len(body), body))


def checked(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Returns a request's headers, with the Accept-Encoding that `Body` undoes.

    Raises ValueError for one that would break out of its line, or that says where the request ends, which the
    transport says. The message does not show the value, which may be a secret.
    """
    pairs = [("Accept-Encoding", ACCEPTED)]
    for name, value in headers.items():
        if _UNSENDABLE.search(value) or not TOKEN.fullmatch(name):
            raise ValueError(
                f"the request header {name[:40]!r} can't be sent: its value, or its name, is no line of Latin-1"
            )
        if name.lower() in _FRAMING:
            raise ValueError(f"the request header {name} is the transport's own to send")
        if name.lower() != "accept-encoding":
            pairs.append((name, value))
    return pairs


def lines(headers: Mapping[str, str]) -> bytes:
    """Returns the lines of the checked headers."""
    return MaskedBytes("".join([f"{name}: {value}\r\n" for name, value in checked(headers)]).encode("latin-1"))


def head(method: str, target: str, host: str, headers: Mapping[str, str]) -> MaskedBytes:
    """Returns the request line, the Host header and some headers of the transport's own."""
    extra = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return MaskedBytes(f"{word(method)} {target} HTTP/1.1\r\nHost: {host}\r\n{extra}".encode("latin-1"))


def target(parts: SplitResult) -> str:
    """Returns what the request line of a URL names: its path and query, with nothing that breaks out of the line."""
    return quote(parts.path or "/", safe=_SAFE) + (f"?{quote(parts.query, safe=_SAFE)}" if parts.query else "")


def word(method: str) -> str:
    """Returns the method. ValueError for one that would break out of its place."""
    if not TOKEN.fullmatch(method):
        raise ValueError("the request's method is no word")
    return method


def authority(parts: SplitResult) -> str:
    """Returns host and port as a Host header has them, in ASCII and without credentials. ValueError for no host."""
    host = parts.netloc.rpartition("@")[2]
    if _NO_HOST.search(host):
        raise ValueError("the URL's host is no host")
    name, colon, port = host.rpartition(":")
    return host if host.isascii() else ascii_host(name or port) + colon + (port if name else "")


def ascii_host(host: str) -> str:
    """Returns a host's name in ASCII, as DNS knows an international one. ValueError for what can't be one."""
    return host if host.isascii() else host.encode("idna").decode("ascii")
