"""Cases: how an exchange can fail, and whether the request may have been processed by then. Retries depend on it."""

from __future__ import annotations

import socket
import time
import tracemalloc
from collections.abc import Callable

from altcraft.errors import ConnectError, ConnectionLost, RequestTimeout, ResponseTooLarge
from altcraft.testing.transport.case import Case
from altcraft.testing.transport.loopback import Loopback, Talk, full_backlog, reply
from altcraft.testing.transport.tested import MakeTransport, request

__all__ = ["FailureCases"]


class FailureCases(Case):
    """ConnectError if nothing was sent; RequestTimeout and ConnectionLost if the request may have been processed."""

    # Before anything is sent

    def test_a_refused_connection_is_a_connect_error(self, make_transport: MakeTransport) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        with self.made(make_transport) as tested:
            self.fails(tested, request(f"http://127.0.0.1:{port}/"), ConnectError)

    def test_a_connection_that_is_not_made_in_time_is_a_connect_error(self, make_transport: MakeTransport) -> None:
        with full_backlog() as url, self.made(make_transport) as tested:
            self.fails(tested, request(url + "/"), ConnectError, 0.3)

    def test_a_host_without_an_address_is_a_connect_error(self, make_transport: MakeTransport) -> None:
        with self.made(make_transport) as tested:
            self.fails(tested, request("http://a..b.invalid/"), ConnectError)

    def test_a_port_that_does_not_exist_is_a_connect_error(self, make_transport: MakeTransport) -> None:
        with self.made(make_transport) as tested:
            self.fails(tested, request("http://127.0.0.1:99999/"), ConnectError)

    # Too late

    def test_no_reply_in_time_is_a_request_timeout(self, make_transport: MakeTransport) -> None:
        def script(talk: Talk) -> None:
            talk.receive()
            talk.pause()

        with Loopback(script) as server, self.made(make_transport) as tested:
            self.times_out(tested, request(server.url + "/"), 0.3)

    def test_a_reply_that_drips_ends_within_the_timeout(self, make_transport: MakeTransport) -> None:
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

            with Loopback(script) as server, self.made(make_transport) as tested:
                try:
                    self.times_out(tested, request(server.url + "/"), 0.2)
                except AssertionError as error:
                    raise AssertionError(f"{what} came byte by byte: {error}") from None

    def test_a_server_that_does_not_read_ends_the_exchange_within_the_timeout(
        self, make_transport: MakeTransport
    ) -> None:
        with Loopback(lambda talk: talk.pause()) as server, self.made(make_transport) as tested:
            self.times_out(tested, request(server.url + "/", b"x" * (16 << 20)), 1)

    def test_a_server_that_reads_in_drips_ends_the_exchange_within_the_timeout(
        self, make_transport: MakeTransport
    ) -> None:
        def script(talk: Talk) -> None:
            while talk.take(1 << 16) and not talk.pause(0.02):
                pass

        with Loopback(script) as server, self.made(make_transport) as tested:
            self.times_out(tested, request(server.url + "/", b"x" * (16 << 20)), 1)

    # The connection ends

    def test_a_connection_that_ends_at_once_is_lost(self, make_transport: MakeTransport) -> None:
        for end in (Talk.reset, lambda _: None):
            with Loopback(end) as server, self.made(make_transport) as tested:
                # Whether anything was sent by then is a matter of luck, so both are right; hanging is not.
                self.fails(tested, request(server.url + "/"), (ConnectionLost, ConnectError))

    def test_a_connection_reset_during_the_request_is_lost(self, make_transport: MakeTransport) -> None:
        def script(talk: Talk) -> None:
            talk.take(1000)
            talk.reset()

        with Loopback(script) as server, self.made(make_transport) as tested:
            self.fails(tested, request(server.url + "/", b"x" * (8 << 20)), ConnectionLost)

    def test_a_connection_reset_or_closed_after_the_request_is_lost(self, make_transport: MakeTransport) -> None:
        for ends_hard in (True, False):

            def script(talk: Talk, ends_hard: bool = ends_hard) -> None:
                talk.receive()
                if ends_hard:
                    talk.reset()

            with Loopback(script) as server, self.made(make_transport) as tested:
                self.fails(tested, request(server.url + "/"), ConnectionLost)
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

            with Loopback(script) as server, self.made(make_transport) as tested:
                future = tested.begin(request(server.url + "/"))
                assert future.exception(20) is not None, f"cut short {where}: {future.result()!r}"
                self.failed(future, ConnectionLost)

    # What is no reply

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

            with Loopback(script) as server, self.made(make_transport) as tested:
                future = tested.begin(request(server.url + "/"))
                assert future.exception(20) is not None, f"{data[:40]!r} was read as {future.result()!r}"
                self.failed(future, ConnectionLost)

    def test_a_header_of_a_mebibyte_is_refused(self, make_transport: MakeTransport) -> None:
        long_line = b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * (1 << 20) + b"\r\nContent-Length: 0\r\n\r\n"
        many_lines = b"HTTP/1.1 200 OK\r\n" + b"X-Many: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n" * 23_000 + b"\r\n"
        for header in (long_line, many_lines):

            def script(talk: Talk, header: bytes = header) -> None:
                talk.receive()
                talk.send(header)

            with Loopback(script) as server, self.made(make_transport) as tested:
                self.fails(tested, request(server.url + "/"), (ConnectionLost, ResponseTooLarge))

    def test_an_endless_chunk_size_ends_within_the_timeout_and_takes_no_memory(
        self, make_transport: MakeTransport
    ) -> None:
        for digit in (b"0", b"f", b"1;" + b"x" * 100):

            def script(talk: Talk, digit: bytes = digit) -> None:
                talk.receive()
                talk.send(reply(b"", "Transfer-Encoding: chunked"))
                while not talk.pause(0):
                    talk.send(digit * 65536)

            with Loopback(script) as server, self.made(make_transport) as tested:
                tracemalloc.start()
                try:
                    kinds = (ConnectionLost, ResponseTooLarge, RequestTimeout)
                    self.fails(tested, request(server.url + "/"), kinds, 0.5)
                    _, peak = tracemalloc.get_traced_memory()
                finally:
                    tracemalloc.stop()
                assert peak < 16 << 20, f"a chunk's size took {peak:,} bytes"

    # Refusals

    def test_a_whole_refusal_counts_although_the_connection_is_reset_after_it(
        self, make_transport: MakeTransport
    ) -> None:
        statuses = (401, 407, 413, 503)
        large = b"x" * (8 << 20)
        for pause, body in ((0.05, b"x"), (0, b"x"), (0.05, large), (0, large)):

            def script(talk: Talk, pause: float = pause, body: bytes = body) -> None:
                if len(body) > 1:
                    talk.take(200_000)
                else:
                    talk.receive()
                status = statuses[talk.number - 1]
                talk.send(reply(b"no", "Connection: close", status=f"{status} No", length=2))
                talk.pause(pause)
                talk.reset()

            with Loopback(script) as server, self.made(make_transport) as tested:
                answers = [tested.send(request(server.url + "/", body), 5) for _ in statuses]
            assert [answer.status for answer in answers] == list(statuses)

    def test_a_refusal_during_the_request_is_heard_at_once(self, make_transport: MakeTransport) -> None:
        ends: tuple[Callable[[Talk], object], ...] = (Talk.pause, Talk.reset, lambda _: None)
        for end in ends:

            def script(talk: Talk, end: Callable[[Talk], object] = end) -> None:
                talk.take(1000)
                talk.send(reply(b"too much", "Connection: close", status="413 Too Large", length=8))
                talk.pause(0.05)
                end(talk)

            with Loopback(script) as server, self.made(make_transport) as tested:
                began = time.monotonic()
                answer = tested.send(request(server.url + "/", b"x" * (8 << 20)), 10)
                assert (answer.status, answer.body) == (413, b"too much")
                assert time.monotonic() - began < 5, "the refusal was heard only once all was sent"
