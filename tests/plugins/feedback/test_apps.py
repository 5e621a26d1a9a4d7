"""The receiver as a WSGI application and as an ASGI application, by the letter of both."""

from __future__ import annotations

import asyncio
import inspect
import io
import threading
from wsgiref.validate import validator

import pytest
import trio
import trio.testing

from altcraft import Delivery, hookimpl
from altcraft_plugins.feedback import FeedbackReceiver
from plugins.feedback.world import BASE, by_asgi, by_wsgi, environ, scope, waiting

EMPTY = {"Content-Type": "text/plain", "Content-Length": "0"}


def test_wsgi_by_the_letter(receiver, heard):
    task, url = waiting(receiver)
    answer = by_wsgi(validator(receiver), environ(url, b'{"a": 1}'))
    assert (answer.status, answer.headers, answer.body) == (200, EMPTY, b"")
    assert task.hints == 1
    assert heard.deliveries[0].body == b'{"a": 1}'
    assert by_wsgi(validator(receiver), environ(f"{BASE}/x", b"")).status == 404
    answer = by_wsgi(validator(receiver), environ(url, method="GET"))
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")


def test_wsgi_below_a_mount_point(receiver):
    task, url = waiting(receiver)
    given = environ(url, SCRIPT_NAME="/feedback", PATH_INFO="/" + url.rpartition("/")[2])
    assert by_wsgi(receiver, given).status == 200
    assert task.hints == 1


class Stream:
    """A body that no server holds in memory: to read behind its end would wait for ever."""

    def __init__(self, body: bytes) -> None:
        self.left = body

    def read(self, size: int) -> bytes:
        assert self.left is not None, "this would wait for ever"
        chunk, self.left = self.left[:size], self.left[size:] or None  # type: ignore[assignment]
        return chunk


@pytest.mark.parametrize("length", [None, "", "0"])
def test_wsgi_reads_no_stream_without_a_length_unless_the_server_ends_it(receiver, heard, length):
    _, url = waiting(receiver)
    assert by_wsgi(receiver, environ(url, stream=Stream(b"x"), CONTENT_LENGTH=length)).status == 200
    assert [delivery.body for delivery in heard.deliveries] == [b""]


def test_wsgi_reads_a_stream_up_to_its_length(receiver, heard):
    _, url = waiting(receiver)
    assert by_wsgi(receiver, environ(url, stream=Stream(b"all of it"), CONTENT_LENGTH="9")).status == 200
    assert [delivery.body for delivery in heard.deliveries] == [b"all of it"]


@pytest.mark.parametrize("length", [None, "", "3", "900"])
def test_wsgi_reads_chunks_where_the_server_puts_them_together(receiver, heard, length):
    """It says so by wsgi.input_terminated, or holds the whole body in memory, as hypercorn does."""
    given = {"CONTENT_LENGTH": length, "HTTP_TRANSFER_ENCODING": "chunked"}
    _, url = waiting(receiver)
    assert by_wsgi(receiver, environ(url, b"all of it", **given)).status == 200
    stream = io.BufferedReader(io.BytesIO(b"all of it"))
    assert by_wsgi(receiver, environ(url, stream=stream, **given, **{"wsgi.input_terminated": True})).status == 200
    assert [delivery.body for delivery in heard.deliveries] == [b"all of it"] * 2


def test_wsgi_takes_a_hint_without_its_body_where_the_server_hands_over_raw_chunks(receiver, heard):
    task, url = waiting(receiver)
    given = environ(url, stream=Stream(b"2\r\n{}\r\n0\r\n"), CONTENT_LENGTH="2", HTTP_TRANSFER_ENCODING="chunked")
    assert by_wsgi(receiver, given).status == 200
    assert [delivery.body for delivery in heard.deliveries] == [b""]
    assert task.hints == 1


def test_asgi_by_the_letter(receiver, heard):
    task, url = waiting(receiver)
    answer = by_asgi(receiver, scope(url), b'{"a"', b": 1}")
    assert answer is not None
    assert (answer.status, answer.headers, answer.body) == (
        200,
        {name.lower(): value for name, value in EMPTY.items()},
        b"",
    )
    assert task.hints == 1
    (delivery,) = heard.deliveries
    assert (delivery.body, delivery.content_type) == (b'{"a": 1}', "application/json")
    assert by_asgi(receiver, scope(f"{BASE}/x")).status == 404
    assert by_asgi(receiver, scope(url, "GET")).headers["allow"] == "POST"


def test_the_two_applications_are_what_servers_recognise(receiver):
    """hypercorn and uvicorn look for a coroutine function; methods and objects they take for something else."""
    assert inspect.isfunction(receiver.asgi)
    assert inspect.iscoroutinefunction(receiver.asgi)
    assert not inspect.iscoroutinefunction(receiver.wsgi)
    task, url = waiting(receiver)
    assert by_wsgi(receiver.wsgi, environ(url)).status == 200
    assert by_asgi(receiver.asgi, scope(url)).status == 200
    assert task.hints == 2


def test_asgi_2_by_which_some_servers_call_an_object(receiver):
    task, url = waiting(receiver)

    async def double(given, receive, send):
        await receiver(given)(receive, send)

    assert by_asgi(double, scope(url)).status == 200
    assert task.hints == 1


@pytest.mark.leaves_threads  # trio keeps a worker thread for its next use
def test_asgi_under_trio(receiver, heard):
    task, url = waiting(receiver)
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"{}"}

    async def send(message):
        sent.append(message["type"])

    trio.run(receiver, scope(url), receive, send)
    assert sent == ["http.response.start", "http.response.body"]
    assert (task.hints, len(heard.deliveries)) == (1, 1)


@pytest.mark.parametrize("arguments", [0, 4])
def test_no_other_call_is_taken_for_either(receiver, arguments):
    """uvicorn calls an object without arguments to see whether it is a factory: TypeError says no."""
    with pytest.raises(TypeError, match="WSGI"):
        receiver(*[None] * arguments)


def test_asgi_under_trio_cuts_slow_senders_off():
    receiver = FeedbackReceiver(BASE, read_timeout=7.0)
    _, url = waiting(receiver)
    sent = []

    async def send(message):
        sent.append((message.get("status"), trio.current_time() - began))

    async def main():
        nonlocal began
        began = trio.current_time()
        await receiver.asgi(scope(url), trio.sleep_forever, send)

    began = 0.0
    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert sent[0] == (408, pytest.approx(7.0))


def test_http_2_is_sent_no_connection_header():
    receiver = FeedbackReceiver(BASE, limit=1)
    _, url = waiting(receiver)
    for version, kept in (("1.1", True), ("2", False)):
        answer = by_asgi(receiver, scope(url, http_version=version), b"xx")
        assert ("connection" in answer.headers) is kept


def test_a_servers_lifespan_is_seen_through(receiver):
    events = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent = []

    async def receive():
        return events.pop(0)

    async def send(message):
        sent.append(message["type"])

    asyncio.run(receiver({"type": "lifespan"}, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_a_websocket_is_refused(receiver):
    sent = []

    async def send(message):
        sent.append(message["type"])

    asyncio.run(receiver({"type": "websocket", "path": "/"}, None, send))
    assert sent == ["websocket.close"]


def test_a_plugin_that_takes_its_time_does_not_hold_the_loop_up():
    class Slow:
        def __init__(self) -> None:
            self.threads: set[int] = set()

        @hookimpl
        def altcraft_feedback_received(self, delivery: Delivery) -> None:
            self.threads.add(threading.get_ident())

    slow = Slow()
    receiver = FeedbackReceiver(BASE, plugins=[slow])
    _, url = waiting(receiver)
    assert by_asgi(receiver, scope(url)).status == 200
    assert slow.threads
    assert threading.get_ident() not in slow.threads


def test_a_plugin_is_called_in_the_loop_where_no_thread_can_be_started(receiver, heard):
    task, url = waiting(receiver)
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"{}"}

    async def send(message):
        sent.append(message.get("status"))

    loop = asyncio.new_event_loop()
    before = threading.stack_size(1 << 40)  # no system has room for such a stack
    try:
        loop.run_until_complete(receiver.asgi(scope(url), receive, send))
    finally:
        threading.stack_size(before)
        loop.close()
    assert sent[0] == 200
    assert (task.hints, len(heard.deliveries)) == (1, 1)


@pytest.mark.parametrize("path", ["\udc80", "/\x00", ""])
def test_a_strange_path_is_404_in_both(receiver, path):
    assert by_wsgi(receiver, environ("", PATH_INFO=path)).status == 404
    assert by_asgi(receiver, scope("", path=path)).status == 404
