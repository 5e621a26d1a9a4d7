"""Faults on a socket, as a client sees them that reads bytes: resets, drips, closed ports."""

from __future__ import annotations

import json
import socket
import time
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import pytest

from altcraft import Client, ConnectError, ConnectionLost, Polling, RequestTimeout, Retry
from altcraft_plugins.sandbox import FaultPlan, serve
from altcraft_plugins.sandbox.faults import (
    Drip,
    ErrorReply,
    Hang,
    Latency,
    Outage,
    Reset,
    Truncated,
    WrongContentType,
)

BODY = json.dumps({"token": "sandbox", "id": 5, "resource_id": 24}).encode()


@contextmanager
def served(*faults):
    with serve(port=0, pace=0, profiles=50, faults=FaultPlan(faults)) as server:
        yield server


@contextmanager
def connected(server):
    url = urlsplit(server.url)
    with socket.create_connection((url.hostname, url.port), timeout=20) as connection:
        yield connection


def ask(connection, path="databases/refresh_counters"):
    head = f"POST /api/v1.1/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n\r\n"
    connection.sendall(head.encode() + BODY)


def until_closed(connection):
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    return received


def client(server, **settings):
    return Client(server.url, token="sandbox", **{"retry": Retry(attempts=1), **settings})


def processed(server):
    return sum(server.sandbox.submissions().values())


@pytest.mark.parametrize(
    "fault", [Reset(), Reset(processed=True), Hang(seconds=0.2), Hang(seconds=0.2, processed=True)]
)
def test_a_connection_is_reset_without_a_byte(fault):
    with served(fault) as server, connected(server) as connection:
        ask(connection)
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
        assert processed(server) == int(fault.processed)


def test_a_reset_is_a_lost_connection_to_the_client():
    with served(Reset()) as server, client(server) as altcraft, pytest.raises(ConnectionLost):
        altcraft.databases.refresh_counters(5, resource_id=24)


@pytest.mark.slow
def test_a_hang_ends_when_the_client_gives_up_and_keeps_no_thread():
    with served(Hang(operations=("databases/*",))) as server:
        for _ in range(20):  # more than the server has threads
            with client(server, request_timeout=0.2) as altcraft, pytest.raises(RequestTimeout):
                altcraft.databases.refresh_counters(5, resource_id=24)
        with client(server) as altcraft:
            assert altcraft.segments.get_counters(7, resource_id=24, db_id=1)
        assert processed(server) == 0


def test_closing_the_server_ends_hangs():
    with served(Hang()) as server:
        connection = socket.create_connection((urlsplit(server.url).hostname, urlsplit(server.url).port), timeout=20)
        ask(connection)
        time.sleep(0.2)
        began = time.monotonic()
    assert time.monotonic() - began < 4
    connection.close()


def test_a_truncated_reply_ends_in_the_middle_of_its_body():
    with served(Truncated()) as server, connected(server) as connection:
        ask(connection)
        head, _, body = until_closed(connection).partition(b"\r\n\r\n")
        (length,) = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length")]
        assert len(body) == length // 2
        assert processed(server) == 1


def test_a_dripping_reply_comes_piece_by_piece():
    with served(Drip(1.0)) as server, connected(server) as connection:
        ask(connection, "databases/get_counters")
        received, arrivals = b"", []
        while not received.endswith(b'"Successful operation"}'):
            received += connection.recv(65536)
            arrivals.append(time.monotonic())
        assert len(arrivals) > 5
        assert arrivals[-1] - arrivals[0] > 0.7
        assert json.loads(received.partition(b"\r\n\r\n")[2])["error"] == 0


def test_a_latency_delays_one_reply_and_not_another():
    with served(Latency(1.0, operations=("databases/*",))) as server, connected(server) as slow:
        ask(slow)
        began = time.monotonic()
        with client(server) as altcraft:
            altcraft.segments.get_counters(7, resource_id=24, db_id=1)
        assert time.monotonic() - began < 0.9
        assert slow.recv(12) == b"HTTP/1.1 200"
        assert time.monotonic() - began >= 0.9


def test_headers_are_sent_as_the_plan_has_them():
    with served(ErrorReply(503, body="html", retry_after="soon"), WrongContentType("")) as server:
        with connected(server) as connection:
            ask(connection)
            head = connection.recv(65536)
        assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert b"Retry-After: soon\r\n" in head
        assert b"Content-Type: text/html" in head


@pytest.mark.slow
def test_during_an_outage_the_port_is_closed_and_open_connections_are_reset():
    with served(Outage(since=1.0, until=5.0)) as server:
        began = time.monotonic()
        with connected(server) as kept:
            ask(kept, "databases/get_counters")
            kept.recv(65536)
            with pytest.raises(ConnectionResetError):
                until_closed(kept)
        assert time.monotonic() - began >= 0.4
        with client(server) as altcraft, pytest.raises(ConnectError):
            altcraft.databases.refresh_counters(5, resource_id=24)
        time.sleep(max(0.0, began + 8.0 - time.monotonic()))
        with client(server) as altcraft:
            altcraft.databases.refresh_counters(5, resource_id=24)
        assert processed(server) == 1


def test_a_server_can_be_closed_during_an_outage():
    with served(Outage(until=3600)) as server, client(server) as altcraft, pytest.raises(ConnectError):
        altcraft.databases.refresh_counters(5, resource_id=24)


@pytest.mark.slow
def test_a_client_waits_through_an_outage():
    patient = Retry(attempts=50, base=0.05, maximum=0.1)
    tasks = []
    with (
        serve(port=0, pace=1.5, faults=FaultPlan([Outage(since=1.0, until=2.0)])) as server,
        client(server, retry=patient, polling=Polling(initial=0.1, maximum=0.2)) as altcraft,
    ):
        for _ in range(10):
            with suppress(ConnectionLost):  # the outage began in the middle of the exchange
                tasks.append(altcraft.databases.refresh_counters(5, resource_id=24))
        done, not_done = altcraft.tasks.wait(tasks, timeout=30)
        assert (len(done), len(not_done)) == (len(tasks), 0)
        assert len(tasks) <= processed(server) <= 10


def test_without_a_plan_a_client_that_closes_its_half_gets_its_reply():
    with serve(port=0, pace=0) as server, connected(server) as connection:
        ask(connection)
        connection.shutdown(socket.SHUT_WR)
        assert until_closed(connection).startswith(b"HTTP/1.1 200")
