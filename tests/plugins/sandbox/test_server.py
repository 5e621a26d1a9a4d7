"""The sandbox on a socket."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from altcraft_plugins.sandbox import Sandbox
from altcraft_plugins.sandbox.server import ServerUnavailable, bind, serve
from plugins.sandbox.api import TOKEN, to_xml

GOOD = {"token": TOKEN, "id": 5, "resource_id": 24}
SERVE = "from altcraft_plugins.sandbox.server import serve; serve(port=0, pace=60)"


@contextmanager
def served():
    with Sandbox(pace=0) as app:
        server = bind(app)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield server.url.removeprefix("http://")
        finally:
            server.close()
            thread.join(10)
            assert not thread.is_alive()


def post(address, body, content_type="application/json", path="databases/get_counters", **headers):
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("POST", f"/api/v1.1/{path}", body, {"Content-Type": content_type, **headers})
        response = connection.getresponse()
        return response.status, response.getheader("Content-Type"), response.read()
    finally:
        connection.close()


def raw(address, request):
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), head.lower(), body


def test_both_formats_over_a_socket():
    with served() as address:
        status, content_type, body = post(address, json.dumps(GOOD))
        assert (status, content_type) == (200, "application/json")
        assert json.loads(body)["data"][0]["status"]["hardbounced"] == 411
        status, content_type, body = post(address, to_xml(GOOD), "application/xml")
        assert (status, content_type) == (200, "application/xml")
        assert b"<hardbounced>411</hardbounced>" in body


def test_a_chunked_body_is_a_body():
    with served() as address:
        connection = http.client.HTTPConnection(address, timeout=10)
        connection.request(
            "POST",
            "/api/v1.1/databases/get_counters",
            iter([json.dumps(GOOD).encode()]),
            {"Content-Type": "application/json"},
            encode_chunked=True,
        )
        assert connection.getresponse().status == 200
        connection.close()


def test_too_large_a_body_is_refused_before_it_is_sent():
    head = b"POST /api/v1.1/tasks/status HTTP/1.1\r\nHost: x\r\nAccept: application/xml\r\nContent-Length: %d\r\n\r\n"
    with served() as address:
        for length in (10 * 1024 * 1024 + 1, 10**12):
            status, head_, body = raw(address, head % length)
            assert status == 413
            assert b"content-type: application/xml" in head_
            assert body.startswith(b"<xml><error>413</error><error_text>")


def test_a_refusal_by_the_server_itself_is_an_envelope():
    with served() as address:
        for request, code in (
            (b"POST /api/v1.1/tasks/status HTTP/1.1\r\nContent-Length: -5\r\n\r\n", 400),
            (b"POST /api/v1.1/tasks/status HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
            # Exactly as many bytes as the server reads: unread ones would reset the connection and lose the reply.
            (b"POST / HTTP/1.1\r\nX: ".ljust(262_144, b"a"), 431),
        ):
            status, head, body = raw(address, request)
            assert status == code
            assert b"content-type: application/json" in head
            assert json.loads(body)["error"] == code


def test_a_missing_length_is_refused_over_a_socket():
    with served() as address:
        request = b"POST /api/v1.1/tasks/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        status, _, body = raw(address, request)
        assert (status, json.loads(body)["error"]) == (411, 411)


def test_sixteen_connections_are_answered_at_once():
    with served() as address, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: post(address, json.dumps(GOOD)), range(160)))
    assert {status for status, _, _ in answers} == {200}


def test_a_server_closed_before_it_runs_does_not_run():
    with Sandbox() as app:
        server = bind(app)
        server.close()
        server.close()
        server.run()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_server_cleanly_while_a_task_is_running(number):
    process = subprocess.Popen([sys.executable, "-c", SERVE], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        line = process.stdout.readline()
        assert line.startswith("The sandbox answers at http://127.0.0.1:")
        address = line.split("http://")[1].split()[0]
        status, _, _ = post(address, json.dumps(GOOD), path="databases/refresh_counters")
        assert status == 200
        process.send_signal(number)
        rest, errors = process.communicate(timeout=20)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, rest, errors) == (0, "", "")


def test_a_taken_address_is_one_line():
    with served() as address, pytest.raises(ServerUnavailable, match=address) as caught:
        serve(port=int(address.split(":")[1]))
    assert "\n" not in str(caught.value)


def test_without_waitress_it_says_what_to_install():
    script = (
        "import sys; sys.modules['waitress'] = None\n"
        "from altcraft_plugins.sandbox.server import ServerUnavailable, serve\n"
        "try: serve(port=0)\n"
        "except ServerUnavailable as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.endswith(": pip install waitress\n")
    assert done.stdout.count("\n") == 1


def test_the_url_can_be_reported_elsewhere():
    urls = []

    class Enough(Exception):
        pass

    def report(url):
        urls.append(url)
        raise Enough

    with pytest.raises(Enough):
        serve(port=0, report=report)
    assert urls[0].startswith("http://127.0.0.1:")


def test_too_large_a_body_is_refused_without_100_continue():
    """curl sends `Expect: 100-continue` with each body of more than a megabyte."""
    with served() as address:
        asking = (
            b"POST /api/v1.1/databases/get_counters HTTP/1.1\r\nHost: sandbox\r\nContent-Type: application/json\r\n"
            b"Expect: 100-continue\r\nContent-Length: 999999999\r\n\r\n"
        )
        status, head, body = raw(address, asking)
        assert status == 413
        assert b"100 continue" not in head
        assert json.loads(body)["error"] == 413
