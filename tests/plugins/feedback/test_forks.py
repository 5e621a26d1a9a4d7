"""A process that forks while its receiver takes deliveries, as gunicorn --preload and multiprocessing do."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are for POSIX")

BUSY = """
import os, signal, threading
from altcraft_plugins.feedback import FeedbackReceiver

receiver = FeedbackReceiver("https://me.example", capacity=100)
over = threading.Event()

def deliver():
    while not over.is_set():
        receiver.deliver(receiver.feedback().url, {}, b"{}")

threads = [threading.Thread(target=deliver, daemon=True) for _ in range(4)]
for thread in threads:
    thread.start()
for _ in range(300):
    child = os.fork()
    if not child:
        signal.alarm(10)  # a deadlock kills the child
        url = receiver.feedback().url
        os._exit(0 if receiver.deliver(url, {}, b"{}").status == 200 else 1)
    assert os.waitpid(child, 0)[1] == 0, "the child hangs"
over.set()
for thread in threads:
    thread.join()
"""

SERVING = r"""
import os, socket, sys, threading
from urllib.parse import urlsplit
from altcraft_plugins.feedback.server import listening

with listening() as receiver:
    address = urlsplit(receiver.base_url)
    kept = socket.create_connection((address.hostname, address.port), timeout=10)
    kept.sendall(b"GET / HTTP/1.1\r\nHost: me\r\n\r\n")
    reply = b""
    while not reply.endswith(b"\r\n\r\n"):
        reply += kept.recv(1000)
    child = os.fork()
    if not child:
        os.close(1)
        sys.stdin.read()  # it lives on after the parent's server
        os._exit(0)
assert kept.recv(1000) == b"", "the child keeps the connection open"
try:
    socket.create_connection((address.hostname, address.port), timeout=10)
except ConnectionRefusedError:
    print("closed", flush=True)
"""


@contextmanager
def running(script):
    # From Python 3.12 on, a fork beside threads is warned of: the programs here do it on purpose.
    command, pipe = [sys.executable, "-W", "ignore", "-c", script], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.slow
def test_a_fork_in_the_midst_of_deliveries_leaves_the_child_a_receiver_that_works():
    with running(BUSY) as process:
        assert process.wait(120) == 0


def test_the_child_of_a_fork_holds_no_socket_of_the_server():
    with running(SERVING) as process:
        assert process.stdout.readline() == "closed\n"
