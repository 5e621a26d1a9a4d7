"""One of libcurl's handles, with the connection that it keeps."""

from __future__ import annotations

import io
import os
import socket
import threading
import time
from typing import Any

import pycurl

from altcraft.errors import ConnectError, ConnectionLost, DecodeError, RequestTimeout, TransportError
from altcraft.wire.messages import HttpRequest, HttpResponse
from altcraft_transports._common.body import Body
from altcraft_transports._common.errors import CLOSED, ENDED, FAILURES
from altcraft_transports._common.forks import detach
from altcraft_transports._common.http1 import fields, heard_before_the_end
from altcraft_transports._common.ready import is_quiet
from altcraft_transports._common.requests import word
from altcraft_transports._common.routes import Route

__all__ = ["Handle"]

NO_HEADER = "the reply is unusable: it ends in its header, or a line of that is no header"
_HONEST = {
    getattr(pycurl, f"E_{name}")
    for name in (
        "COULDNT_RESOLVE_PROXY", "COULDNT_RESOLVE_HOST", "COULDNT_CONNECT", "OPERATION_TIMEDOUT", "SEND_ERROR",
        "RECV_ERROR", "GOT_NOTHING", "PARTIAL_FILE", "SSL_CONNECT_ERROR", "PEER_FAILED_VERIFICATION", "SSL_CERTPROBLEM",
        "SSL_CACERT_BADFILE", "URL_MALFORMAT", "SSL_CIPHER", "SSL_ISSUER_ERROR", "SEND_FAIL_REWIND",
    )
}  # fmt: skip
"""Errors whose texts repeat nothing that the server sent."""
_BROKEN = {pycurl.E_SEND_ERROR, pycurl.E_RECV_ERROR, pycurl.E_GOT_NOTHING}
_ABORT: int = pycurl.READFUNC_ABORT
_abandoned: list[Handle] = []
"""In a forked child: those that a thread of the parent used. libcurl can neither go on with them nor free them."""


class Handle:
    """Carries out exchanges, all with one place. One thread uses it at a time; `abort` is for the others."""

    def __init__(self, options: dict[int, str], limit: int) -> None:
        self._limit = limit
        self._lock = threading.RLock()
        self._sockets: dict[int, socket.socket] = {}  # by the number of libcurl's own descriptor
        self._opened: socket.socket | None = None
        self._lost: list[socket.socket] = []  # those that libcurl has let go of during an exchange
        self._aborted = self._is_busy = self._is_kept = self._has_body = False
        self._url = self._method = ""
        self._lines: list[bytes] = []
        self._headers: dict[str, str] = {}
        self._out, self._head = io.BytesIO(), io.BytesIO()
        self._body: Body | None = None
        self._received = 0
        self._failure: TransportError | DecodeError | None = None
        self._curl = curl = pycurl.Curl()
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        curl.setopt(pycurl.MAXCONNECTS, 1)
        curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open)
        curl.setopt(pycurl.SOCKOPTFUNCTION, self._opened_as)
        curl.setopt(pycurl.CLOSESOCKETFUNCTION, self._shut)
        curl.setopt(pycurl.READFUNCTION, self._read)
        curl.setopt(pycurl.HEADERFUNCTION, self._head.write)
        curl.setopt(pycurl.WRITEFUNCTION, self._write)
        curl.setopt(pycurl.NOPROXY, "")  # else libcurl looks at the environment's
        for option, value in options.items():
            curl.setopt(option, value)

    def exchange(
        self, request: HttpRequest, route: Route, lines: list[bytes], timeout: float, left: float
    ) -> HttpResponse:
        """Carries out one exchange, in the `left` seconds of `timeout`."""
        curl = self._curl
        self._failure, self._body, self._received = None, None, 0
        self._is_kept = bool(self._sockets)
        self._prepare(request, route, lines)
        curl.setopt(pycurl.TIMEOUT_MS, max(1, int(left * 1000)))  # connecting included
        self._is_busy = True
        deadline = time.monotonic() + left
        try:
            curl.perform()
        except pycurl.error as error:
            if not self._is_whole():
                refusal = self._unheard(request.method, route, error, deadline)
                if refusal is None:
                    raise self._error(error, timeout) from None
                return refusal
        finally:
            self._is_busy = False
            while self._lost:
                self._lost.pop().close()
        body = self._begun()
        if body is None:
            raise ConnectionLost(NO_HEADER)
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

    def abandon(self) -> None:
        """Lets go of the parent's connection, in a forked child."""
        self._lock = threading.RLock()
        for descriptor, sock in self._sockets.items():
            detach(descriptor, sock.fileno())
        if self._is_busy:
            _abandoned.append(self)
        else:
            self.close()

    def _prepare(self, request: HttpRequest, route: Route, lines: list[bytes]) -> None:
        """Tells libcurl what is new since the last exchange."""
        curl = self._curl
        if route.url != self._url:
            curl.setopt(pycurl.URL, route.url)
            curl.setopt(pycurl.PROXY, "" if route.place.proxy is None else route.place.proxy.url)
            self._url = route.url
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
        if request.method != "HEAD":
            curl.setopt(pycurl.POSTFIELDSIZE, len(request.body))

    def _read(self, size: int) -> bytes | int:
        """Hands out the body, which goes out together with the header, unless the peer has ended the connection."""
        if self._is_kept and not self._out.tell() and not all(is_quiet(sock) for sock in self._sockets.values()):
            self._failure = ConnectError(ENDED)
            return _ABORT
        return self._out.read(size)

    def _write(self, data: bytes) -> int:
        try:
            body = self._begun()
            if body is None:
                raise ConnectionLost(NO_HEADER)
            body.feed(data)
        except FAILURES as error:  # it can't pass through libcurl
            self._failure = error
            return -1
        self._received += len(data)
        return len(data)

    def _begun(self) -> Body | None:
        """Returns the body; at first, reads the header, which is complete by then, or never will be."""
        if self._body is None:
            headers = _headers(self._head.getvalue())
            if headers is not None:
                self._headers = headers
                self._body = Body(self._limit, headers.get("content-encoding"))
        return self._body

    def _is_whole(self) -> bool:
        """Whether all of a reply came before libcurl gave up, as when a server refuses a request and hangs up."""
        if self._failure is not None or self._curl.getinfo(pycurl.RESPONSE_CODE) < 200 or self._begun() is None:
            return False
        return self._headers.get("content-length", "") == str(self._received)

    def _unheard(self, method: str, route: Route, error: pycurl.error, deadline: float) -> HttpResponse | None:
        """The reply to a request that libcurl could not send to its end, where it has read none of it. None under TLS.

        A server may refuse a request, and reset the connection. libcurl's sending may meet the reset before its
        receiving meets the reply, which our socket has still.
        """
        proxy = route.place.proxy
        if route.place.is_secure or (proxy is not None and proxy.scheme == "https"):
            return None
        if error.args[0] not in _BROKEN or self._failure is not None or self._aborted or self._head.tell():
            return None
        sockets = [*self._lost, *self._sockets.values()]
        return heard_before_the_end(sockets[-1], method, deadline, self._limit) if sockets else None

    def _error(self, error: pycurl.error, timeout: float) -> TransportError | DecodeError:
        if self._failure is not None:
            return self._failure
        code = error.args[0]
        text = error.args[-1] if code in _HONEST and error.args[-1] else f"libcurl's error {code}"
        # libcurl asks for the body once it has a connection, tunnel and TLS included; without a body, it counts.
        is_sent = self._out.tell() > 0 or (not self._has_body and self._curl.getinfo(pycurl.REQUEST_SIZE) > 0)
        if not is_sent:
            return ConnectError(f"no connection: {CLOSED if self._aborted else text}")
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
            self._opened = socket.socket(address.family, address.socktype, address.protocol)
            return self._opened

    def _opened_as(self, descriptor: int, purpose: int) -> int:
        """Notes the number of the duplicate."""
        with self._lock:
            assert self._opened is not None
            self._sockets[descriptor], self._opened = self._opened, None
        return 0  # SOCKOPT_OK

    def _shut(self, descriptor: int) -> int:
        with self._lock:
            sock = self._sockets.pop(descriptor, None)
        os.close(descriptor)
        if sock is not None:
            if self._is_busy:
                self._lost.append(sock)
            else:
                sock.close()
        return 0


def _headers(raw: bytes) -> dict[str, str] | None:
    """Returns the headers of the last reply that came in; interim ones before it and trailers after it don't count.

    None if they have no end.
    """
    text = raw.decode("latin-1").replace("\r\n", "\n")
    start = text.rfind("HTTP/") if text.startswith("HTTP/") else -1
    while start > 0 and text[start - 1] != "\n":
        start = text.rfind("HTTP/", 0, start)
    end = text.find("\n\n", start)
    return fields(text[start:end].partition("\n")[2]) if start >= 0 and end >= 0 else None
