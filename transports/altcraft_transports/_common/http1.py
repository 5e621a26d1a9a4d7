"""One HTTP/1.1 exchange on a connected socket, within a total time: for urllib3's connections and for plain ones.

A request goes out in one piece. Each `recv` gets only what is left of the exchange's time, so that a peer that sends a
byte now and then, in the header or in the body, holds the caller no longer. The reader is strict where a connection
could get out of step (lengths, chunks, bytes after the reply) and tolerant elsewhere. RFC 9112.
"""

from __future__ import annotations

import functools
import re
import socket

from altcraft.errors import ConnectError, ConnectionLost, ResponseTooLarge
from altcraft.wire.messages import HttpResponse
from altcraft.wire.secret import MaskedBytes
from altcraft_transports._common.body import Body
from altcraft_transports._common.errors import FAILURES, Progress, said
from altcraft_transports._common.proxies import Proxy
from altcraft_transports._common.requests import TOKEN, head
from altcraft_transports._common.sending import END_OF_HEAD, begins_final, bounded, send

__all__ = ["exchange", "fields", "heard_before_the_end", "tunnel"]

_HEAD_LIMIT = 1 << 16
_INTERIM_LIMIT = 16
_RECEIVE = 1 << 16
_STATUS_LINE = re.compile(r"HTTP/1\.([01]) +([1-9][0-9]{2})(?: .*)?\r?")
_BLANKS = " \t\r"
_USUAL, _MANY = 100, 1000
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r]*)?")


def tunnel(sock: socket.socket, host: str, port: int, proxy: Proxy, deadline: float) -> None:
    """Has a proxy connect to a host, through which `sock` then leads. ConnectError if it does not."""
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    message = MaskedBytes(head("CONNECT", place, place, proxy.headers) + b"\r\n")
    try:
        reply, _ = exchange(sock, message, "CONNECT", timeout=0, deadline=deadline, limit=_HEAD_LIMIT)
    except FAILURES as error:
        raise ConnectError("no connection: the proxy did not answer as a proxy does") from error
    if not 200 <= reply.status < 300:
        raise ConnectError(f"no connection: the proxy refused it with status {reply.status}")


def exchange(
    sock: socket.socket,
    message: bytes,
    method: str,
    *,
    timeout: float,
    deadline: float,
    limit: int,
    is_kept: bool = False,
) -> tuple[HttpResponse, bool]:
    """Sends a request and reads its reply; says also whether the connection can carry another exchange.

    A complete reply counts, although the peer did not take all of the request. `deadline` is on time.monotonic,
    `timeout` only what the error says; a connection that `is_kept` has been idle, so that the peer may have ended it.
    Raises ConnectError if nothing could be sent; else RequestTimeout, ConnectionLost, ResponseTooLarge, and DecodeError
    for a coding that can't be undone.
    """
    reader = _Reader(sock, deadline)
    progress = Progress()
    progress.is_kept = is_kept
    try:
        is_whole = reader.write(message, progress)
        reply, persists = reader.reply(method, limit)
    except TimeoutError as error:
        raise progress.late(timeout) from error
    except _Unusable as error:
        raise progress.failed(f"the reply is unusable: {error}") from None
    except OSError as error:
        raise progress.failed(f"the connection broke: {said(error)}") from error
    return reply, persists and is_whole


def heard_before_the_end(sock: socket.socket, method: str, deadline: float, limit: int) -> HttpResponse | None:
    """The whole reply that a broken connection has received, and that nothing has read. None if there is none."""
    try:
        return _Reader(sock, deadline).reply(method, limit)[0]
    except (OSError, ConnectionLost, _Unusable):
        return None


class _Unusable(ValueError):
    """What came is not HTTP/1.1, or not all of it."""


class _Reader:
    """Reads one reply off a socket."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline
        self._buffer = b""

    def write(self, message: bytes, progress: Progress) -> bool:
        """Sends the message; returns False if the peer ended the exchange before it had all of it."""
        try:
            return send(self._sock, message, self._deadline, progress, self._hear)
        except TimeoutError:
            raise
        except OSError:
            return False  # what the peer has to say may be there to read

    def reply(self, method: str, limit: int) -> tuple[HttpResponse, bool]:
        """The final reply, after any interim ones, and whether the connection can carry another exchange."""
        for _ in range(_INTERIM_LIMIT):
            is_newer, status, headers = self._head()
            if status >= 200:
                break
            if status == 101:
                raise _Unusable("the peer changes to another protocol")
        else:
            raise _Unusable(f"{_INTERIM_LIMIT} interim replies, and no final one")
        persists = self._body_into(body := Body(limit, headers.get("content-encoding")), method, status, headers)
        wish = headers.get("connection", "").lower()
        if is_newer:
            persists = persists and "close" not in wish
        else:  # of old, a chunked body is a sign of confusion, and staying connected is to be agreed upon
            persists = persists and "transfer-encoding" not in headers and "keep-alive" in re.split(r"[ \t,]+", wish)
        return HttpResponse(status, headers, body.whole()), persists and not self._buffer

    def _head(self) -> tuple[bool, int, dict[str, str]]:
        """Whether it is HTTP/1.1, the status, and the headers with their names in lower case."""
        start = 0
        while (end := END_OF_HEAD.search(self._buffer, start)) is None:
            start = max(0, len(self._buffer) - 3)
            if len(self._buffer) > _HEAD_LIMIT:
                raise ResponseTooLarge(f"the reply's header has more than {_HEAD_LIMIT:,} bytes")
            if self._buffer and not self._buffer.startswith(b"HTTP/"[: len(self._buffer)]):
                raise _Unusable("it does not begin as HTTP does")
            self._receive("the connection was closed before a reply" if not self._buffer else "it ends in its header")
        head, self._buffer = self._buffer[: end.start()], self._buffer[end.end() :]
        first, _, rest = head.decode("latin-1").partition("\n")
        match = _STATUS_LINE.fullmatch(first)
        if match is None:
            raise _Unusable("it does not begin as HTTP/1.1 does")
        headers = fields(rest)
        if headers is None:
            raise _Unusable("a line of its header is no header")
        return match[1] == "1", int(match[2]), headers

    def _body_into(self, body: Body, method: str, status: int, headers: dict[str, str]) -> bool:
        """Reads the body; whether its end was marked, so that the connection may go on."""
        coding, length = headers.get("transfer-encoding"), headers.get("content-length")
        if status in (204, 304) or method == "HEAD" or (method == "CONNECT" and status < 300):
            # A body that there can't be, announced: it may yet come, in place of the next reply.
            return method == "HEAD" or not (coding or (length and length != "0" and status != 304))
        if coding is not None:
            if coding.lower() != "chunked" or length is not None:
                raise _Unusable("there is no telling where its body ends")
            self._chunks(body)
            return True
        if length is not None:
            sizes = {size.strip(" \t") for size in length.split(",")}
            size = sizes.pop()
            if sizes or not (size.isascii() and size.isdecimal() and len(size) < 16):
                raise _Unusable("its Content-Length is not a number")
            body.expect(int(size))
            self._take(int(size), body)
            return True
        body.feed(self._buffer)
        self._buffer = b""
        while self._receive(None):
            body.feed(self._buffer)
            self._buffer = b""
        return False

    def _chunks(self, body: Body) -> None:
        while True:
            match = _CHUNK_SIZE.fullmatch(self._line())
            if match is None:
                raise _Unusable("a chunk of its body has no size")
            size = int(match[1], 16)
            if not size:
                break
            self._take(size, body)
            if self._line():
                raise _Unusable("a chunk of its body is longer than it says")
        for _ in range(_INTERIM_LIMIT * 4):
            if not self._line():  # trailers are read, and ignored
                return
        raise _Unusable("its trailers have no end")

    def _take(self, size: int, body: Body) -> None:
        """Feeds exactly so many bytes."""
        while size > 0:
            if not self._buffer:
                self._receive("its body is cut short")
            data, self._buffer = self._buffer[:size], self._buffer[size:]
            size -= len(data)
            body.feed(data)

    def _line(self) -> bytes:
        """The next line, without its break."""
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > _HEAD_LIMIT:
                raise _Unusable("a line of its body's framing has no end")
            self._receive("its body is cut short")
        line, self._buffer = self._buffer[:end], self._buffer[end + 1 :]
        return line[:-1] if line.endswith(b"\r") else line

    def _receive(self, otherwise: str | None) -> bool:
        """Reads more bytes into the buffer. At the end: False, or _Unusable with what that means."""
        bounded(self._sock, self._deadline)
        data = self._sock.recv(_RECEIVE)
        if not data and otherwise is not None:
            raise _Unusable(otherwise)
        self._buffer = self._buffer + data if self._buffer else data
        return bool(data)

    def _hear(self, data: bytes) -> bool:
        self._buffer += data
        return not data or begins_final(self._buffer)


def fields(text: str) -> dict[str, str] | None:
    """A header's lines, the names in lower case. None where one is no header, or where there are far too many.

    Several of the same name become one, as RFC 9110 has it; so do the folded lines of old.
    """
    headers: dict[str, str] = {}
    last = ""
    lines = text.split("\n") if text else []
    if len(lines) > _MANY:
        return None
    for line in lines:
        pair = _usual_field(line) if len(line) <= _USUAL else _field(line)
        if pair is None:
            if not last or line[:1] not in (" ", "\t") or "\r" in line[:-1]:
                return None
            headers[last] = f"{headers[last]} {line.strip(_BLANKS)}".lstrip(" ")
            continue
        last, value = pair
        headers[last] = f"{headers[last]}, {value}" if last in headers else value
    return headers


def _field(line: str) -> tuple[str, str] | None:
    name, colon, value = line.removesuffix("\r").partition(":")
    if not colon or not TOKEN.fullmatch(name) or "\r" in value or "\0" in value:
        return None
    return name.lower(), value.strip(" \t")


_usual_field = functools.lru_cache(maxsize=64)(_field)  # most lines are the same from one reply to the next
