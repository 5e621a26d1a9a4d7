"""Cases: many exchanges at once, cancelling, sleeping, and closing."""

from __future__ import annotations

import gc
import threading
import time
import warnings
from concurrent.futures import CancelledError, Future

from altcraft.errors import ConnectError, ConnectionLost
from altcraft.testing.transport.case import Case
from altcraft.testing.transport.loopback import Loopback, Talk, answering, full_backlog, reply
from altcraft.testing.transport.tested import MakeTransport, Tested, request
from altcraft.wire.messages import HttpResponse

__all__ = ["SharingCases"]

_ECHO = answering(lambda received: reply(received.body))


class SharingCases(Case):
    """Each exchange gets its own reply, and nothing is left behind."""

    # Many at once

    def test_many_share_it_and_each_gets_its_own_reply(self, make_transport: MakeTransport) -> None:
        def script(talk: Talk) -> None:
            while received := talk.receive():
                talk.pause(len(received.body) % 3 / 500)
                talk.send(reply(received.body * 3))

        at_once, rounds = (16, 12) if self.loop is None else (100, 2)
        with Loopback(script) as server, self.made(make_transport) as tested:
            for turn in range(rounds):
                bodies = [f"{turn}-{number}".encode() * (number + 1) for number in range(at_once)]
                futures = [tested.begin(request(server.url + "/", body), 20) for body in bodies]
                for body, future in zip(bodies, futures, strict=True):
                    assert future.result(30).body == body * 3, "a reply belongs to another request"

    def test_no_more_connections_are_open_than_allowed(self, make_transport: MakeTransport) -> None:
        def script(talk: Talk) -> None:
            while received := talk.receive():
                talk.pause(0.01)
                talk.send(reply(received.body))

        with Loopback(script) as server, self.made(make_transport, connections=3) as tested:
            futures = [tested.begin(request(server.url + "/", b"%d" % number), 20) for number in range(24)]
            for number, future in enumerate(futures):
                assert future.result(30).body == b"%d" % number
        assert server.most <= 3, f"{server.most} connections at once"

    def test_no_free_connection_in_time_is_a_connect_error(self, make_transport: MakeTransport) -> None:
        def script(talk: Talk) -> None:
            talk.receive()
            talk.pause()

        with Loopback(script) as server, self.made(make_transport, connections=1) as tested:
            waiting = tested.begin(request(server.url + "/", b"first"), 5)
            assert server.received.wait(5)
            self.fails(tested, request(server.url + "/", b"second"), ConnectError, 0.2)
            tested.close()
            self.failed(waiting, ConnectionLost)
        assert [received.body for received in server.requests] == [b"first"]

    # Cancelling

    def test_an_exchange_can_be_cancelled(self, make_transport: MakeTransport) -> None:
        self.skip_without_tasks()

        def script(talk: Talk) -> None:
            while received := talk.receive():
                talk.pause(0.2 if received.body == b"slow" else 0)
                talk.send(reply(received.body))

        with Loopback(script) as server, self.made(make_transport) as tested:
            tested.send(request(server.url + "/", b"warm"))
            server.received.clear()
            slow = tested.begin(request(server.url + "/", b"slow"))
            assert server.received.wait(5)
            assert slow.cancel()
            for body in (b"one", b"two", b"three"):
                assert tested.send(request(server.url + "/", body)).body == body
                time.sleep(0.1)
            try:
                raise AssertionError(f"cancelled, and yet {slow.result(0)!r}")
            except CancelledError:
                pass

    def test_it_works_on_after_a_cancellation_in_any_turn_of_the_loop(self, make_transport: MakeTransport) -> None:
        self.skip_without_tasks()
        with Loopback(_ECHO) as server, self.made(make_transport, connections=2) as tested:
            for turns in (*range(40), *range(40)):
                tested.cancel_after(turns, request(server.url + "/", b"cancelled"))
                if turns % 8 == 7:
                    for body in (b"one", b"two", b"three"):
                        assert tested.send(request(server.url + "/", body)).body == body, f"after {turns} turns"
            futures = [tested.begin(request(server.url + "/", b"%d" % number)) for number in range(6)]
            for number, future in enumerate(futures):
                assert future.result(20).body == b"%d" % number

    def test_a_cancelled_exchange_that_was_still_waiting_is_never_sent(self, make_transport: MakeTransport) -> None:
        self.skip_without_tasks()
        go_on = threading.Event()

        def script(talk: Talk) -> None:
            while received := talk.receive():
                if received.body == b"first":
                    go_on.wait(20)
                talk.send(reply(received.body))

        with Loopback(script) as server, self.made(make_transport, connections=1) as tested:
            first = tested.begin(request(server.url + "/", b"first"), 20)
            assert server.received.wait(5)
            cancel = tested.begin_to_cancel(request(server.url + "/", b"waiting"), 20)
            time.sleep(0.05)  # for the exchange to join the queue, where that takes more than one turn of the loop
            cancel()
            go_on.set()
            assert first.result(20).body == b"first"
            assert tested.send(request(server.url + "/", b"last")).body == b"last"
        assert [received.body for received in server.requests] == [b"first", b"last"]

    def skip_without_tasks(self) -> None:
        """Skips the case for a transport for threads."""
        if self.loop is None:
            self.waive("cancelling")

    # Sleeping, and the end

    def test_it_sleeps_as_long_as_it_is_told(self, make_transport: MakeTransport) -> None:
        with self.made(make_transport) as tested:
            began = time.monotonic()
            tested.sleep(0.1).result(5)
            assert 0.09 <= time.monotonic() - began < 2
            tested.sleep(0).result(5)

    def test_closing_ends_sleeps_at_once_and_for_good(self, make_transport: MakeTransport) -> None:
        with self.made(make_transport) as tested:
            sleeps = [tested.sleep(30) for _ in range(3)]
            time.sleep(0.05)
            assert not any(sleep.done() for sleep in sleeps), "it did not sleep"
            tested.close()
            sleeps.append(tested.sleep(30))
            self.eventually(lambda: all(sleep.done() for sleep in sleeps), "closing did not end a sleep")
            assert not any(sleep.exception() for sleep in sleeps), "closing ended a sleep with an error"

    def test_closing_ends_the_exchanges_under_way(self, make_transport: MakeTransport) -> None:
        scripts = {
            "waiting for a reply": lambda talk: (talk.receive(), talk.pause()),
            "waiting for a body": lambda talk: (talk.receive(), talk.send(reply(length=9)), talk.pause()),
        }
        for what, script in scripts.items():
            with Loopback(script) as server, self.made(make_transport) as tested:
                exchange = tested.begin(request(server.url + "/"), 30)
                assert server.received.wait(5)
                time.sleep(0.05)
                assert _seconds(tested, exchange) < 3, what
                self.failed(exchange, ConnectionLost)

    def test_closing_ends_the_making_of_a_connection(self, make_transport: MakeTransport) -> None:
        with full_backlog() as url, self.made(make_transport) as tested:
            exchange = tested.begin(request(url + "/"), 30)
            time.sleep(0.1)
            assert _seconds(tested, exchange) < 3
            self.failed(exchange, ConnectError)

    def test_once_closed_it_sends_nothing(self, make_transport: MakeTransport) -> None:
        with Loopback(_ECHO) as server, self.made(make_transport) as tested:
            tested.send(request(server.url + "/", b"before"))
            tested.close()
            self.fails(tested, request(server.url + "/", b"after"), ConnectError)
            self.fails(tested, request(server.url + "/elsewhere", b"after"), ConnectError)
            tested.close()
        assert [received.body for received in server.requests] == [b"before"]

    def test_closing_leaves_no_descriptor_to_the_garbage_collector(self, make_transport: MakeTransport) -> None:
        def once() -> None:
            with self.made(make_transport) as tested:
                for future in [tested.begin(request(server.url + "/", b"%d" % number)) for number in range(3)]:
                    future.result(10)

        with Loopback(_ECHO) as server:
            once()  # what is opened for good, by the first of all
            self.eventually(lambda: server.still_open() == 0, "a connection is still open")
            gc.disable()
            try:
                before = self.descriptors()
                for _ in range(5):
                    once()
                self.eventually(lambda: server.still_open() == 0, "a connection is still open")
                left = self.descriptors() - before
            finally:
                gc.enable()
        assert left <= 0, f"5 transports were closed, and {left} descriptors are left"

    def test_closing_leaves_no_connection_no_thread_and_no_warning(self, make_transport: MakeTransport) -> None:
        before = set(threading.enumerate())
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with Loopback(_ECHO) as server, self.made(make_transport) as tested:
                for future in [tested.begin(request(server.url + "/", b"%d" % number)) for number in range(8)]:
                    future.result(10)
                tested.close()
                self.eventually(lambda: server.still_open() == 0, "a connection is still open")
            del tested
            gc.collect()
        self.eventually(lambda: set(threading.enumerate()) <= before, "a thread still runs")
        left = [str(warning.message) for warning in caught if issubclass(warning.category, ResourceWarning)]
        assert not left, f"left behind: {left}"


def _seconds(tested: Tested, exchange: Future[HttpResponse]) -> float:
    """Returns how long it takes from closing until the exchange ends."""
    began = time.monotonic()
    tested.close()
    exchange.exception(20)
    return time.monotonic() - began
