"""The receiver on a real socket."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from altcraft_plugins.feedback import FeedbackReceiver
from altcraft_plugins.feedback.server import ReceiverUnavailable, listening
from plugins.feedback.world import waiting


def post(url, body=b"{}", method="POST", **headers):
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    try:
        connection.request(method, parts.path, body, {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def dialogue(url, *parts, pause=0.0):
    """What comes back until the connection is closed, and after how many seconds it is."""
    began = time.monotonic()
    host, port = urlsplit(url).netloc.split(":")
    answer = b""
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        try:
            for part in parts:
                connection.sendall(part)
                if pause:
                    time.sleep(pause)
            while chunk := connection.recv(65536):
                answer += chunk
        except ConnectionError:
            pass
    return answer, time.monotonic() - began


def head(url, *lines):
    return b"\r\n".join([f"POST {urlsplit(url).path} HTTP/1.1".encode(), b"Host: me", *lines, b"", b""])


def test_a_delivery_over_a_socket():
    with listening() as receiver:
        task, url = waiting(receiver)
        assert post(url) == (200, b"")
        assert task.hints == 1
        assert post(url + "x") == (404, b"")
        assert post(url, method="GET") == (405, b"")


def test_the_public_url_may_differ_from_the_address_of_the_socket():
    with listening(url="https://me.example/hooks") as receiver:
        assert receiver.feedback().url.startswith("https://me.example/hooks/")


def test_a_body_over_the_limit_is_refused_before_it_is_sent():
    with listening(make=lambda url: FeedbackReceiver(url, limit=1000)) as receiver:
        _, url = waiting(receiver)
        answer, took = dialogue(url, head(url, b"Content-Length: 100000000"))
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert took < 5


def test_a_sender_that_asks_first_is_asked_for_no_body_over_the_limit():
    """curl asks so for every body of more than a megabyte."""
    with listening(make=lambda url: FeedbackReceiver(url, limit=1000)) as receiver:
        task, url = waiting(receiver)
        answer, took = dialogue(url, head(url, b"Expect: 100-continue", b"Content-Length: 1001"))
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert took < 5
        small = head(url, b"Connection: close", b"Expect: 100-continue", b"Content-Length: 2")
        answer, _ = dialogue(url, small, b"{}", pause=0.1)
        assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ")
        assert task.hints == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", *(["::1"] if socket.has_ipv6 else [])])
def test_it_listens_on_either_family_of_addresses(host):
    with listening(host) as receiver:
        task, url = waiting(receiver)
        assert post(url) == (200, b"")
        assert task.hints == 1


def test_a_chunked_body_over_the_limit_is_cut_off():
    with listening(make=lambda url: FeedbackReceiver(url, limit=1000)) as receiver:
        task, url = waiting(receiver)
        chunk = b"1000\r\n" + b"x" * 0x1000 + b"\r\n"
        answer, _ = dialogue(url, head(url, b"Transfer-Encoding: chunked"), chunk)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 413 ")
        assert task.hints == 0


@pytest.mark.slow
@pytest.mark.parametrize("dripping", [b"X: ", b"Content-Length: 100\r\n\r\n"])
def test_a_sender_that_drips_is_cut_off_though_it_never_stops(dripping):
    """In the head or in the body: a byte every 0.2 s does not prolong its time."""
    with listening(make=lambda url: FeedbackReceiver(url, read_timeout=1.0)) as receiver:
        task, url = waiting(receiver)
        start = head(url)[:-2] + dripping
        answer, took = dialogue(url, start, *[b"a"] * 50, pause=0.2)
        assert not answer.startswith(b"HTTP/1.1 200")
        assert took < 8  # the fifty bytes alone would take ten seconds
        assert task.hints == 0


def test_two_hundred_deliveries_from_sixteen_threads():
    with listening() as receiver, ThreadPoolExecutor(16) as pool:
        tasks = [waiting(receiver, f"t-{n}") for n in range(200)]
        assert set(pool.map(lambda pair: post(pair[1])[0], tasks)) == {200}
        assert {task.hints for task, _ in tasks} == {1}


def test_the_end_of_the_block_ends_threads_and_socket():
    before = threading.active_count()
    with listening() as receiver:
        url = receiver.feedback().url
        assert threading.active_count() > before
    assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        post(url)


def test_a_taken_address_is_an_error_of_one_line():
    with listening() as receiver:
        port = urlsplit(receiver.base_url).port
        assert port is not None
        with pytest.raises(ReceiverUnavailable, match=str(port)) as caught, listening(port=port):
            pass
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("host", ["no.such.host.invalid", "." * 5, "x" * 70])
def test_a_host_that_does_not_exist_is_an_error_of_one_line(host):
    with pytest.raises(ReceiverUnavailable, match="cannot listen on") as caught, listening(host):
        pass
    assert "\n" not in str(caught.value)


@pytest.fixture
def no_more_threads():
    """No system has room for a thread's stack of a tebibyte."""
    before = threading.stack_size(1 << 40)
    yield
    threading.stack_size(before)


def test_without_threads_to_start_it_says_so_and_leaves_the_port(no_more_threads):
    port = free_port()
    for _ in range(2):
        with pytest.raises(ReceiverUnavailable, match="can't start new thread"), listening(port=port):
            pass
    with socket.create_server(("127.0.0.1", port)):
        pass


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as bound:
        return bound.getsockname()[1]


def test_without_waitress_it_says_what_to_install():
    script = (
        "import sys; sys.modules['waitress'] = None\n"
        "from altcraft_plugins.feedback.server import ReceiverUnavailable, listening\n"
        "try:\n    with listening(): pass\n"
        "except ReceiverUnavailable as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.endswith(": pip install waitress\n")
    assert done.stdout.count("\n") == 1
