"""Cases: connections that are kept, many exchanges at once, and the end of it all."""

from __future__ import annotations

import gc
import threading
import time
import warnings
from concurrent.futures import CancelledError, Future

from altcraft.errors import ConnectError, ConnectionLost, RequestTimeout, TransportError
from altcraft.testing.transport.case import Case
from altcraft.testing.transport.loopback import Loopback, Talk, answering, full_backlog, reply
from altcraft.testing.transport.pilot import MakeTransport, Pilot, request
from altcraft.wire.messages import HttpResponse

__all__ = ["SharingCases"]

_ECHO = answering(lambda received: reply(received.body))


class SharingCases(Case):
    """No reply goes to the wrong asker, no request is sent twice, nothing is left behind."""

    # Connections that are kept

    def test_a_connection_is_kept_for_the_next_exchange(self, make_transport: MakeTransport) -> None:
        if not self.keeps_connections:
            import pytest

            pytest.skip("this transport makes a connection for each exchange")
        with Loopback(_ECHO) as server, self.fly(make_transport) as pilot:
            for number in range(5):
                body = b"%d" % number
                assert pilot.send(request(server.url + "/", body)).body == body
        assert len(server.requests) == 5
        assert server.connections == 1, f"5 exchanges took {server.connections} connections"

    def test_a_connection_is_not_kept_against_the_servers_wish(self, make_transport: MakeTransport) -> None:
        for last in (reply(b"hello", "Connection: close", length=5), reply(b"hello", version="1.0")):
            with Loopback(answering(last)) as server, self.fly(make_transport) as pilot:
                for _ in range(2):
                    assert pilot.send(request(server.url + "/")).body == b"hello"
            assert server.connections == 2

    def test_a_connection_that_ended_while_it_was_idle_is_replaced(self, make_transport: MakeTransport) -> None:
        def script(talk: Talk) -> None:
            talk.receive()
            talk.send(reply(b"hello"))

        with Loopback(script) as server, self.fly(make_transport) as pilot:
            for number in range(3):
                assert pilot.send(request(server.url + "/")).body == b"hello"
                self.eventually(lambda: server.still_open() == 0, "the server's connection did not end")
                time.sleep(0.02)  # for the end to arrive
                assert len(server.requests) == number + 1

    def test_a_request_that_may_have_been_processed_is_never_sent_again(self, make_transport: MakeTransport) -> None:
        for ends_hard in (True, False):

            def script(talk: Talk, ends_hard: bool = ends_hard) -> None:
                while (received := talk.receive()) is not None:
                    if received.body == b"once":
                        break
                    talk.send(reply(b"hello"))
                if ends_hard:
                    talk.reset()

            with Loopback(script) as server, self.fly(make_transport) as pilot:
                pilot.send(request(server.url + "/"))
                self.fails(pilot, request(server.url + "/", b"once"), ConnectionLost)
                time.sleep(0.05)
            assert [received.body for received in server.requests].count(b"once") == 1

    def test_bytes_that_follow_a_reply_are_no_reply_to_the_next_request(self, make_transport: MakeTransport) -> None:
        def script(talk: Talk) -> None:
            while received := talk.receive():
                talk.send(reply(received.body) + reply(b"smuggled"))

        with Loopback(script) as server, self.fly(make_transport) as pilot:
            for number in range(5):
                body = b"%d" % number
                try:
                    assert pilot.send(request(server.url + "/", body)).body == body
                except ConnectionLost:
                    continue  # suspicion is right, too

    def test_a_late_reply_is_no_reply_to_the_next_request(self, make_transport: MakeTransport) -> None:
        def script(talk: Talk) -> None:
            while received := talk.receive():
                talk.pause(0.25 if received.body == b"first" else 0)
                talk.send(reply(received.body))

        with Loopback(script) as server, self.fly(make_transport) as pilot:
            self.fails(pilot, request(server.url + "/", b"first"), RequestTimeout, 0.1)
            assert pilot.send(request(server.url + "/", b"second")).body == b"second"
            time.sleep(0.2)
            assert pilot.send(request(server.url + "/", b"third")).body == b"third"

    def test_a_body_that_was_not_read_to_its_end_is_no_reply_to_the_next_request(
        self, make_transport: MakeTransport
    ) -> None:
        def script(talk: Talk) -> None:
            while received := talk.receive():
                talk.send(reply(received.body * (2000 if received.body == b"many" else 1)))

        with Loopback(script) as server, self.fly(make_transport, max_response=1000) as pilot:
            self.fails(pilot, request(server.url + "/", b"many"), TransportError)
            assert pilot.send(request(server.url + "/", b"one")).body == b"one"

    # Many at once

    def test_many_share_it_and_each_gets_its_own_reply(self, make_transport: MakeTransport) -> None:
        def script(talk: Talk) -> None:
            while received := talk.receive():
                talk.pause(len(received.body) % 3 / 500)
                talk.send(reply(received.body * 3))

        at_once, rounds = (16, 12) if self.loop is None else (100, 2)
        with Loopback(script) as server, self.fly(make_transport) as pilot:
            for turn in range(rounds):
                bodies = [f"{turn}-{number}".encode() * (number + 1) for number in range(at_once)]
                futures = [pilot.begin(request(server.url + "/", body), 20) for body in bodies]
                for body, future in zip(bodies, futures, strict=True):
                    assert future.result(30).body == body * 3, "a reply went to the wrong asker"

    def test_no_more_connections_are_open_than_allowed(self, make_transport: MakeTransport) -> None:
        def script(talk: Talk) -> None:
            while received := talk.receive():
                talk.pause(0.01)
                talk.send(reply(received.body))

        with Loopback(script) as server, self.fly(make_transport, connections=3) as pilot:
            futures = [pilot.begin(request(server.url + "/", b"%d" % number), 20) for number in range(24)]
            for number, future in enumerate(futures):
                assert future.result(30).body == b"%d" % number
        assert server.most <= 3, f"{server.most} connections at once"

    def test_no_free_connection_in_time_is_a_connect_error(self, make_transport: MakeTransport) -> None:
        def script(talk: Talk) -> None:
            talk.receive()
            talk.pause()

        with Loopback(script) as server, self.fly(make_transport, connections=1) as pilot:
            waiting = pilot.begin(request(server.url + "/", b"first"), 5)
            assert server.received.wait(5)
            self.fails(pilot, request(server.url + "/", b"second"), ConnectError, 0.2)
            pilot.close()
            self.failed(waiting, ConnectionLost)
        assert [received.body for received in server.requests] == [b"first"]

    def test_an_exchange_can_be_cancelled(self, make_transport: MakeTransport) -> None:
        if self.loop is None:
            import pytest

            pytest.skip("threads can't be cancelled")

        def script(talk: Talk) -> None:
            while received := talk.receive():
                talk.pause(0.2 if received.body == b"slow" else 0)
                talk.send(reply(received.body))

        with Loopback(script) as server, self.fly(make_transport) as pilot:
            pilot.send(request(server.url + "/", b"warm"))
            server.received.clear()
            slow = pilot.begin(request(server.url + "/", b"slow"))
            assert server.received.wait(5)
            assert slow.cancel()
            for body in (b"one", b"two", b"three"):
                assert pilot.send(request(server.url + "/", body)).body == body
                time.sleep(0.1)
            try:
                raise AssertionError(f"cancelled, and yet {slow.result(0)!r}")
            except CancelledError:
                pass

    # Sleeping, and the end

    def test_it_sleeps_as_long_as_it_is_told(self, make_transport: MakeTransport) -> None:
        with self.fly(make_transport) as pilot:
            began = time.monotonic()
            pilot.sleep(0.1).result(5)
            assert 0.09 <= time.monotonic() - began < 2
            pilot.sleep(0).result(5)

    def test_closing_ends_sleeps_at_once_and_for_good(self, make_transport: MakeTransport) -> None:
        with self.fly(make_transport) as pilot:
            sleeps = [pilot.sleep(30) for _ in range(3)]
            time.sleep(0.05)
            assert not any(sleep.done() for sleep in sleeps), "it did not sleep"
            pilot.close()
            sleeps.append(pilot.sleep(30))
            self.eventually(lambda: all(sleep.done() for sleep in sleeps), "closing did not end a sleep")
            assert not any(sleep.exception() for sleep in sleeps), "closing ended a sleep with an error"

    def test_closing_ends_the_exchanges_under_way(self, make_transport: MakeTransport) -> None:
        scripts = {
            "waiting for a reply": lambda talk: (talk.receive(), talk.pause()),
            "waiting for a body": lambda talk: (talk.receive(), talk.send(reply(length=9)), talk.pause()),
        }
        for what, script in scripts.items():
            with Loopback(script) as server, self.fly(make_transport) as pilot:
                exchange = pilot.begin(request(server.url + "/"), 30)
                assert server.received.wait(5)
                time.sleep(0.05)
                assert _seconds(pilot, exchange) < 3, what
                self.failed(exchange, ConnectionLost)

    def test_closing_ends_the_making_of_a_connection(self, make_transport: MakeTransport) -> None:
        with full_backlog() as url, self.fly(make_transport) as pilot:
            exchange = pilot.begin(request(url + "/"), 30)
            time.sleep(0.1)
            assert _seconds(pilot, exchange) < 3
            self.failed(exchange, ConnectError)

    def test_once_closed_it_sends_nothing(self, make_transport: MakeTransport) -> None:
        with Loopback(_ECHO) as server, self.fly(make_transport) as pilot:
            pilot.send(request(server.url + "/", b"before"))
            pilot.close()
            self.fails(pilot, request(server.url + "/", b"after"), ConnectError)
            self.fails(pilot, request(server.url + "/elsewhere", b"after"), ConnectError)
            pilot.close()
        assert [received.body for received in server.requests] == [b"before"]

    def test_closing_leaves_no_connection_no_thread_and_no_warning(self, make_transport: MakeTransport) -> None:
        before = set(threading.enumerate())
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with Loopback(_ECHO) as server, self.fly(make_transport) as pilot:
                for future in [pilot.begin(request(server.url + "/", b"%d" % number)) for number in range(8)]:
                    future.result(10)
                pilot.close()
                self.eventually(lambda: server.still_open() == 0, "a connection is still open")
            del pilot
            gc.collect()
        self.eventually(lambda: set(threading.enumerate()) <= before, "a thread still runs")
        left = [str(warning.message) for warning in caught if issubclass(warning.category, ResourceWarning)]
        assert not left, f"left behind: {left}"


def _seconds(pilot: Pilot, exchange: Future[HttpResponse]) -> float:
    """How long it takes from closing until the exchange ends."""
    began = time.monotonic()
    pilot.close()
    exchange.exception(20)
    return time.monotonic() - began
