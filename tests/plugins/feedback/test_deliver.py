"""`deliver` is called by code that the project does not know, and raises nothing."""

from __future__ import annotations

import io
import logging

import pytest

from altcraft_plugins.feedback.server import listening
from plugins.feedback.world import environ, waiting

ANSWERS = {200, 400, 404, 405, 408, 413}


class Raises:
    """An object whose every attribute raises, but for those that Python and pytest look at."""

    def __getattribute__(self, name):
        if name.startswith("__"):
            return object.__getattribute__(self, name)
        raise LookupError(name)


class Headers(dict):
    """Headers that a framework reads when they are asked for, and can't."""

    def keys(self):
        raise LookupError("the request is gone")

    items = keys


class NoText:
    def __str__(self):
        raise LookupError("no text")


class Stream:
    """A body whose `read` gives or raises something of the test's choice."""

    def __init__(self, outcome):
        self.outcome = outcome

    def read(self, size):
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome(size) if callable(self.outcome) else self.outcome


class AsyncStream:
    async def read(self, size):
        return b"{}"


class ReadsAll:
    def read(self):
        return b"{}"


class Property:
    @property
    def read(self):
        raise LookupError("no stream")


def closed():
    stream = io.BytesIO(b"{}")
    stream.close()
    return stream


def released():
    view = memoryview(b"{}")
    view.release()
    return view


@pytest.mark.parametrize("path", [None, 7, b"/x", object(), ["/", "x"], Raises(), NoText(), "\udcff", ""])
def test_a_path_that_is_no_text_is_404(receiver, path):
    assert receiver.deliver(path, {}, b"").status == 404


@pytest.mark.parametrize("method", [None, 7, b"POST", object(), Raises(), ["POST"]])
def test_a_method_that_is_no_text_is_405(receiver, method):
    task, url = waiting(receiver)
    assert receiver.deliver(url, {}, b"", method=method).status == 405
    assert task.hints == 0


@pytest.mark.parametrize(
    "headers", [7, "text", [1, 2], [("a",)], object(), Raises(), Headers(a="b"), {"a": NoText()}, {NoText(): "a"}]
)
def test_headers_that_cannot_be_read_are_400_and_logged(receiver, headers, caplog):
    task, url = waiting(receiver)
    assert receiver.deliver(url, headers, b"{}").status == 400
    assert task.hints == 0
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("altcraft.feedback", logging.ERROR)
    assert type(headers).__name__ in record.getMessage()
    assert url not in caplog.text


@pytest.mark.parametrize(
    "headers",
    [None, {}, [("Content-Type", "text/plain")], {b"content-type": b"text/plain"}, {"Content-Type": None}, {1: 2},
     {"Content-Length": 2}, {"content-length": " 2 "}, {"X": "\udcff", "Content-Length": ""}],
)  # fmt: skip
def test_odd_headers_that_can_be_read_are_taken(receiver, headers, heard):
    task, url = waiting(receiver)
    assert receiver.deliver(url, headers, io.BytesIO(b"{}")).status == 200
    assert task.hints == 1
    assert heard.deliveries[0].body == b"{}"
    assert heard.deliveries[0].content_type in ("", "text/plain")


@pytest.mark.parametrize(
    "body",
    ["text", 7, object(), [b"{}"], iter([b"{}"]), Raises(), released(), closed(), io.StringIO("{}"), AsyncStream(),
     ReadsAll(), Property(), Stream(None), Stream("text"), Stream(7), Stream(lambda size: b"x" * (size + 1)),
     Stream(OSError()), Stream(ValueError()), Stream(TypeError()), Stream(RuntimeError()), Stream(MemoryError())],
)  # fmt: skip
@pytest.mark.parametrize("headers", [{}, {"Content-Length": "2"}])
def test_a_body_that_cannot_be_read_is_400_and_no_hint(receiver, heard, body, headers):
    task, url = waiting(receiver)
    assert receiver.deliver(url, headers, body).status == 400
    assert (task.hints, heard.deliveries) == (0, [])


def test_a_body_of_the_wrong_kind_is_logged_and_a_sender_that_went_away_is_not(receiver, caplog):
    _, url = waiting(receiver)
    receiver.deliver(url, {}, Stream(ConnectionResetError()))
    assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []
    for body in ("text", AsyncStream(), Stream("text")):
        receiver.deliver(url, {}, body)
    assert [record.levelno for record in caplog.records if record.levelno > logging.DEBUG] == [logging.ERROR] * 3


@pytest.mark.parametrize("body", [None, b"", bytearray(b"{}"), memoryview(b"{}"), io.BytesIO(b"{}"), io.BytesIO()])
def test_every_form_of_bytes_is_a_body(receiver, heard, body):
    _, url = waiting(receiver)
    assert receiver.deliver(url, {}, body).status == 200
    assert type(heard.deliveries[0].body) is bytes


def test_a_length_is_not_believed_where_the_body_is_there(receiver, heard):
    """Between a proxy and a framework, a body is unpacked or decoded, and the header stays what it was."""
    for length in ("0", "1", "1000"):
        _, url = waiting(receiver)
        assert receiver.deliver(url, {"Content-Length": length}, b"{}").status == 200
    assert {delivery.body for delivery in heard.deliveries} == {b"{}"}


def test_a_transfer_coding_overrides_the_length(receiver, heard):
    """RFC 9112, 6.3. The framework has undone the coding, so the stream ends by itself."""
    _, url = waiting(receiver)
    headers = {"Content-Length": "2", "Transfer-Encoding": "chunked"}
    assert receiver.deliver(url, headers, io.BytesIO(b'{"a": 1}')).status == 200
    assert heard.deliveries[0].body == b'{"a": 1}'


def test_a_task_whose_notify_raises_spoils_nothing(receiver, heard):
    class Broken:
        id, operation, resume_token = "t-1", "databases/refresh_counters", "{}"

        def __init__(self, feedback):
            self.feedback = feedback

        def done(self):
            return False

        def notify(self):
            raise RuntimeError("the loop is closed")

    feedback = receiver.feedback()
    task = Broken(feedback)
    receiver.watch(task)
    assert receiver.deliver(feedback.url, {}, b"{}").status == 200
    assert len(heard.deliveries) == 1


def test_a_receiver_whose_server_is_closed_still_takes_deliveries():
    with listening() as receiver:
        task, url = waiting(receiver)
    assert receiver.deliver(url, {}, b"{}").status == 200
    assert task.hints == 1


@pytest.mark.parametrize("left_out", ["wsgi.input", "PATH_INFO", "REQUEST_METHOD", "CONTENT_LENGTH", "CONTENT_TYPE"])
def test_wsgi_without_a_variable_is_answered(receiver, left_out):
    _, url = waiting(receiver)
    statuses = []
    list(receiver.wsgi(environ(url, **{left_out: None}), lambda status, headers: statuses.append(int(status[:3]))))
    assert statuses[0] in ANSWERS
