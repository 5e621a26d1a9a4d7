"""libcurl, for a third of urllib3's CPU time.

It reads certificates from files, not from an `ssl.SSLContext`. Proxies: whatever libcurl was built with, SOCKS too.
libcurl by itself repeats a request when a kept connection turns out dead, POST included: that is made impossible here,
by handing it the body as a stream that can't be wound back.
"""

from __future__ import annotations

import io
import os
import socket
import threading
import time
from collections.abc import Mapping
from typing import Any

from altcraft.errors import ConnectError, ConnectionLost, MissingExtra, RequestTimeout, TransportError
from altcraft.messages import HttpRequest, HttpResponse
from altcraft.secret import MaskedList
from altcraft_transports._body import MAX_RESPONSE, Body
from altcraft_transports._dial import is_quiet
from altcraft_transports._http1 import checked, fields
from altcraft_transports._sleep import Sleeper

try:
    import pycurl
except ImportError as error:
    raise MissingExtra("the transport pycurl needs an extra: pip install 'altcraft-client[pycurl]'") from error

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


class PycurlTransport:
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
        settings = {
            pycurl.PROXY: proxy or "",
            pycurl.CAINFO: ca_file or _system_authorities(),
            pycurl.SSLCERT: certificate,
            pycurl.SSLKEY: certificate,
        }
        self._settings = {option: value for option, value in settings.items() if value is not None}
        self._max_response = max_response
        self._sleeper = Sleeper()
        self._slots = threading.Semaphore(connections)
        self._lock = threading.Lock()
        self._idle: list[_Handle] = []
        self._all: set[_Handle] = set()
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

    def sleep(self, seconds: float) -> None:
        """Sleeps, until the transport is woken or closed."""
        self._sleeper.sleep(seconds)

    def wake(self) -> None:
        """Ends all sleeps."""
        self._sleeper.wake()

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

    def _take(self) -> _Handle:
        with self._lock:
            if self._closed:
                raise ConnectError("the transport is closed")
            if self._idle:
                return self._idle.pop()
            handle = _Handle(self._settings)
            self._all.add(handle)
            return handle

    def _give_back(self, handle: _Handle) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(handle)
                return
        handle.close()


class _Handle:
    """One of libcurl's handles, with the connection that it keeps. Used by one thread at a time."""

    def __init__(self, settings: dict[int, str]) -> None:
        self._lock = threading.Lock()
        self._sockets: dict[int, socket.socket] = {}  # by inode, which libcurl's own descriptor has in common
        self._aborted = self._is_stale = self._has_body = False
        self._url = self._method = ""
        self._lines: list[bytes] = []
        self._headers: dict[str, str] = {}
        self._out, self._head = io.BytesIO(), io.BytesIO()
        self._limit = 0
        self._body: Body | None = None
        self._failure: TransportError | None = None
        self._curl = curl = pycurl.Curl()
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        curl.setopt(pycurl.MAXCONNECTS, 1)
        curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open)
        curl.setopt(pycurl.CLOSESOCKETFUNCTION, self._shut)
        curl.setopt(pycurl.READFUNCTION, self._out.read)
        curl.setopt(pycurl.HEADERFUNCTION, self._head.write)
        curl.setopt(pycurl.WRITEFUNCTION, self._write)
        for option, value in settings.items():
            curl.setopt(option, value)

    def exchange(
        self, request: HttpRequest, lines: list[bytes], timeout: float, left: float, limit: int
    ) -> HttpResponse:
        """One exchange, in the `left` seconds of `timeout`."""
        curl = self._curl
        self._failure, self._body, self._limit = None, None, limit
        self._prepare(request, lines)
        curl.setopt(pycurl.TIMEOUT_MS, max(1, int(left * 1000)))  # connecting included
        try:
            curl.perform()
        except pycurl.error as error:
            raise self._error(error, timeout) from (None if self._failure else error)
        body = self._begun()
        if body is None:
            raise ConnectionLost("the reply is unusable: it ends in its header, or a line of that is no header")
        return HttpResponse(curl.getinfo(pycurl.RESPONSE_CODE), self._headers, body.whole())

    def abort(self) -> None:
        """Ends the exchange that another thread carries out."""
        with self._lock:
            self._aborted = True
            for sock in self._sockets.values():
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # not connected any more, or not yet: then `_open` or the timeout ends it

    def close(self) -> None:
        """Frees everything. No exchange may be under way."""
        self._curl.close()
        for sock in self._sockets.values():
            sock.close()
        self._sockets.clear()

    def _prepare(self, request: HttpRequest, lines: list[bytes]) -> None:
        """Tells libcurl what is new since the last exchange."""
        curl = self._curl
        if request.url != self._url:
            curl.setopt(pycurl.URL, request.url.encode())
            self._url = request.url
        if request.method != self._method:
            curl.setopt(pycurl.NOBODY, request.method == "HEAD")
            curl.setopt(pycurl.POST, request.method != "HEAD")
            curl.setopt(pycurl.CUSTOMREQUEST, request.method)
            self._method = request.method
        if lines is not self._lines:
            curl.setopt(pycurl.HTTPHEADER, lines)
            self._lines = lines
        self._head.seek(0)
        self._head.truncate()
        self._out.seek(0)
        self._out.truncate()
        self._out.write(request.body)
        self._out.seek(0)
        self._has_body = bool(request.body)
        is_stale = not all(is_quiet(sock) for sock in self._sockets.values())  # libcurl looks once in a second
        if is_stale != self._is_stale:
            curl.setopt(pycurl.FRESH_CONNECT, is_stale)
            self._is_stale = is_stale
        if request.method != "HEAD":
            curl.setopt(pycurl.POSTFIELDSIZE, len(request.body))

    def _write(self, data: bytes) -> int:
        try:
            body = self._begun()
            if body is None:
                return -1
            body.feed(data)
        except TransportError as error:  # it can't pass through libcurl
            self._failure = error
            return -1
        return len(data)

    def _begun(self) -> Body | None:
        """The body; at first, the header is read, which is complete by then, or never will be."""
        if self._body is None:
            headers = _headers(self._head.getvalue())
            if headers is not None:
                self._headers = headers
                self._body = Body(self._limit, headers.get("content-encoding"))
        return self._body

    def _error(self, error: pycurl.error, timeout: float) -> TransportError:
        if self._failure is not None:
            return self._failure
        code, text = error.args[0], error.args[-1]
        # libcurl asks for the body once it has a connection, tunnel and TLS included; without a body, it counts.
        is_sent = self._out.tell() > 0 or (not self._has_body and self._curl.getinfo(pycurl.REQUEST_SIZE) > 0)
        if not is_sent:
            return ConnectError(f"no connection: {'the transport is closed' if self._aborted else text}")
        if self._aborted:
            return ConnectionLost("the transport was closed during the exchange")
        if code == pycurl.E_OPERATION_TIMEDOUT:
            return RequestTimeout(f"no complete reply within {timeout:g} s")
        return ConnectionLost(f"the exchange broke off: {text}")

    def _open(self, purpose: int, address: Any) -> object:
        """Makes a socket, of which libcurl takes a duplicate: ours is for ending it from another thread."""
        with self._lock:
            if self._aborted:
                return pycurl.SOCKET_BAD
            sock = socket.socket(address.family, address.socktype, address.protocol)
            self._sockets[os.fstat(sock.fileno()).st_ino] = sock
            return sock

    def _shut(self, descriptor: int) -> int:
        with self._lock:
            sock = self._sockets.pop(os.fstat(descriptor).st_ino, None)
        os.close(descriptor)
        if sock is not None:
            sock.close()
        return 0


def _headers(raw: bytes) -> dict[str, str] | None:
    """The headers of the last reply among those that came in: interim ones before it and trailers after it are not.

    None where they have no end.
    """
    text = raw.decode("latin-1").replace("\r\n", "\n")
    start = text.rfind("HTTP/") if text.startswith("HTTP/") else -1
    while start > 0 and text[start - 1] != "\n":
        start = text.rfind("HTTP/", 0, start)
    end = text.find("\n\n", start)
    return fields(text[start:end].partition("\n")[2]) if start >= 0 and end >= 0 else None


def _system_authorities() -> str | None:
    """The system's authorities, which a libcurl that came as a wheel does not find by itself."""
    import ssl

    return ssl.get_default_verify_paths().cafile
