"""Cases: what a reply can look like."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Callable

from altcraft.errors import ConnectionLost, ResponseTooLarge, TransportError
from altcraft.testing.transport.case import Case
from altcraft.testing.transport.loopback import Loopback, Received, Talk, answering, reply
from altcraft.testing.transport.pilot import HEADER_TOKEN, MakeTransport, request
from altcraft.wire.messages import HttpRequest, header

__all__ = ["ReplyCases"]

_TEXT = b'{"data": "' + b"0123456789" * 20 + b'"}'


class ReplyCases(Case):
    """Requests go out as they are, replies come back as they were."""

    def test_a_request_arrives_as_it_was_written(self, make_transport: MakeTransport) -> None:
        body = bytes(range(256)) * 3
        with Loopback(answering(reply())) as server, self.fly(make_transport) as pilot:
            pilot.send(request(server.url + "/api/v1.1/tasks/status", body))
        (received,) = server.requests
        assert (received.method, received.target) == ("POST", "/api/v1.1/tasks/status")
        assert received.body == body, "the body is not what was to be sent"
        assert received.headers["content-type"] == "application/json"
        assert received.headers["authorization"] == f"Bearer {HEADER_TOKEN}"
        assert received.headers["host"] == f"127.0.0.1:{server.port}"

    def test_nothing_in_a_request_breaks_out_of_its_line(self, make_transport: MakeTransport) -> None:
        break_out = "a\r\nX-Forged: b"
        with Loopback(answering(reply(b"hello"))) as server, self.fly(make_transport) as pilot:
            sound = request(server.url + "/")
            for forged in (
                HttpRequest(sound.method, sound.url, {"X-Sound": break_out}, b""),
                HttpRequest(sound.method, sound.url, {break_out: "c"}, b""),
                HttpRequest(sound.method, f"{sound.url}{break_out}", sound.headers, b""),
                HttpRequest(f"POST / HTTP/1.1\r\nX-Forged: b\r\n{sound.method}", sound.url, sound.headers, b""),
            ):
                with contextlib.suppress(TransportError, ValueError):  # refusing is as good
                    pilot.send(forged)
        assert not any("x-forged" in received.headers for received in server.requests)

    def test_a_reply_comes_back_with_its_status_its_headers_and_its_body(self, make_transport: MakeTransport) -> None:
        script = answering(reply(_TEXT, "Content-Type: text/x", "X-Empty:", "Retry-After: 7", status="418 Ünusual"))
        with Loopback(script) as server, self.fly(make_transport) as pilot:
            answer = pilot.send(request(server.url + "/"))
        assert (answer.status, answer.body) == (418, _TEXT)
        assert header(answer.headers, "content-type") == "text/x"
        assert header(answer.headers, "retry-after") == "7"
        assert header(answer.headers, "x-empty") == ""
        assert isinstance(answer.body, bytes)

    def test_every_status_is_a_reply_and_none_an_error(self, make_transport: MakeTransport) -> None:
        statuses = (200, 201, 299, 400, 401, 403, 404, 407, 429, 500, 502, 503, 599)
        script = answering(*(reply(b"said", "WWW-Authenticate: Basic", status=f"{status} X") for status in statuses))
        with Loopback(script) as server, self.fly(make_transport) as pilot:
            answers = [pilot.send(request(server.url + "/")) for _ in statuses]
        assert [answer.status for answer in answers] == list(statuses)
        assert {answer.body for answer in answers} == {b"said"}

    def test_a_redirect_is_reported_and_not_followed(self, make_transport: MakeTransport) -> None:
        statuses = (301, 302, 303, 307, 308)
        script = answering(*(reply(b"", "Location: /elsewhere", status=f"{status} Moved") for status in statuses))
        with Loopback(script) as server, self.fly(make_transport) as pilot:
            answers = [pilot.send(request(server.url + "/")) for _ in statuses]
        assert [answer.status for answer in answers] == list(statuses)
        assert {header(answer.headers, "location") for answer in answers} == {"/elsewhere"}
        assert [received.target for received in server.requests] == ["/"] * 5, "a redirect was followed"

    def test_a_chunked_body_is_put_together(self, make_transport: MakeTransport) -> None:
        chunks = b"5\r\nhello\r\n1;name=value\r\n,\r\n6\r\n world\r\n0\r\nX-Trailer: x\r\n\r\n"
        with (
            Loopback(answering(reply(chunks, "Transfer-Encoding: chunked"))) as server,
            self.fly(make_transport) as pilot,
        ):
            assert pilot.send(request(server.url + "/")).body == b"hello, world"
            assert pilot.send(request(server.url + "/")).body == b"hello, world"

    def test_a_body_may_end_with_the_connection(self, make_transport: MakeTransport) -> None:
        for version in ("1.0", "1.1"):

            def script(talk: Talk, version: str = version) -> None:
                talk.receive()
                talk.send(reply(_TEXT, "Connection: close", version=version))

            with Loopback(script) as server, self.fly(make_transport) as pilot:
                assert pilot.send(request(server.url + "/")).body == _TEXT
                assert pilot.send(request(server.url + "/")).body == _TEXT

    def test_a_body_may_be_empty(self, make_transport: MakeTransport) -> None:
        empty = [
            reply(),
            reply(status="204 No Content", length=None),
            reply(b"0\r\n\r\n", "Transfer-Encoding: chunked"),
        ]
        empty.append(b"HTTP/1.1 204\r\n\r\n")
        with Loopback(answering(*empty)) as server, self.fly(make_transport) as pilot:
            answers = [pilot.send(request(server.url + "/"), 2) for _ in empty]
        assert [answer.status for answer in answers] == [200, 204, 200, 204]
        assert {answer.body for answer in answers} == {b""}

    def test_whatever_coding_it_asks_for_it_undoes(self, make_transport: MakeTransport) -> None:
        asked = set()
        for coding, encode in (("gzip", gzip.compress), ("deflate", zlib.compress)):

            def answer(received: Received, coding: str = coding) -> bytes:
                if coding not in received.headers.get("accept-encoding", ""):
                    return reply(_TEXT)
                asked.add(coding)
                return reply(encode(_TEXT), f"Content-Encoding: {coding}")  # noqa: B023  # called within the loop

            with Loopback(answering(answer)) as server, self.fly(make_transport) as pilot:
                assert pilot.send(request(server.url + "/")).body == _TEXT, f"{coding}: not undone"

    def test_a_compressed_body_that_is_cut_short_is_no_reply(self, make_transport: MakeTransport) -> None:
        def answer(received: Received) -> bytes:
            if "gzip" not in received.headers.get("accept-encoding", ""):
                return reply(_TEXT, length=1000)
            return reply(gzip.compress(_TEXT)[:-12], "Content-Encoding: gzip")

        def script(talk: Talk) -> None:
            received = talk.receive()
            assert received is not None
            talk.send(answer(received))

        with Loopback(script) as server, self.fly(make_transport) as pilot:
            self.fails(pilot, request(server.url + "/"), ConnectionLost)

    def test_interim_replies_are_passed_over(self, make_transport: MakeTransport) -> None:
        interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
        interim += b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
        with Loopback(answering(interim + reply(_TEXT))) as server, self.fly(make_transport) as pilot:
            for _ in range(2):
                answer = pilot.send(request(server.url + "/"))
                assert (answer.status, answer.body) == (200, _TEXT)

    def test_large_bodies_go_both_ways(self, make_transport: MakeTransport) -> None:
        large = bytes(range(256)) * (1 << 14)  # 4 MiB
        with Loopback(answering(lambda received: reply(received.body))) as server, self.fly(make_transport) as pilot:
            assert pilot.send(request(server.url + "/", large), 20).body == large

    def test_a_slow_reply_that_is_in_time_arrives(self, make_transport: MakeTransport) -> None:
        def script(talk: Talk) -> None:
            talk.receive()
            whole = reply(_TEXT)
            for start in range(0, len(whole), 50):
                talk.send(whole[start : start + 50])
                talk.pause(0.03)

        with Loopback(script) as server, self.fly(make_transport) as pilot:
            assert pilot.send(request(server.url + "/"), 5).body == _TEXT

    def test_a_reply_up_to_the_limit_arrives_and_one_beyond_is_refused(self, make_transport: MakeTransport) -> None:
        limit = 10_000
        kinds: tuple[Callable[[int], bytes], ...] = (
            lambda size: reply(b"x" * size),
            lambda size: reply(b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"x" * size), "Transfer-Encoding: chunked"),
            lambda size: reply(b"x" * size, "Connection: close"),
            lambda size: reply(gzip.compress(b"x" * size), "Content-Encoding: gzip"),
        )
        for kind in kinds:
            for size in (limit, limit + 1):

                def script(talk: Talk, answer: bytes = kind(size)) -> None:
                    talk.receive()
                    talk.send(answer)

                with Loopback(script) as server, self.fly(make_transport, max_response=limit) as pilot:
                    if size > limit:
                        self.fails(pilot, request(server.url + "/"), ResponseTooLarge)
                    else:
                        assert len(pilot.send(request(server.url + "/")).body) == limit

    def test_a_reply_that_would_become_huge_takes_no_memory(self, make_transport: MakeTransport) -> None:
        import tracemalloc

        bomb = gzip.compress(b"\0" * (1 << 20) * 64, 9)
        with (
            Loopback(answering(reply(bomb, "Content-Encoding: gzip"))) as server,
            self.fly(make_transport, max_response=1 << 20) as pilot,
        ):
            tracemalloc.start()
            try:
                self.fails(pilot, request(server.url + "/"), ResponseTooLarge)
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
        assert peak < 16 << 20, f"64 MiB out of {len(bomb):,} bytes: {peak:,} bytes were in use at once"
