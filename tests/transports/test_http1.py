"""Reading and writing HTTP/1.1, without a network: any bytes, cut into pieces of any size."""

from __future__ import annotations

import http.client
import io
import random
import time
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altcraft import ConnectError, ConnectionLost, HttpRequest, HttpResponse, ResponseTooLarge
from altcraft.wire.messages import Headers
from altcraft.wire.transport import Transport
from altcraft_transports._common.http1 import exchange, fields
from altcraft_transports._common.requests import Composer, authority, head, target
from altcraft_transports.http_client import HttpClientTransport
from altcraft_transports.urllib3 import Urllib3Transport

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
REPLIES = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/x\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
    b"HTTP/1.1 200\r\nX: a\r\n\tfolded\r\nX: b\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
    CHUNKED + b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: x\r\n\r\n",
)


class Wire:
    """A socket whose peer has sent everything already, in pieces of these sizes, or sends the same piece for ever."""

    def __init__(self, data: bytes, sizes: list[int] | None = None, for_ever: bytes = b"") -> None:
        self._data = io.BytesIO(data)
        self._sizes = sizes or []
        self._for_ever = for_ever

    def settimeout(self, seconds: float) -> None:
        assert seconds > 0

    def send(self, data: bytes) -> int:
        return len(data)

    def recv(self, size: int) -> bytes:
        return self._data.read(min(size, self._sizes.pop() if self._sizes else size)) or self._for_ever


def read(
    data: bytes, sizes: list[int] | None = None, limit: int = 10_000, method: str = "POST"
) -> tuple[HttpResponse, bool]:
    sock = cast("http.client.socket.socket", Wire(data, sizes))  # type: ignore[name-defined]  # what it needs of one
    return exchange(sock, b"x", method, timeout=1, deadline=float("inf"), limit=limit)


def test_replies_are_read_and_tell_whether_the_connection_goes_on() -> None:
    seen = [(reply.status, reply.body, persists) for reply, persists in map(read, REPLIES)]
    assert seen == [
        (200, b"hello", True),
        (404, b"no", True),
        (204, b"", True),
        (200, b"until the end", False),
        (200, b"", True),
        (200, b"hello", True),
        (200, b"hello world", True),
    ]
    assert read(REPLIES[4])[0].headers["x"] == "a folded, b"


@pytest.mark.parametrize("reply", REPLIES)
@given(sizes=st.lists(st.integers(1, 9), max_size=200))
def test_the_pieces_in_which_a_reply_comes_make_no_difference(reply: bytes, sizes: list[int]) -> None:
    cut, whole = read(reply, sizes)[0], read(reply)[0]
    assert (cut.status, cut.headers, cut.body) == (whole.status, whole.headers, whole.body)


def test_bytes_after_a_reply_end_the_connection() -> None:
    assert read(REPLIES[0] + b"H")[1] is False
    assert read(REPLIES[2] + REPLIES[0])[1] is False


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nConnection: not-keep-alive\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nuntil the end",
    ],
)
def test_a_connection_of_which_more_may_come_is_not_used_again(reply: bytes) -> None:
    assert read(reply)[1] is False


def test_a_length_without_a_body_is_no_suspicion_where_the_rules_have_it_so() -> None:
    assert read(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n")[1] is True
    assert read(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")[1] is True
    assert read(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", method="HEAD")[1] is True
    assert read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", method="HEAD")[1] is True


def test_a_connection_header_is_obeyed() -> None:
    assert read(b"HTTP/1.1 200 OK\r\nConnection: foo, Close\r\nContent-Length: 0\r\n\r\n")[1] is False
    assert read(b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n")[1] is True
    assert read(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")[1] is False


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 099 No\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 50,
        b"HTTP/1.1 200 OK\r\n folded: at once\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        CHUNKED + b"-1\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"4\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"5\r\nhello\r\n0\r\n" + b"X: y\r\n" * 999,
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0_5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: \x0b5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5,\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nX: a\rContent-Length: 0\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: \r\nContent-Length: 5\r\n\r\nhello",
        CHUNKED + b" 5\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"5;a\rb\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"0" * 99 + b"5\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"5;" + b"x" * 200_000,
        CHUNKED + b"5\r\nhello\r\n0\r\nX: " + b"y" * 200_000,
        b"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_what_could_put_a_connection_out_of_step_is_refused(reply: bytes) -> None:
    with pytest.raises(ConnectionLost):
        read(reply)


@pytest.mark.parametrize(
    ("begun", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        (b"HTTP/1.1 ", b"2"),
        (b"", b"\r\n"),
        (CHUNKED, b"0"),
        (CHUNKED, b"f"),
        (CHUNKED + b"5;", b"x"),
        (CHUNKED + b"5\r\nhello", b"x"),
        (CHUNKED + b"0\r\nX: ", b"y"),
        (CHUNKED + b"0\r\n", b"X: y\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
)
def test_what_has_no_end_is_refused(begun: bytes, piece: bytes) -> None:
    sock = cast("http.client.socket.socket", Wire(begun, for_ever=piece * 1000))  # type: ignore[name-defined]  # as above
    with pytest.raises((ConnectionLost, ResponseTooLarge)):
        exchange(sock, b"x", "POST", timeout=1, deadline=time.monotonic() + 5, limit=10_000)


def test_a_body_that_announces_more_than_the_limit_is_refused_before_it_comes() -> None:
    for size in (b"10001", b"999999999999999"):
        with pytest.raises(ResponseTooLarge):
            read(b"HTTP/1.1 200 OK\r\nContent-Length: " + size + b"\r\n\r\n")
    with pytest.raises(ResponseTooLarge):
        read(CHUNKED + b"1\r\nx\r\n" * 20_000)


def test_what_a_trailer_says_changes_nothing() -> None:
    reply, persists = read(CHUNKED + b"5;x=y\r\nhello\r\n0\r\nContent-Length: 9\r\nConnection: close\r\n\r\n")
    assert (reply.body, persists) == (b"hello", True)
    assert "content-length" not in reply.headers


def test_mutilated_replies_are_replies_or_lost_and_nothing_else() -> None:
    dice = random.Random(9112)
    for _ in range(20_000):
        reply = bytearray(dice.choice(REPLIES))
        for _ in range(dice.randint(1, 4)):
            reply[dice.randrange(len(reply))] = dice.choice((0, 10, 13, 32, 48, 58, 255, dice.randrange(256)))
        try:
            read(bytes(reply))
        except (ConnectionLost, ResponseTooLarge):
            continue


def test_what_is_accepted_is_read_as_http_client_reads_it() -> None:
    dice = random.Random(2616)
    compared = 0
    for _ in range(5_000):
        reply = bytearray(dice.choice((REPLIES[0], REPLIES[3], REPLIES[6])))
        reply[dice.randrange(len(reply))] = dice.choice(b"\r\n 0159:;abcX")
        if b" \r\n" in reply:
            continue  # http.client takes the blanks at a value's end for a part of it
        try:
            ours = read(bytes(reply))[0]
        except (ConnectionLost, ResponseTooLarge):
            continue
        theirs = http.client.HTTPResponse(cast("http.client.socket.socket", _Makefile(bytes(reply))))  # type: ignore[name-defined]  # as above
        try:
            theirs.begin()
            body = theirs.read()
        except (http.client.HTTPException, ValueError):
            continue
        finally:
            theirs.close()
        compared += 1
        assert (ours.status, ours.body) == (theirs.status, body), bytes(reply)
    assert compared > 500


class _Makefile:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def test_a_message_in_time_already_over_is_not_sent() -> None:
    sock = cast("http.client.socket.socket", Wire(REPLIES[0]))  # type: ignore[name-defined]  # as above
    with pytest.raises(ConnectError):
        exchange(sock, b"x", "POST", timeout=1, deadline=0, limit=10)


# Requests


def test_a_header_that_would_break_out_of_its_line_is_refused_without_being_shown() -> None:
    composer = Composer()
    for headers in ({"A": "s3cret\r\nB: c"}, {"A": "s3cret\0"}, {"A": "s3cret\u20ac"}, {"A\r\nB": "s3cret"}):
        with pytest.raises(ValueError, match="can't be sent") as caught:
            composer.message(b"", headers, b"")
        assert "s3cret" not in str(caught.value)


def test_where_a_request_ends_is_not_for_its_headers_to_say() -> None:
    for name in ("Content-Length", "content-length", "Transfer-Encoding"):
        with pytest.raises(ValueError, match="the transport's own"):
            Composer().message(b"", {name: "5"}, b"body")


@pytest.mark.parametrize("url", ["http://h:80\0/", "http://a b/", "http://h\x7f/", "http://h\x1f:80/"])
def test_a_url_whose_host_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="no host"):
        authority(urlsplit(url))


def test_what_a_url_names_stays_within_its_line() -> None:
    for url in ("http://h/a b\x0b?\x85=\x00#f", "http://h/\u20ac?\u20ac", "http://u:p@h/ HTTP/1.1"):
        parts = urlsplit(url)
        named = target(parts)
        assert head("POST", named, authority(parts), {}) == f"POST {named} HTTP/1.1\r\nHost: h\r\n".encode()
        assert named.isascii()
        assert named.isprintable()
        assert " " not in named


def test_a_method_that_is_no_word_is_refused() -> None:
    for method in ("", "GET /", "POST\r\nX: y"):
        with pytest.raises(ValueError, match="method"):
            head(method, "/", "h", {})


@pytest.mark.parametrize("make", [Urllib3Transport, HttpClientTransport])
@pytest.mark.parametrize("url", ["http://\xe4..b/", "http://h:99999/", "http://h:x/", "http://[::1/", "http:///x"])
def test_a_url_that_leads_nowhere_is_a_connect_error(make: Callable[[], Transport], url: str) -> None:
    transport = make()
    with pytest.raises(ConnectError):
        transport.send(HttpRequest("POST", url, {}, b""), timeout=1)
    transport.close()


def test_headers_that_were_changed_in_between_are_sent_as_they_are() -> None:
    composer, headers = Composer(), Headers({"A": "1"})
    first = composer.message(b"", headers, b"")
    headers["A"] = "2"
    assert first == b"Accept-Encoding: gzip, deflate\r\nA: 1\r\nContent-Length: 0\r\n\r\n"
    assert composer.message(b"", headers, b"") == first.replace(b"1", b"2")
    assert composer.message(b"", {"accept-encoding": "br"}, b"").count(b"ncoding") == 1


def test_fields_are_read_or_refused() -> None:
    assert fields("") == {}
    assert fields("A:b\r\nC:  d \r") == {"a": "b", "c": "d"}
    assert fields("A: b\nA: c\n d") == {"a": "b, c d"}
    assert fields("A: b\nnot a field") is None
    assert fields(" A: b") is None
