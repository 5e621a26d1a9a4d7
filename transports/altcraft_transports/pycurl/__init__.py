"""libcurl, for a third of urllib3's CPU time.

It reads certificates from files, not from an `ssl.SSLContext`. Proxies: whatever libcurl was built with, SOCKS too.
libcurl by itself repeats a request when a kept connection turns out dead, POST included: that is made impossible here,
by handing it the body as a stream that can't be wound back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from altcraft.errors import ConnectError, MissingExtra
from altcraft.wire.messages import HttpRequest, HttpResponse
from altcraft.wire.secret import MaskedList
from altcraft_transports._common.body import MAX_RESPONSE
from altcraft_transports._common.requests import checked
from altcraft_transports._common.sleep import Sleeping

try:
    import pycurl
except ImportError as error:
    raise MissingExtra("the transport pycurl needs the package pycurl: pip install pycurl") from error

from altcraft_transports.pycurl._handle import Handle

__all__ = ["PycurlTransport", "create"]


def create(
    url: str,
    *,
    proxy: str | None = None,
    ca_file: str | None = None,
    certificate: str | None = None,
    connections: int = 16,
    max_response: int = MAX_RESPONSE,
) -> PycurlTransport:
    """The transport, whatever the URL; options as the class takes them."""
    return PycurlTransport(
        proxy=proxy, ca_file=ca_file, certificate=certificate, connections=connections, max_response=max_response
    )


class PycurlTransport(Sleeping):
    """HTTP/1.1 over kept-alive connections, at most `connections` at once; further exchanges wait for a free one.

    TLS certificates are verified, against libcurl's authorities or those in `ca_file`; `certificate` is a file with
    the client's certificate and key; both are PEM. `proxy` is a proxy's URL, with its user and password if it wants
    them; the environment's proxies are not looked at. A reply of more than `max_response` bytes, after
    decompression, is ResponseTooLarge. Thread-safe. Where a name is being looked up, closing waits for that.
    """

    def __init__(
        self,
        *,
        proxy: str | None = None,
        ca_file: str | None = None,
        certificate: str | None = None,
        connections: int = 16,
        max_response: int = MAX_RESPONSE,
    ) -> None:
        super().__init__()
        settings = {
            pycurl.PROXY: proxy or "",
            pycurl.CAINFO: ca_file or _system_authorities(),
            pycurl.SSLCERT: certificate,
            pycurl.SSLKEY: certificate,
        }
        self._settings = {option: value for option, value in settings.items() if value is not None}
        self._max_response = max_response
        self._slots = threading.Semaphore(connections)
        self._lock = threading.Lock()
        self._idle: list[Handle] = []
        self._all: set[Handle] = set()
        self._closed = False
        self._last: tuple[Mapping[str, str], list[bytes]] = ({}, [])

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        """One exchange, without redirects and retries."""
        deadline = time.monotonic() + timeout
        lines = self._lines(request.headers)
        if not self._slots.acquire(timeout=timeout):
            raise ConnectError("no free connection in time: more exchanges at once than connections")
        try:
            handle = self._take()
            try:
                return handle.exchange(request, lines, timeout, deadline - time.monotonic(), self._max_response)
            finally:
                self._give_back(handle)
        finally:
            self._slots.release()

    def close(self) -> None:
        """Ends sleeps and exchanges, closes all connections."""
        self._sleeper.close()
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            busy = self._all.difference(idle)
            self._all.clear()
        for handle in busy:
            handle.abort()
        for handle in idle:
            handle.close()

    def _lines(self, headers: Mapping[str, str]) -> list[bytes]:
        """The headers as libcurl wants them. The last ones are remembered: they seldom change."""
        last, lines = self._last
        if headers != last:
            lines = MaskedList(f"{name}: {value}".encode("latin-1") for name, value in checked(headers))
            lines.append(b"Expect:")
            self._last = dict(headers), lines
        return self._last[1]

    def _take(self) -> Handle:
        with self._lock:
            if self._closed:
                raise ConnectError("the transport is closed")
            if self._idle:
                return self._idle.pop()
            handle = Handle(self._settings)
            self._all.add(handle)
            return handle

    def _give_back(self, handle: Handle) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(handle)
                return
        handle.close()


def _system_authorities() -> str | None:
    """The system's authorities, which a libcurl that came as a wheel does not find by itself."""
    import ssl

    return ssl.get_default_verify_paths().cafile
