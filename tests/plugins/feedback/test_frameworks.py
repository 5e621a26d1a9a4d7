"""The examples for Flask, Django, FastAPI and a bare ASGI server, on real sockets with the real frameworks."""

from __future__ import annotations

import http.client
import importlib
import socket
import threading
from contextlib import contextmanager
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
import uvicorn

from altcraft import Client, Polling, hookimpl
from altcraft_plugins.feedback import FeedbackReceiver
from plugins.feedback.test_server import post
from plugins.feedback.world import waiting

LIMIT = 100_000
PATIENT = Polling(hint_patience=600.0, hint_checks=0)  # no delivery, no end
EXAMPLES = {"flask_app": "wsgi", "django_app": "wsgi", "fastapi_app": "asgi", "bare_asgi": "asgi"}


@contextmanager
def by_wsgi(create_app):
    class Quiet(WSGIRequestHandler):
        def log_message(self, format, *args):
            pass

    server = make_server("127.0.0.1", 0, None, handler_class=Quiet)
    receiver = FeedbackReceiver(f"http://127.0.0.1:{server.server_port}/altcraft", limit=LIMIT)
    server.set_app(create_app(receiver))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def by_asgi(create_app):
    with socket.create_server(("127.0.0.1", 0)) as bound:
        receiver = FeedbackReceiver(f"http://127.0.0.1:{bound.getsockname()[1]}/altcraft", limit=LIMIT)
        server = uvicorn.Server(uvicorn.Config(create_app(receiver), log_level="error", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            yield receiver
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(params=[pytest.param(name, marks=() if name == "flask_app" else pytest.mark.slow) for name in EXAMPLES])
def receiver(request):
    example = importlib.import_module(f"plugins.feedback.frameworks.{request.param}")
    serving = by_wsgi if EXAMPLES[request.param] == "wsgi" else by_asgi
    with serving(example.create_app) as receiver:
        yield receiver


def test_a_delivery_ends_a_refresh(receiver):
    polls = []

    class Polls:
        @hookimpl
        def altcraft_task_progress(self, status):
            polls.append(status.status)

    with Client("sandbox:?pace=0.5", plugins=[receiver, Polls()], polling=PATIENT) as client:
        for _ in range(2):
            task = client.databases.refresh_counters(5, resource_id=24, feedback=receiver.feedback())
            (statistics,) = task.result(timeout=30)
            assert statistics.total_count == 1336
    assert polls.count("completed") == 2


def test_strangers_and_mistakes_get_their_answers(receiver):
    task, url = waiting(receiver)
    assert post(url[:-1] + ("A" if url[-1] != "A" else "B"))[0] == 404
    assert post(url, method="GET")[0] == 405
    assert post(url, b"\x00 nonsense")[0] == 200
    assert task.hints == 1


def test_a_body_over_the_limit_is_refused_before_it_is_sent(receiver):
    task, url = waiting(receiver)
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    connection.putrequest("POST", parts.path)
    connection.putheader("Content-Length", str(LIMIT + 1))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()
    assert task.hints == 0
