"""Thousands of slow connections, on real sockets: they give way to a sender that has something to deliver."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from altcraft_plugins.feedback import FeedbackReceiver
from altcraft_plugins.feedback.server import listening
from plugins.feedback.test_server import post
from plugins.feedback.world import waiting

SLOW = """
import selectors, socket, sys
port, count, again = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "again"
begun = [b"", b"POST / HTTP/1.1\\r\\nX: ", b"POST / HTTP/1.1\\r\\nContent-Length: 1000\\r\\n\\r\\n{"]
waits = selectors.DefaultSelector()

def connect(number):
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(begun[number % 3])
    waits.register(connection, selectors.EVENT_READ, number)

for number in range(count):
    connect(number)
print("all are there", flush=True)
while True:
    closed = {key.fd for key, _ in waits.select(0.2)}
    for key in list(waits.get_map().values()):
        try:
            if key.fd in closed and not key.fileobj.recv(1):
                raise ConnectionError
            if key.data % 3:
                key.fileobj.sendall(b"a")
        except OSError:
            waits.unregister(key.fileobj)
            key.fileobj.close()
            if again:
                connect(key.data)
"""


@contextmanager
def slow_senders(url, count, *, again=False):
    """So many connections from another process: silent ones, and ones that drip a head or a body for ever."""
    command = [sys.executable, "-c", SLOW, str(urlsplit(url).port), str(count), "again" if again else "once"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout
        assert running.stdout.readline() == "all are there\n"
        yield
    finally:
        running.kill()
        running.communicate()


def seconds_of_deliveries(url):
    """Of small ones, and of ones that the server has to read in many parts."""
    took = []
    for size in (2, 100_000, 2, 100_000):
        began = time.monotonic()
        assert post(url, b"x" * size) == (200, b"")
        took.append(time.monotonic() - began)
    return took


@pytest.mark.parametrize(("again", "most"), [(False, 3.0), pytest.param(True, 10.0, marks=pytest.mark.slow)])
def test_an_honest_delivery_is_served_at_once_while_thousands_of_slow_ones_hang(again, most):
    """Also while each slow sender that is cut off connects again, which keeps this machine busy as well."""
    with listening(make=lambda url: FeedbackReceiver(url, read_timeout=60.0)) as receiver:
        task, url = waiting(receiver)
        with slow_senders(url, 2000, again=again):
            took = seconds_of_deliveries(url)
    assert max(took) < most, took
    assert task.hints >= 1


FEW_DESCRIPTORS = """
import resource, sys
from altcraft_plugins.feedback import FeedbackReceiver
from altcraft_plugins.feedback.server import listening
resource.setrlimit(resource.RLIMIT_NOFILE, (100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
with listening(make=lambda url: FeedbackReceiver(url, read_timeout=60.0)) as receiver:
    print(receiver.feedback().url, flush=True)
    sys.stdin.read()
"""


def test_slow_ones_give_way_too_where_the_process_has_no_descriptor_left():
    pipe = subprocess.PIPE
    served = subprocess.Popen([sys.executable, "-c", FEW_DESCRIPTORS], stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    try:
        assert served.stdout
        url = served.stdout.readline().strip()
        with slow_senders(url, 300):
            took = seconds_of_deliveries(url)
        _, err = served.communicate(timeout=20)
    finally:
        served.kill()
        served.communicate()
    assert max(took) < 3, took
    assert (served.returncode, err) == (0, "")


@pytest.mark.slow
def test_a_sender_that_does_not_read_its_replies_gives_way():
    """It sends requests without end and reads nothing, so its replies fill what the kernel keeps for it."""
    with listening(make=lambda url: FeedbackReceiver(url, read_timeout=0.5)) as receiver:
        address = urlsplit(receiver.base_url)
        sender = socket.create_connection((address.hostname, address.port), timeout=10)
        with sender, pytest.raises(ConnectionError):
            send_until_cut(sender, b"POST / HTTP/1.1\r\nHost: me\r\n\r\n" * 100)


def send_until_cut(connection, requests):
    began = time.monotonic()
    while time.monotonic() - began < 60:
        connection.send(requests)
