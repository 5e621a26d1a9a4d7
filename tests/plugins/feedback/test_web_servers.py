"""The receiver under the servers that people run: each in a process of its own, on a real socket."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from altcraft_plugins.feedback import FeedbackReceiver
from plugins.feedback.test_server import head, post

pytestmark = pytest.mark.slow

SECRET = "a secret that both of them have"
LIMIT = 100_000
APP = """
import os
import altcraft
from altcraft_plugins.feedback import FeedbackReceiver

class Kept:
    @altcraft.hookimpl
    def altcraft_feedback_received(self, delivery):
        with open("deliveries", "ab") as file:
            file.write(delivery.body[:30] + b" %d\\n" % len(delivery.body))

receiver = FeedbackReceiver(os.environ["URL"], secret=os.environ["SECRET"], limit=int(os.environ["LIMIT"]),
    read_timeout=2.0, plugins=[Kept()], spacing=0.0)
wsgi, asgi = receiver.wsgi, receiver.asgi
"""
SERVERS = {
    "gunicorn, sync": "gunicorn --bind fd://{fd} app:wsgi",
    "gunicorn, threads": "gunicorn --bind fd://{fd} --threads 2 --preload app:receiver",
    "hypercorn": "hypercorn --bind fd://{fd} app:receiver.asgi",
    "hypercorn, WSGI": "hypercorn --bind fd://{fd} app:receiver.wsgi",
    "hypercorn, either": "hypercorn --bind fd://{fd} app:receiver",
    "uvicorn": "uvicorn --fd {fd} app:receiver.asgi",
    "uvicorn, either": "uvicorn --fd {fd} app:receiver",
    "gunicorn, uvicorn's worker": "gunicorn --bind fd://{fd} -k uvicorn.workers.UvicornWorker app:asgi",
}


class Served(NamedTuple):
    """A server that runs, a receiver that makes URLs for it, and the file in which it keeps what was delivered."""

    receiver: FeedbackReceiver
    file: object

    def new_url(self):
        return self.receiver.feedback().url

    def deliveries(self):
        """What has been delivered since the last call: the beginning of each body, and its length."""
        text = self.file.read_text() if self.file.exists() else ""
        self.file.unlink(missing_ok=True)
        return text.splitlines()


@contextmanager
def serving(command, place):
    (place / "app.py").write_text(APP)
    with socket.create_server(("127.0.0.1", 0)) as bound:
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/altcraft"
        receiver = FeedbackReceiver(url, secret=SECRET)
        env = os.environ | {"URL": url, "SECRET": SECRET, "LIMIT": str(LIMIT), "PYTHONPATH": ".", "HOME": str(place)}
        arguments = command.format(fd=bound.fileno()).split()
        with open(place / "log", "wb") as log:
            running = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=place,
                env=env,
                pass_fds=[bound.fileno()],
                stdout=log,
                stderr=log,
            )
        try:
            yield Served(receiver, place / "deliveries")
            running.terminate()
            running.wait(20)
        finally:
            running.kill()
            running.wait()


@pytest.fixture(scope="module", params=SERVERS)
def served(request, tmp_path_factory):
    with serving(SERVERS[request.param], tmp_path_factory.mktemp("server")) as running:
        yield running


def send(url, body, **how):
    """The status of a POST; None where the server cuts the connection."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=20)
    try:
        connection.request("POST", parts.path, body, {"Content-Type": "text/plain"}, **how)
        return connection.getresponse().status
    except (ConnectionError, http.client.BadStatusLine):
        return None
    finally:
        connection.close()


def in_chunks(url, *chunks):
    return send(url, iter(chunks), encode_chunked=True)


def broken_off(url, *parts):
    """The status of what is answered to a sender that sends this much and no more; empty where nothing is."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(b"".join(parts))
        connection.shutdown(socket.SHUT_WR)
        try:
            return connection.recv(65536)[9:12]
        except ConnectionError:
            return b""


def test_a_body_comes_whole_with_a_length_and_in_chunks(served):
    assert post(served.new_url(), b"x" * 50_000) == (200, b"")
    assert in_chunks(served.new_url(), b"first, ", b"second") == 200
    assert in_chunks(served.new_url(), b"y" * LIMIT) == 200
    assert served.deliveries() == ["x" * 30 + " 50000", "first, second 13", "y" * 30 + f" {LIMIT}"]


def test_a_body_over_the_limit_is_refused_with_a_length_and_in_chunks(served):
    assert send(served.new_url(), b"x" * (LIMIT + 1)) in (413, None)
    assert in_chunks(served.new_url(), *[b"x" * 1000] * (LIMIT // 1000), b"x") in (413, None)
    assert served.deliveries() == []


def test_a_body_that_is_shorter_than_its_length_is_no_delivery(served):
    url = served.new_url()
    assert broken_off(url, head(url, b"Content-Length: 10"), b"{}") in (b"400", b"")
    assert served.deliveries() == []


def test_what_follows_the_announced_length_is_not_part_of_the_body(served):
    for _ in range(20):  # some servers meet the rest, which is no request, and drop the delivery before it
        url = served.new_url()
        broken_off(url, head(url, b"Content-Length: 2"), b"{} and more")
        deadline = time.monotonic() + 1
        while not (deliveries := served.deliveries()) and time.monotonic() < deadline:
            time.sleep(0.02)  # some servers answer the rest while the delivery is still taken
        if deliveries:
            break
    assert deliveries == ["{} 2"]


def test_strangers_and_mistakes_get_their_answers(served):
    assert post(served.new_url() + "x")[0] == 404
    assert post(served.new_url(), method="GET")[0] == 405
    assert served.deliveries() == []
