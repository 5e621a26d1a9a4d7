"""Cases: how an exchange can fail, and whether the request may have been processed by then: retries hang on it."""

from __future__ import annotations

import contextlib
import socket
import time

from altcraft.errors import ConnectError, ConnectionLost, RequestTimeout, ResponseTooLarge, TransportError
from altcraft.testing.transport.case import SLACK, Case
from altcraft.testing.transport.loopback import Loopback, Talk, full_backlog, reply
from altcraft.testing.transport.pilot import MakeTransport, request

__all__ = ["FailureCases"]


class FailureCases(Case):
    """ConnectError where nothing was sent; RequestTimeout and ConnectionLost where it may have been processed."""

    # Before anything is sent

    def test_a_refused_connection_is_a_connect_error(self, make_transport: MakeTransport) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        with self.fly(make_transport) as pilot:
            self.fails(pilot, request(f"http://127.0.0.1:{port}/"), ConnectError)

    def test_a_connection_that_is_not_made_in_time_is_a_connect_error(self, make_transport: MakeTransport) -> None:
        with full_backlog() as url, self.fly(make_transport) as pilot:
            self.fails(pilot, request(url + "/"), ConnectError, 0.3)

    def test_a_host_without_an_address_is_a_connect_error(self, make_transport: MakeTransport) -> None:
        with self.fly(make_transport) as pilot:
            self.fails(pilot, request("http://a..b.invalid/"), ConnectError)

    # After it was sent, or some of it

    def test_no_reply_in_time_is_a_request_timeout(self, make_transport: MakeTransport) -> None:
        def script(talk: Talk) -> None:
            talk.receive()
            talk.pause()

        with Loopback(script) as server, self.fly(make_transport) as pilot:
            self.fails(pilot, request(server.url + "/"), RequestTimeout, 0.3)

    def test_a_reply_that_drips_holds_nobody_beyond_the_timeout(self, make_transport: MakeTransport) -> None:
        slow = b"x" * 80  # a byte in 0.05 s: twice as long as is forgiven
        drips = {
            "its header": (b"", reply(b"", "X-Slow: " + slow.decode())),
            "its status line": (b"", b"HTTP/1.1 200 " + slow),
            "its interim replies": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 4),
            "its body": (reply(length=80), slow),
            "its chunks": (reply(b"", "Transfer-Encoding: chunked"), b"1\r\nx\r\n" * 14),
            "its chunk's size": (reply(b"", "Transfer-Encoding: chunked"), b"0" * 80),
            "a body that ends with the connection": (reply(b"", "Connection: close"), slow),
        }
        for what, (at_once, dripping) in drips.items():

            def script(talk: Talk, at_once: bytes = at_once, dripping: bytes = dripping) -> None:
                talk.receive()
                talk.send(at_once)
                talk.drip(dripping)

            with Loopback(script) as server, self.fly(make_transport) as pilot:
                began = time.monotonic()
                exchange = pilot.begin(request(server.url + "/"), 0.2)
                exchange.exception(20)
                assert time.monotonic() - began < 0.2 + SLACK, f"{what} came byte by byte, and held the exchange up"
                self.failed(exchange, RequestTimeout)

    def test_a_server_that_does_not_read_holds_nobody_beyond_the_timeout(self, make_transport: MakeTransport) -> None:
        with Loopback(lambda talk: talk.pause()) as server, self.fly(make_transport) as pilot:
            self.fails(pilot, request(server.url + "/", b"x" * (16 << 20)), RequestTimeout, 0.4)

    def test_a_connection_that_ends_at_once_is_lost(self, make_transport: MakeTransport) -> None:
        for end in (Talk.reset, lambda _: None):

            def script(talk: Talk, end=end) -> None:  # type: ignore[no-untyped-def]
                end(talk)

            with Loopback(script) as server, self.fly(make_transport) as pilot:
                # Whether anything was sent by then is a matter of luck, so both are right; hanging is not.
                self.fails(pilot, request(server.url + "/"), (ConnectionLost, ConnectError))

    def test_a_connection_reset_during_the_request_is_lost(self, make_transport: MakeTransport) -> None:
        def script(talk: Talk) -> None:
            talk.take(1000)
            talk.reset()

        with Loopback(script) as server, self.fly(make_transport) as pilot:
            self.fails(pilot, request(server.url + "/", b"x" * (8 << 20)), ConnectionLost)

    def test_a_connection_reset_or_closed_after_the_request_is_lost(self, make_transport: MakeTransport) -> None:
        for ends_hard in (True, False):

            def script(talk: Talk, ends_hard: bool = ends_hard) -> None:
                talk.receive()
                if ends_hard:
                    talk.reset()

            with Loopback(script) as server, self.fly(make_transport) as pilot:
                self.fails(pilot, request(server.url + "/"), ConnectionLost)
            assert len(server.requests) == 1, "the request was sent again"

    def test_a_reply_that_is_cut_short_is_lost(self, make_transport: MakeTransport) -> None:
        cuts = {
            "in its status line": b"HTTP/1.1 20",
            "in its header": b"HTTP/1.1 200 OK\r\nContent-Type: te",
            "after its header": reply(length=10),
            "in its body": reply(b"hello", length=10),
            "in a chunk": reply(b"a\r\nhello", "Transfer-Encoding: chunked"),
            "after a chunk": reply(b"5\r\nhello\r\n", "Transfer-Encoding: chunked"),
        }
        for where, cut in cuts.items():

            def script(talk: Talk, cut: bytes = cut) -> None:
                talk.receive()
                talk.send(cut)

            with Loopback(script) as server, self.fly(make_transport) as pilot:
                future = pilot.begin(request(server.url + "/"))
                assert future.exception(20) is not None, f"cut short {where}: {future.result()!r}"
                self.failed(future, ConnectionLost)

    def test_what_is_not_http_is_lost(self, make_transport: MakeTransport) -> None:
        garbage = (
            b"SSH-2.0-OpenSSH_9.6\r\n",
            b"\x16\x03\x01\x02\0\x01\0" * 9,
            b"<html>hello</html>\r\n\r\n",
            b"\0" * 99,
        )
        for data in (*garbage, b"HTTP/1.1 abc OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n"):

            def script(talk: Talk, data: bytes = data) -> None:
                talk.receive()
                talk.send(data)

            with Loopback(script) as server, self.fly(make_transport) as pilot:
                future = pilot.begin(request(server.url + "/"))
                assert future.exception(20) is not None, f"{data[:40]!r} was read as {future.result()!r}"
                self.failed(future, ConnectionLost)

    def test_a_header_of_a_mebibyte_is_refused(self, make_transport: MakeTransport) -> None:
        long_line = b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * (1 << 20) + b"\r\nContent-Length: 0\r\n\r\n"
        many_lines = b"HTTP/1.1 200 OK\r\n" + b"X-Many: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n" * 23_000 + b"\r\n"
        for header in (long_line, many_lines):

            def script(talk: Talk, header: bytes = header) -> None:
                talk.receive()
                talk.send(header)

            with Loopback(script) as server, self.fly(make_transport) as pilot:
                self.fails(pilot, request(server.url + "/"), (ConnectionLost, ResponseTooLarge))

    def test_a_refusal_half_way_through_the_request_is_heard_or_lost(self, make_transport: MakeTransport) -> None:
        def script(talk: Talk) -> None:
            talk.take(1000)
            talk.send(reply(b"too much", "Connection: close", status="413 Too Large"))

        with Loopback(script) as server, self.fly(make_transport) as pilot:
            future = pilot.begin(request(server.url + "/", b"x" * (8 << 20)))
            with contextlib.suppress(TransportError):
                assert future.result(20).status == 413
                return
            self.failed(future, ConnectionLost)
