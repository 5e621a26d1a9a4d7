"""libcurl, for a third of urllib3's CPU time.

It reads certificates from files, not from an `ssl.SSLContext`. Its proxies are http, https and SOCKS ones. libcurl by
itself repeats a request when a kept connection turns out dead, POST included: that is made impossible here, by handing
it the body as a stream that can't be wound back.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from altcraft.errors import MissingExtra
from altcraft.wire.forks import importing
from altcraft.wire.messages import HttpRequest, HttpResponse
from altcraft.wire.secret import MaskedList
from altcraft.wire.transport import TransportSettings
from altcraft_transports._common.abilities import Abilities
from altcraft_transports._common.for_threads import Pooled
from altcraft_transports._common.requests import checked
from altcraft_transports._common.routes import Route

try:
    import pycurl
except ImportError as error:
    raise MissingExtra("the transport pycurl needs the package pycurl: pip install pycurl") from error

from altcraft_transports.pycurl._handle import Handle

__all__ = ["PycurlTransport", "create"]


class PycurlTransport(Pooled[Handle]):
    """HTTP/1.1 over connections that are kept alive. TLS certificates are verified. Thread-safe.

    `ca_file` holds the authorities to trust, of servers and of an https proxy, in place of the system's; `certificate`
    holds the client's certificate and key. Both are PEM files. `close` can't interrupt the look-up of a name:
    that exchange ends after it. Page: docs/reference/transports.md.
    """

    abilities = Abilities(
        "pycurl",
        proxies=("http", "https", "socks4", "socks4a", "socks5", "socks5h"),
        ssl_context="libcurl reads PEM files, PycurlTransport(ca_file=..., certificate=...)",
    )

    def __init__(
        self,
        settings: TransportSettings | None = None,
        *,
        ca_file: str | None = None,
        certificate: str | None = None,
    ) -> None:
        super().__init__(settings)
        authorities = ca_file or _system_authorities()
        options = {
            pycurl.CAINFO: authorities,
            pycurl.PROXY_CAINFO: authorities,
            pycurl.SSLCERT: certificate,
            pycurl.SSLKEY: certificate,
        }
        self._options = {option: value for option, value in options.items() if value is not None}
        self._last: tuple[Mapping[str, str], list[bytes]] = ({}, [])

    def _make(self) -> Handle:
        return Handle(self._options, self.settings.max_response)

    def _carry(
        self, connection: Handle, request: HttpRequest, route: Route, timeout: float, deadline: float
    ) -> tuple[HttpResponse, bool]:
        lines = self._lines(request.headers)
        return connection.exchange(request, route, lines, timeout, deadline - time.monotonic()), True

    def _lines(self, headers: Mapping[str, str]) -> list[bytes]:
        """Returns the headers as libcurl wants them. The last ones are remembered, since they seldom change."""
        last, lines = self._last
        if not lines or headers != last:
            lines = MaskedList(f"{name}: {value}".encode("latin-1") for name, value in checked(headers))
            lines.append(b"Expect:")
            self._last = dict(headers), lines
        return lines


def create(url: str, *, settings: TransportSettings | None = None) -> PycurlTransport:
    """Makes the transport, for any URL."""
    return PycurlTransport(settings)


def _system_authorities() -> str | None:
    """Returns the system's authorities, which a libcurl that came as a wheel does not find by itself."""
    try:
        with importing:
            import ssl
    except ImportError:
        return None
    return ssl.get_default_verify_paths().cafile
