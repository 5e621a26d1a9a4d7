"""The sandbox on a socket."""

from __future__ import annotations

import http.client
import json
import logging
import random
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest

from altcraft_plugins.sandbox import Sandbox
from altcraft_plugins.sandbox.server import ServerUnavailable, bind, serve, serve_until_signal
from plugins.sandbox.api import TOKEN, environ, send, to_xml

GOOD = {"token": TOKEN, "id": 5, "resource_id": 24}
SERVE = (
    "from altcraft_plugins.sandbox.server import serve, serve_until_signal;"
    "serve_until_signal(lambda: serve(port=0, pace=60))"
)


@contextmanager
def served():
    with serve(port=0, pace=0) as server:
        yield server.url.removeprefix("http://")


def post(address, body, content_type="application/json", path="databases/get_counters", **headers):
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("POST", f"/api/v1.1/{path}", body, {"Content-Type": content_type, **headers})
        response = connection.getresponse()
        return response.status, response.getheader("Content-Type"), response.read()
    finally:
        connection.close()


def talk(address, request):
    """Sends the bytes and then no more. Returns what comes back."""
    host, port = address.split(":")
    answer = b""
    with socket.create_connection((host, int(port)), timeout=10) as connection, suppress(ConnectionError):
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        while chunk := connection.recv(65536):
            answer += chunk
    return answer


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


@pytest.mark.parametrize(
    "head",
    [
        b"POST http://[ HTTP/1.1",
        b"POST http://[" + b"a" * 3000 + b" HTTP/1.1",
        b"GET http://a]/ HTTP/1.1\r\nAccept: application/xml",
        b"POST http://\xe2\x84\x80/ HTTP/1.1",
        b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5000,
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"z" * 3000 + b"\r\n",
        b"POST / HTTP/1.1\r\n" + b"X" * 3000,
        b"\x16\x03\x01" + b"\xff" * 3000,
    ],
)
def test_a_request_that_the_server_can_not_parse_is_an_envelope_without_a_stack(head, caplog):
    with served() as address:
        status, reply_head, body = raw(address, head + b"\r\n\r\n")
    assert status in (400, 413)
    assert (b"<error>" if b"application/xml" in reply_head else b'"error":') in body
    assert b"Traceback" not in body
    assert b".py" not in body
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize(
    "head",
    [
        b"POST http://a:" + b"9" * 20_000 + b" x HTTP/1.1",
        b"POST http://" + b"a" * 20_000 + b"/ \x0bHTTP/1.1",
        b"POST / HTTP/1.1\r\nA:" + b" " * 20_000 + b"x",
        b"POST / HTTP/1.1\r\nA:" + b"\t" * 20_000 + b"\0",
        b"POST / HTTP/1.1\r\nA: b\r\n" + (b" " * 100 + b"\r\n") * 200 + b" \0",
    ],
)
def test_no_request_keeps_the_server_from_answering_others(head):
    with served() as address:
        began = time.monotonic()
        assert talk(address, head + b"\r\n\r\n").startswith(b"HTTP/1.")
        assert time.monotonic() - began < 5  # a millisecond where nothing is quadratic, else half a minute


@pytest.mark.slow
def test_any_bytes_over_a_socket_get_an_envelope_without_a_stack(caplog):
    dice = random.Random(39)
    body = to_xml(GOOD)
    seeds = [
        b"POST /api/v1.1/databases/get_counters HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b"
        % (len(body), body),
        b"POST http://[::1]/api/v1.1/tasks/status HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ]
    with served() as address:
        for _ in range(1500):
            request = bytearray(dice.choice(seeds))
            for _ in range(dice.randint(1, 5)):
                at = dice.randrange(len(request))
                spoilt = dice.choice([b"", dice.randbytes(2), b"[", b"9" * 3000, b"\r\n", b"\0"])
                request[at : at + dice.randint(0, 3)] = spoilt
            answer = talk(address, bytes(request) + b"\r\n\r\n")
            if answer:  # a request that never ends gets no reply
                assert b'"error":' in answer or b"<error>" in answer, request
                assert b"Traceback" not in answer
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


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
        assert process.stdout.readline() == f"export ALTCRAFT_URL=http://{address}\n"
        assert process.stdout.readline() == "export ALTCRAFT_TOKEN=sandbox\n"
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

    def report(server):
        urls.append(server.url)
        raise Enough

    with pytest.raises(Enough):
        serve_until_signal(lambda: serve(port=0), report)
    assert urls[0].startswith("http://127.0.0.1:")


def test_a_server_is_a_context_manager_that_serves_while_its_block_lasts():
    with serve(port=0, pace=0) as server:
        address = server.url.removeprefix("http://")
        assert post(address, json.dumps(GOOD), path="databases/refresh_counters")[0] == 200
        with server.sandbox.rows() as rows:
            assert rows.execute("SELECT count(*) FROM tasks").fetchone() == (1,)
    with pytest.raises(ConnectionRefusedError):
        post(address, "{}")
    assert send(server.sandbox, environ("tasks/status", b'{"token":"sandbox","task_id":"x"}')).status == 503


def test_an_app_of_any_kind_can_be_bound():
    def app(environ, start_response):
        start_response("204 No Content", [])
        return []

    with bind(app) as server:
        assert post(server.url.removeprefix("http://"), "{}")[0] == 204


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
