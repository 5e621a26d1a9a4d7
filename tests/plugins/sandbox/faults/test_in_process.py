"""Faults in process: they are the client's own errors, within its timeouts, in the time of a test's clock."""

from __future__ import annotations

import pytest

from altcraft import (
    ApiError,
    Client,
    ConnectError,
    ConnectionLost,
    DecodeError,
    Polling,
    RateLimited,
    RequestTimeout,
    Retry,
)
from altcraft.testing import FakeClock
from altcraft_plugins.sandbox import FaultPlan, Sandbox
from altcraft_plugins.sandbox.faults import (
    Drip,
    ErrorReply,
    Hang,
    Latency,
    Malformed,
    Outage,
    PrettyPrinted,
    Reset,
    Truncated,
    WrongContentType,
)
from altcraft_transports.wsgi import WsgiTransport

STATUS = ("tasks/status",)


class World:
    """A sandbox with a plan, and a client that lives with it in a clock's time. Nothing is repeated."""

    def __init__(self, *faults, codec="json", **settings):
        self.clock = FakeClock()
        self.sandbox = Sandbox(clock=self.clock, faults=FaultPlan(faults), pace=0, profiles=50)
        self.client = Client(
            "https://sandbox.example",
            token="sandbox",
            codec=codec,
            transport=WsgiTransport(self.sandbox, clock=self.clock),
            **{"retry": Retry(attempts=1), "request_timeout": 10.0, **settings},
        )

    def submit(self):
        return self.client.databases.refresh_counters(5, resource_id=24)

    def processed(self):
        return sum(self.sandbox.submissions().values())

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.client.close()


@pytest.fixture(params=["json", "xml"])
def codec(request):
    return request.param


def test_without_a_plan_nothing_happens(codec):
    with World(codec=codec) as world:
        assert world.submit().result(timeout=60)[0].total_count == 1336
        assert world.sandbox.injected() == {}


@pytest.mark.parametrize("fault", [Latency(3), Drip(3)])
def test_a_delayed_reply_comes_after_its_seconds(fault, codec):
    with World(fault, codec=codec) as world:
        task = world.submit()
        assert world.clock.now == pytest.approx(3)
        assert task.poll().status == "completed"
        assert world.clock.now == pytest.approx(6)


@pytest.mark.parametrize("fault", [Latency(30), Drip(30), Hang(), Hang(seconds=30, processed=True)])
def test_a_reply_that_takes_too_long_is_a_timeout_of_exactly_its_limit(fault):
    with World(fault, request_timeout=7.0) as world:
        with pytest.raises(RequestTimeout):
            world.submit()
        assert world.clock.now == pytest.approx(7.0)
        assert world.processed() == (0 if fault in (Latency(30), Hang()) else 1)


def test_a_hang_ends_with_its_seconds():
    with World(Hang(seconds=4)) as world:
        with pytest.raises(ConnectionLost):
            world.submit()
        assert world.clock.now == pytest.approx(4)


@pytest.mark.parametrize("processed", [False, True])
def test_a_reset_is_a_lost_connection_before_or_after_processing(processed, codec):
    with World(Reset(processed=processed), codec=codec) as world:
        with pytest.raises(ConnectionLost):
            world.submit()
        assert world.processed() == int(processed)


@pytest.mark.parametrize("body", ["envelope", "html", "empty"])
def test_an_error_has_its_status_with_and_without_an_envelope(body, codec):
    statuses = [400, 403, 429, 500, 502, 503, 504, 520]
    faults = [ErrorReply(status, body=body, text="on request", since=status, until=status + 1) for status in statuses]
    with World(*faults, codec=codec) as world:
        for status in statuses:
            world.clock.advance(status - world.clock.now)
            with pytest.raises(ApiError) as caught:
                world.submit()
            assert (caught.value.code, caught.value.http_status) == (status, status)
            assert ("on request" in str(caught.value)) == (body == "envelope")
        assert world.processed() == 0


def test_an_error_may_come_after_processing():
    with World(ErrorReply(502, body="html", processed=True)) as world:
        with pytest.raises(ApiError):
            world.submit()
        assert world.processed() == 1


@pytest.mark.parametrize(("sent", "read"), [(7, 7), (0, 0), ("12", 12), ("soon", None), (2.5, 3)])
def test_retry_after_is_sent_as_the_plan_has_it(sent, read):
    with World(ErrorReply(429, retry_after=sent)) as world:
        with pytest.raises(RateLimited) as caught:
            world.submit()
        assert caught.value.retry_after == read


def test_a_page_of_a_proxy_with_status_200_is_no_result(codec):
    with World(ErrorReply(200, body="html"), codec=codec) as world, pytest.raises(DecodeError):
        world.submit()


def test_a_truncated_reply_is_a_lost_connection_after_processing(codec):
    with World(Truncated(), codec=codec) as world:
        with pytest.raises(ConnectionLost):
            world.submit()
        assert world.processed() == 1


def test_a_malformed_document_is_a_decode_error_after_processing(codec):
    with World(Malformed(), codec=codec) as world:
        with pytest.raises(DecodeError):
            world.submit()
        assert world.processed() == 1


@pytest.mark.parametrize("value", ["text/html", "application/json; charset=utf-16", "", "application/xml"])
def test_a_wrong_content_type_or_charset_is_sent_with_the_right_bytes(value):
    with World(WrongContentType(value)) as world:
        reply = WsgiTransport(world.sandbox).send(request(), timeout=1)
        assert reply.headers["content-type"] == value
        assert reply.body == b'{"error":404,"error_text":"no such task"}'


def request():
    from altcraft import HttpRequest

    body = b'{"token": "sandbox", "task_id": "1"}'
    return HttpRequest("POST", "http://x/api/v1.1/tasks/status", {"Content-Type": "application/json"}, body)


def test_a_pretty_printed_document_is_read_all_the_same(codec):
    with World(PrettyPrinted(), codec=codec) as world:
        task = world.submit()
        assert "\n" not in task.id
        statistics = task.result(timeout=60)[0]
        assert statistics.channels[0].channel == "email"
        assert statistics.channels[0].status.hardbounced == 411


def test_pretty_printing_puts_every_text_on_a_line_of_its_own():
    with World(PrettyPrinted()) as world:
        asked = request()
        xml = WsgiTransport(world.sandbox).send(
            type(asked)(asked.method, asked.url, {**asked.headers, "Accept": "application/xml"}, asked.body), timeout=1
        )
    assert xml.body.decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n<xml>\n  <error>\n    404\n  </error>\n'
        "  <error_text>\n    no such task\n  </error_text>\n</xml>"
    )


def test_an_outage_refuses_connections_and_ends():
    with World(Outage(since=10, until=20)) as world:
        world.submit()
        world.clock.advance(10)
        with pytest.raises(ConnectError):
            world.submit()
        world.clock.advance(10)
        world.submit()
        assert world.processed() == 2


def test_a_wait_goes_through_faults_to_its_result(codec):
    faults = [Reset(rate=0.2, operations=STATUS), ErrorReply(503, rate=0.2, operations=STATUS)]
    with World(*faults, codec=codec, retry=Retry(), polling=Polling(initial=0.1)) as world:
        tasks = [world.submit() for _ in range(20)]
        assert {task.result(timeout=600)[0].total_count for task in tasks} == {1336}
        injected = world.sandbox.injected()
        assert injected["reset"] > 0
        assert injected["error"] > 0


def test_the_same_plan_gives_the_same_faults_to_the_same_requests():
    def run():
        with World(Reset(rate=0.3), ErrorReply(503, rate=0.3)) as world:
            outcomes = []
            for number in range(30):
                try:
                    world.submit().poll()
                    outcomes.append(None)
                except (ConnectionLost, ApiError) as error:
                    outcomes.append((number, type(error)))
            return outcomes, world.sandbox.injected()

    assert run() == run()


def test_a_refused_request_has_no_fault():
    with World(Reset()) as world, pytest.raises(ApiError):
        Client(
            "https://x.example", token="wrong", transport=WsgiTransport(world.sandbox), retry=Retry(attempts=1)
        ).tasks.resume("1").poll()


def test_closing_ends_a_hang_at_once():
    import threading
    import time

    sandbox = Sandbox(faults=FaultPlan([Hang()]))
    transport = WsgiTransport(sandbox)
    raised = []

    def hang():
        try:
            transport.send(request(), timeout=600)
        except ConnectionLost as error:
            raised.append(error)

    thread = threading.Thread(target=hang)
    thread.start()
    time.sleep(0.1)
    began = time.monotonic()
    transport.close()
    thread.join(10)
    assert time.monotonic() - began < 5
    assert len(raised) == 1
