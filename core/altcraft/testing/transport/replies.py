"""Cases: what a reply can look like."""

from __future__ import annotations

import contextlib
import gzip
import tracemalloc
import zlib
from collections.abc import Callable
from functools import partial

from altcraft.errors import ConnectionLost, DecodeError, ResponseTooLarge, TransportError
from altcraft.testing.transport.case import Case
from altcraft.testing.transport.loopback import Loopback, Received, Talk, answering, reply
from altcraft.testing.transport.tested import HEADER_TOKEN, MakeTransport, request
from altcraft.wire.messages import HttpRequest, header

__all__ = ["ReplyCases"]

_TEXT = b'{"data": "' + b"0123456789" * 20 + b'"}'


class ReplyCases(Case):
    """Requests go out as they are, and replies come back as they were."""

    def test_a_request_arrives_as_it_was_written(self, make_transport: MakeTransport) -> None:
        body = bytes(range(256)) * 3
        with Loopback(answering(reply())) as server, self.made(make_transport) as tested:
            tested.send(request(server.url + "/api/v1.1/tasks/status", body))
        (received,) = server.requests
        assert (received.method, received.target) == ("POST", "/api/v1.1/tasks/status")
        assert received.body == body, "the body is not what was to be sent"
        assert received.headers["content-type"] == "application/json"
        assert received.headers["authorization"] == f"Bearer {HEADER_TOKEN}"
        assert received.headers["host"] == f"127.0.0.1:{server.port}"

    def test_nothing_in_a_request_breaks_out_of_its_line(self, make_transport: MakeTransport) -> None:
        break_out = "a\r\nX-Forged: b"
        with Loopback(answering(reply(b"hello"))) as server, self.made(make_transport) as tested:
            sound = request(server.url + "/")
            for forged in (
                HttpRequest(sound.method, sound.url, {"X-Sound": break_out}, b""),
                HttpRequest(sound.method, sound.url, {break_out: "c"}, b""),
                HttpRequest(sound.method, f"{sound.url}{break_out}", sound.headers, b""),
                HttpRequest(f"POST / HTTP/1.1\r\nX-Forged: b\r\n{sound.method}", sound.url, sound.headers, b""),
            ):
                with contextlib.suppress(TransportError, ValueError):  # refusing is as good
                    tested.send(forged)
        assert not any("x-forged" in received.headers for received in server.requests)

    def test_a_reply_comes_back_with_its_status_its_headers_and_its_body(self, make_transport: MakeTransport) -> None:
        script = answering(reply(_TEXT, "Content-Type: text/x", "X-Empty:", "Retry-After: 7", status="418 Ünusual"))
        with Loopback(script) as server, self.made(make_transport) as tested:
            answer = tested.send(request(server.url + "/"))
        assert (answer.status, answer.body) == (418, _TEXT)
        assert header(answer.headers, "content-type") == "text/x"
        assert header(answer.headers, "retry-after") == "7"
        assert header(answer.headers, "x-empty") == ""
        assert isinstance(answer.body, bytes)

    def test_every_status_is_a_reply_and_none_an_error(self, make_transport: MakeTransport) -> None:
        statuses = (200, 201, 299, 400, 401, 403, 404, 407, 429, 500, 502, 503, 599)
        script = answering(*(reply(b"said", "WWW-Authenticate: Basic", status=f"{status} X") for status in statuses))
        with Loopback(script) as server, self.made(make_transport) as tested:
            answers = [tested.send(request(server.url + "/")) for _ in statuses]
        assert [answer.status for answer in answers] == list(statuses)
        assert {answer.body for answer in answers} == {b"said"}

    def test_a_redirect_is_reported_and_not_followed(self, make_transport: MakeTransport) -> None:
        statuses = (301, 302, 303, 307, 308)
        script = answering(*(reply(b"", "Location: /elsewhere", status=f"{status} Moved") for status in statuses))
        with Loopback(script) as server, self.made(make_transport) as tested:
            answers = [tested.send(request(server.url + "/")) for _ in statuses]
        assert [answer.status for answer in answers] == list(statuses)
        assert {header(answer.headers, "location") for answer in answers} == {"/elsewhere"}
        assert [received.target for received in server.requests] == ["/"] * 5, "a redirect was followed"

    def test_a_chunked_body_is_put_together(self, make_transport: MakeTransport) -> None:
        chunks = b"5\r\nhello\r\n1;name=value\r\n,\r\n6\r\n world\r\n0\r\nX-Trailer: x\r\n\r\n"
        with (
            Loopback(answering(reply(chunks, "Transfer-Encoding: chunked"))) as server,
            self.made(make_transport) as tested,
        ):
            assert tested.send(request(server.url + "/")).body == b"hello, world"
            assert tested.send(request(server.url + "/")).body == b"hello, world"

    def test_a_body_may_end_with_the_connection(self, make_transport: MakeTransport) -> None:
        for version in ("1.0", "1.1"):

            def script(talk: Talk, version: str = version) -> None:
                talk.receive()
                talk.send(reply(_TEXT, "Connection: close", version=version))

            with Loopback(script) as server, self.made(make_transport) as tested:
                assert tested.send(request(server.url + "/")).body == _TEXT
                assert tested.send(request(server.url + "/")).body == _TEXT

    def test_a_body_may_be_empty(self, make_transport: MakeTransport) -> None:
        empty = [
            reply(),
            reply(status="204 No Content", length=None),
            reply(b"0\r\n\r\n", "Transfer-Encoding: chunked"),
            b"HTTP/1.1 204\r\n\r\n",
        ]
        with Loopback(answering(*empty)) as server, self.made(make_transport) as tested:
            answers = [tested.send(request(server.url + "/"), 2) for _ in empty]
        assert [answer.status for answer in answers] == [200, 204, 200, 204]
        assert {answer.body for answer in answers} == {b""}

    def test_interim_replies_are_passed_over(self, make_transport: MakeTransport) -> None:
        interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
        interim += b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
        with Loopback(answering(interim + reply(_TEXT))) as server, self.made(make_transport) as tested:
            for _ in range(2):
                answer = tested.send(request(server.url + "/"))
                assert (answer.status, answer.body) == (200, _TEXT)

    def test_large_bodies_go_both_ways(self, make_transport: MakeTransport) -> None:
        large = bytes(range(256)) * (1 << 14)  # 4 MiB
        with Loopback(answering(lambda received: reply(received.body))) as server, self.made(make_transport) as tested:
            assert tested.send(request(server.url + "/", large), 20).body == large

    def test_an_interim_reply_to_half_a_request_does_not_end_it(self, make_transport: MakeTransport) -> None:
        def script(talk: Talk) -> None:
            while talk.begin_receiving():
                talk.send(b"HTTP/1.1 100 Continue\r\n\r\n")
                talk.pause(0.05)
                received = talk.receive()
                assert received is not None
                talk.send(reply(b"%d" % len(received.body)))

        with Loopback(script) as server, self.made(make_transport) as tested:
            assert tested.send(request(server.url + "/", b"x" * (8 << 20)), 20).body == b"%d" % (8 << 20)

    def test_a_slow_reply_that_is_in_time_arrives(self, make_transport: MakeTransport) -> None:
        def script(talk: Talk) -> None:
            talk.receive()
            whole = reply(_TEXT)
            for start in range(0, len(whole), 50):
                talk.send(whole[start : start + 50])
                talk.pause(0.03)

        with Loopback(script) as server, self.made(make_transport) as tested:
            assert tested.send(request(server.url + "/"), 5).body == _TEXT

    # Codings

    def test_every_coding_that_it_asks_for_is_undone(self, make_transport: MakeTransport) -> None:
        for coding, encode in (("gzip", gzip.compress), ("deflate", zlib.compress)):

            def answer(received: Received, coding: str = coding, encode: Callable[[bytes], bytes] = encode) -> bytes:
                if coding not in received.headers.get("accept-encoding", ""):
                    return reply(_TEXT)
                return reply(encode(_TEXT), f"Content-Encoding: {coding}")

            with Loopback(answering(answer)) as server, self.made(make_transport) as tested:
                assert tested.send(request(server.url + "/")).body == _TEXT, f"{coding}: not undone"

    def test_what_is_no_coding_is_passed_over(self, make_transport: MakeTransport) -> None:
        for named in ("utf-8", "none", "identity", "binary", ""):
            script = answering(reply(_TEXT, f"Content-Encoding: {named}"))
            with Loopback(script) as server, self.made(make_transport) as tested:
                assert tested.send(request(server.url + "/")).body == _TEXT, f"Content-Encoding: {named!r}"

    def test_a_coding_beside_what_is_none_is_undone(self, make_transport: MakeTransport) -> None:
        for named in ("gzip, identity", "identity,GZIP", "utf-8, gzip", "gzip, "):

            def answer(received: Received, named: str = named) -> bytes:
                if "gzip" not in received.headers.get("accept-encoding", ""):
                    return reply(_TEXT)
                return reply(gzip.compress(_TEXT), f"Content-Encoding: {named}")

            with Loopback(answering(answer)) as server, self.made(make_transport) as tested:
                assert tested.send(request(server.url + "/")).body == _TEXT, f"Content-Encoding: {named!r}"

    def test_bytes_behind_a_compressed_body_are_passed_over(self, make_transport: MakeTransport) -> None:
        for padding in (b"\r\n", b"\0" * 99):

            def answer(received: Received, padding: bytes = padding) -> bytes:
                if "gzip" not in received.headers.get("accept-encoding", ""):
                    return reply(_TEXT)
                return reply(gzip.compress(_TEXT) + padding, "Content-Encoding: gzip")

            with Loopback(answering(answer)) as server, self.made(make_transport) as tested:
                assert tested.send(request(server.url + "/")).body == _TEXT

    def test_a_coding_that_it_does_not_read_is_a_decode_error_that_names_it(
        self, make_transport: MakeTransport
    ) -> None:
        for coding in ("br", "zstd"):
            script = answering(reply(_TEXT, f"Content-Encoding: {coding}"))
            with Loopback(script) as server, self.made(make_transport) as tested:
                assert coding in str(self.fails(tested, request(server.url + "/"), DecodeError))

    def test_a_body_that_is_not_in_its_coding_is_a_decode_error(self, make_transport: MakeTransport) -> None:
        def plain(received: Received) -> bytes:
            asks = "gzip" in received.headers.get("accept-encoding", "")
            return reply(_TEXT, f"Content-Encoding: {'gzip' if asks else 'br'}")

        with Loopback(answering(plain)) as server, self.made(make_transport) as tested:
            self.fails(tested, request(server.url + "/"), DecodeError)
            self.fails(tested, request(server.url + "/"), DecodeError)  # and the transport stays whole

    def test_a_token_that_a_server_repeats_as_a_coding_is_not_shown(self, make_transport: MakeTransport) -> None:
        for name in ("Content-Encoding", "Transfer-Encoding"):

            def script(talk: Talk, name: str = name) -> None:
                received = talk.receive()
                assert received is not None
                talk.send(reply(_TEXT, f"{name}: {received.headers['authorization']}", "Connection: close"))

            with Loopback(script) as server, self.made(make_transport) as tested:
                exchange = tested.begin(request(server.url + "/"))
                if exchange.exception(20) is not None:
                    self.failed(exchange, (TransportError, DecodeError))

    def test_a_compressed_body_that_is_cut_short_is_no_reply(self, make_transport: MakeTransport) -> None:
        def script(talk: Talk) -> None:
            received = talk.receive()
            assert received is not None
            if "gzip" in received.headers.get("accept-encoding", ""):
                talk.send(reply(gzip.compress(_TEXT)[:-12], "Content-Encoding: gzip"))
            else:
                talk.send(reply(_TEXT, length=1000))

        with Loopback(script) as server, self.made(make_transport) as tested:
            self.fails(tested, request(server.url + "/"), ConnectionLost)

    # Sizes

    def test_a_reply_up_to_the_limit_arrives_and_one_beyond_is_refused(self, make_transport: MakeTransport) -> None:
        limit = 10_000

        def compressed(size: int, received: Received) -> bytes:
            if "gzip" not in received.headers.get("accept-encoding", ""):
                return reply(b"x" * size)
            return reply(gzip.compress(b"x" * size), "Content-Encoding: gzip")

        kinds: tuple[Callable[[int, Received], bytes], ...] = (
            lambda size, _: reply(b"x" * size),
            lambda size, _: reply(b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"x" * size), "Transfer-Encoding: chunked"),
            lambda size, _: reply(b"x" * size, "Connection: close"),
            compressed,
        )
        for kind in kinds:
            for size in (limit, limit + 1):
                answering_it = partial(kind, size)

                def script(talk: Talk, answer: Callable[[Received], bytes] = answering_it) -> None:
                    received = talk.receive()
                    assert received is not None
                    talk.send(answer(received))

                with Loopback(script) as server, self.made(make_transport, max_response=limit) as tested:
                    if size > limit:
                        self.fails(tested, request(server.url + "/"), ResponseTooLarge)
                    else:
                        assert len(tested.send(request(server.url + "/")).body) == limit

    def test_a_reply_that_would_become_huge_takes_no_memory(self, make_transport: MakeTransport) -> None:
        bomb = gzip.compress(b"\0" * (64 << 20), 9)
        twice = gzip.compress(bomb, 9)
        for body, coding in ((bomb, "gzip"), (twice, "gzip, gzip")):
            with (
                Loopback(answering(reply(body, f"Content-Encoding: {coding}"))) as server,
                self.made(make_transport, max_response=1 << 20) as tested,
            ):
                tracemalloc.start()
                try:
                    error = self.fails(tested, request(server.url + "/"), (ResponseTooLarge, DecodeError))
                    _, peak = tracemalloc.get_traced_memory()
                finally:
                    tracemalloc.stop()
            asks = "gzip" in server.requests[0].headers.get("accept-encoding", "")
            assert isinstance(error, ResponseTooLarge) or not asks, f"{coding} was asked for, and is {error!r}"
            assert peak < 16 << 20, f"64 MiB out of {len(body):,} bytes: {peak:,} bytes were in use at once"
