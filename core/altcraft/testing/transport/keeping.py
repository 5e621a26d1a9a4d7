"""Cases: connections that are kept, and that end, grow old or get out of step while they are idle."""

from __future__ import annotations

import threading
import time

from altcraft.errors import ConnectError, ConnectionLost, RequestTimeout, TransportError
from altcraft.testing.transport.case import Case
from altcraft.testing.transport.loopback import Loopback, Talk, answering, reply
from altcraft.testing.transport.tested import MakeTransport, request

__all__ = ["KeepingCases"]

_ECHO = answering(lambda received: reply(received.body))


class KeepingCases(Case):
    """No reply belongs to another request, and no request is sent twice."""

    def test_a_connection_is_kept_for_the_next_exchange(self, make_transport: MakeTransport) -> None:
        if not self.keeps_connections:
            self.waive("keep-alive")
        with Loopback(_ECHO) as server, self.made(make_transport) as tested:
            for number in range(5):
                body = b"%d" % number
                assert tested.send(request(server.url + "/", body)).body == body
        assert len(server.requests) == 5
        assert server.connections == 1, f"5 exchanges took {server.connections} connections"

    def test_a_connection_is_not_kept_against_the_servers_wish(self, make_transport: MakeTransport) -> None:
        for last in (reply(b"hello", "Connection: close", length=5), reply(b"hello", version="1.0")):
            with Loopback(answering(last)) as server, self.made(make_transport) as tested:
                for _ in range(2):
                    assert tested.send(request(server.url + "/")).body == b"hello"
            assert server.connections == 2

    def test_a_connection_that_was_idle_for_too_long_is_not_used_again(self, make_transport: MakeTransport) -> None:
        with Loopback(_ECHO) as server, self.made(make_transport, keep_idle=0.2) as tested:
            for pause in (0, 0, 0.3, 0):
                time.sleep(pause)
                assert tested.send(request(server.url + "/", b"hello")).body == b"hello"
        assert server.connections == 2

    # Connections that end while they are idle

    def test_a_connection_that_ended_while_it_was_idle_is_replaced(self, make_transport: MakeTransport) -> None:
        def script(talk: Talk) -> None:
            talk.receive()
            talk.send(reply(b"hello"))

        with Loopback(script) as server, self.made(make_transport) as tested:
            for number in range(3):
                assert tested.send(request(server.url + "/")).body == b"hello"
                self.eventually(lambda: server.still_open() == 0, "the server's connection did not end")
                time.sleep(0.02)  # for the end to arrive
                assert len(server.requests) == number + 1

    def test_connections_that_ended_while_the_event_loop_stood_still_are_replaced(
        self, make_transport: MakeTransport
    ) -> None:
        at_once = 8
        together = threading.Barrier(at_once)

        def script(talk: Talk) -> None:
            while received := talk.receive():
                if received.body == b"together":
                    together.wait(10)  # so that none is done before all have a connection
                talk.send(reply(received.body))

        with Loopback(script) as server, self.made(make_transport) as tested:
            for future in [tested.begin(request(server.url + "/", b"together")) for _ in range(at_once)]:
                assert future.result(20).body == b"together"
            first = tested.begin_after_stall(0.3, request(server.url + "/", b"first"))
            time.sleep(0.1)
            server.hang_up()
            self.eventually(lambda: server.still_open() == 0, "the server's connections did not end")
            if self.loop is None:
                assert first.result(20).body == b"first"
            futures = [tested.begin(request(server.url + "/", b"%d" % number)) for number in range(at_once)]
            assert first.result(20).body == b"first"
            for number, future in enumerate(futures):
                assert future.result(20).body == b"%d" % number
        assert len(server.requests) == 2 * at_once + 1

    def test_after_one_kept_connection_failed_the_others_are_not_tried(self, make_transport: MakeTransport) -> None:
        at_once = 4
        for ends_hard in (True, False):
            together = threading.Barrier(at_once)

            def script(talk: Talk, ends_hard: bool = ends_hard, together: threading.Barrier = together) -> None:
                while received := talk.receive():
                    if received.body == b"together":
                        together.wait(10)
                    elif talk.number <= at_once:  # as behind a NAT that has forgotten the connection
                        if ends_hard:
                            talk.reset()
                        else:
                            talk.pause()
                        return
                    talk.send(reply(received.body))

            with Loopback(script) as server, self.made(make_transport) as tested:
                for future in [tested.begin(request(server.url + "/", b"together")) for _ in range(at_once)]:
                    future.result(20)
                if self.keeps_connections:
                    self.fails(tested, request(server.url + "/", b"first"), (ConnectionLost, RequestTimeout), 0.3)
                for body in (b"second", b"third"):
                    assert tested.send(request(server.url + "/", body)).body == body

    def test_a_request_that_may_have_been_processed_is_never_sent_again(self, make_transport: MakeTransport) -> None:
        for ends_hard in (True, False):

            def script(talk: Talk, ends_hard: bool = ends_hard) -> None:
                while (received := talk.receive()) is not None:
                    if received.body == b"once":
                        break
                    talk.send(reply(b"hello"))
                if ends_hard:
                    talk.reset()

            with Loopback(script) as server, self.made(make_transport) as tested:
                tested.send(request(server.url + "/"))
                self.fails(tested, request(server.url + "/", b"once"), ConnectionLost)
                time.sleep(0.05)
            assert [received.body for received in server.requests].count(b"once") == 1

    # Connections that get out of step

    def test_bytes_that_follow_a_reply_are_no_reply_to_the_next_request(self, make_transport: MakeTransport) -> None:
        def script(talk: Talk) -> None:
            while received := talk.receive():
                talk.send(reply(received.body) + reply(b"smuggled"))

        with Loopback(script) as server, self.made(make_transport) as tested:
            for number in range(5):
                body = b"%d" % number
                try:
                    assert tested.send(request(server.url + "/", body)).body == body
                except ConnectionLost:
                    continue  # suspicion is right, too

    def test_bytes_that_come_while_a_connection_is_idle_are_no_reply(self, make_transport: MakeTransport) -> None:
        def script(talk: Talk) -> None:
            while received := talk.receive():
                talk.send(reply(received.body))
                talk.pause(0.05)
                talk.send(reply(b"smuggled"))

        with Loopback(script) as server, self.made(make_transport) as tested:
            for number in range(3):
                body = b"%d" % number
                assert tested.send(request(server.url + "/", body)).body == body
                time.sleep(0.15)

    def test_a_late_reply_is_no_reply_to_the_next_request(self, make_transport: MakeTransport) -> None:
        late = threading.Event()

        def script(talk: Talk) -> None:
            while received := talk.receive():
                if received.body == b"first":
                    late.wait(20)
                talk.send(reply(received.body))

        with Loopback(script) as server, self.made(make_transport) as tested:
            tested.send(request(server.url + "/", b"warm"))
            self.fails(tested, request(server.url + "/", b"first"), (RequestTimeout, ConnectError), 0.1)
            assert tested.send(request(server.url + "/", b"second")).body == b"second"
            late.set()
            time.sleep(0.1)  # for the late reply to arrive
            assert tested.send(request(server.url + "/", b"third")).body == b"third"

    def test_a_body_that_was_not_read_to_its_end_is_no_reply_to_the_next_request(
        self, make_transport: MakeTransport
    ) -> None:
        def script(talk: Talk) -> None:
            while received := talk.receive():
                talk.send(reply(received.body * (2000 if received.body == b"many" else 1)))

        with Loopback(script) as server, self.made(make_transport, max_response=1000) as tested:
            self.fails(tested, request(server.url + "/", b"many"), TransportError)
            assert tested.send(request(server.url + "/", b"one")).body == b"one"
