"""One of libcurl's handles, put to this library's use."""

from __future__ import annotations

import io
import os
import socket
import threading
from typing import Any

import pycurl

from altcraft.errors import ConnectError, ConnectionLost, RequestTimeout, TransportError
from altcraft.wire.messages import HttpRequest, HttpResponse
from altcraft_transports._common.body import Body
from altcraft_transports._common.dial import is_quiet
from altcraft_transports._common.http1 import fields
from altcraft_transports._common.requests import word

__all__ = ["Handle"]


class Handle:
    """With the connection that it keeps. Used by one thread at a time; `abort` is for the others."""

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
            curl.setopt(pycurl.CUSTOMREQUEST, word(request.method))
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
