"""What an HTTP/1.1 request's bytes say before its body, and what they must not: for the transports that write them.

Nothing that a caller hands in breaks out of its line, or says where the request ends.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import SplitResult, quote, unquote, urlsplit

from altcraft_transports._common.body import ACCEPTED

__all__ = ["TOKEN", "Composer", "authority", "checked", "opening", "proxy_headers", "word"]

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_SAFE = "/%:@!$&'()*+,;=~?"
_UNSENDABLE = re.compile(r"[\r\n\0\u0100-\U0010ffff]")
_NO_HOST = re.compile(r"[\x00-\x20\x7f]")
_FRAMING = ("content-length", "transfer-encoding")


class Composer:
    """Makes requests' bytes. Remembers the last headers, which seldom change in between. Thread-safe."""

    def __init__(self) -> None:
        self._last: tuple[Mapping[str, str], str] = ({}, _lines({}))

    def message(self, start: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """A request. `start` is the request line and the lines that a transport adds, each with its line break.

        ValueError as for `checked`.
        """
        last, lines = self._last
        if headers != last:
            lines = _lines(headers)
            self._last = dict(headers), lines
        return f"{start}{lines}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body


def checked(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """A request's headers, with the Accept-Encoding that `Body` undoes.

    ValueError for one that would break out of its line, or speak of where the request ends, which is not theirs to
    say; its value, which may be a secret, is not in the message.
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


def _lines(headers: Mapping[str, str]) -> str:
    return "".join([f"{name}: {value}\r\n" for name, value in checked(headers)])


def opening(method: str, parts: SplitResult, forwarder: Mapping[str, str] | None = None) -> tuple[str, str]:
    """What the request line for a URL names, and the start for `compose`.

    `forwarder` are the headers for the proxy that is to forward the request, None without one: it gets the whole URL.
    ValueError for what would break out of its line.
    """
    host, method = authority(parts), word(method)
    target = quote(parts.path or "/", safe=_SAFE) + (f"?{quote(parts.query, safe=_SAFE)}" if parts.query else "")
    target = target if forwarder is None else f"http://{host}{target}"
    extra = "".join(f"{name}: {value}\r\n" for name, value in (forwarder or {}).items())
    return target, f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{extra}"


def word(method: str) -> str:
    """The method. ValueError for one that would break out of its place."""
    if not TOKEN.fullmatch(method):
        raise ValueError("the request's method is no word")
    return method


def authority(parts: SplitResult) -> str:
    """Host and port as a Host header has them: no credentials, no international letters. ValueError for no host."""
    host = parts.netloc.rpartition("@")[2]
    if _NO_HOST.search(host):
        raise ValueError("the URL's host is no host")
    return host if host.isascii() else host.encode("idna").decode("ascii")


def proxy_headers(proxy: str | None) -> dict[str, str]:
    """The headers that a proxy's URL asks for: Proxy-Authorization where it names a user."""
    parts = urlsplit(proxy or "")
    if not parts.username:
        return {}
    credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(credentials.encode()).decode('ascii')}"}
