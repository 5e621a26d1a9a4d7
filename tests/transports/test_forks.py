"""A forked child never uses a connection of its parent, and never waits for a lock that a thread of the parent held."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from altcraft import ConnectError, HttpRequest, UsedAfterFork
from altcraft.testing.transport.loopback import Loopback, Talk, reply
from altcraft.wire.transport import TransportRegistry
from altcraft_transports.threads import ThreadsTransport
from altcraft_transports.urllib3 import Urllib3Transport
from transports.bundled import ASYNC, SYNC, at_length

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


@pytest.fixture
def server() -> Iterator[Loopback]:
    def script(talk: Talk) -> None:
        while received := talk.receive():
            talk.pause(0.02 if received.body == b"slow" else 0)
            talk.send(reply(b"%d %b" % (talk.number, received.body)))

    with Loopback(script) as server:
        yield server


every_sync_transport_at_length = pytest.mark.parametrize("name", at_length(SYNC, {"urllib3"}))


def in_a_child(work: Callable[[], object]) -> Any:
    """Returns what work returns in a forked process, as JSON carries it. A child that hangs is killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        try:
            answer = work()
        except BaseException as error:
            answer = f"{type(error).__name__}: {error}"
        os.write(writing, json.dumps(answer).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    _, code = os.waitpid(child, 0)
    assert code == 0, f"the child ended with {code}"
    return json.loads(said)


def exchanges(transport: Any, url: str, number: int, label: str) -> list[str]:
    """The bodies of so many replies; each begins with the number of the connection."""
    bodies = [f"{label}-{each}".encode() for each in range(number)]
    return [transport.send(HttpRequest("POST", url, {}, body), timeout=5).body.decode() for body in bodies]


@pytest.mark.parametrize("name", SYNC)
def test_parent_and_child_have_connections_of_their_own(name: str, server: Loopback) -> None:
    transport = TransportRegistry().create(name, server.url)
    assert exchanges(transport, server.url + "/", 1, "before") == ["1 before-0"]
    start = time.monotonic() + 0.1

    def work() -> list[str]:
        time.sleep(max(0.0, start - time.monotonic()))
        return exchanges(transport, server.url + "/", 20, "child")

    child: list[list[str]] = []
    waiting = threading.Thread(target=lambda: child.append(in_a_child(work)))
    waiting.start()
    time.sleep(max(0.0, start - time.monotonic()))
    parent = exchanges(transport, server.url + "/", 20, "parent")
    waiting.join()
    transport.close()
    assert parent == [f"1 parent-{number}" for number in range(20)]
    assert child == [[f"2 child-{number}" for number in range(20)]]


@pytest.mark.parametrize("name", SYNC)
def test_a_child_that_closes_or_ends_leaves_the_parents_connection_whole(name: str, server: Loopback) -> None:
    transport = TransportRegistry().create(name, server.url)
    exchanges(transport, server.url + "/", 1, "before")
    assert in_a_child(transport.close) is None
    assert in_a_child(lambda: None) is None
    assert exchanges(transport, server.url + "/", 1, "after") == ["1 after-0"]
    transport.close()


@pytest.mark.parametrize("name", SYNC)
def test_a_transport_that_was_closed_is_closed_in_the_child(name: str, server: Loopback) -> None:
    transport = TransportRegistry().create(name, server.url)
    transport.close()
    said = in_a_child(lambda: exchanges(transport, server.url + "/", 1, "child"))
    assert said == "ConnectError: the transport is closed"


@every_sync_transport_at_length
def test_a_fork_amid_exchanges_of_other_threads_deadlocks_no_child(name: str, server: Loopback) -> None:
    transport = TransportRegistry().create(name, server.url)
    is_over = threading.Event()

    def busy(label: str) -> None:
        while not is_over.is_set():
            exchanges(transport, server.url + "/", 1, label)

    def restless() -> None:
        while not is_over.is_set():
            transport.wake()
            transport.sleep(0)

    threads = [threading.Thread(target=busy, args=(f"busy{number}",)) for number in range(3)]
    threads += [threading.Thread(target=restless) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(12):

            def work() -> list[str]:
                transport.sleep(0)
                return [body.partition(" ")[2] for body in exchanges(transport, server.url + "/", 2, "child")]

            assert in_a_child(work) == ["child-0", "child-1"]
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    transport.close()


@pytest.mark.parametrize("name", SYNC)
def test_a_worker_of_multiprocessing_goes_on_with_the_modules_transport(name: str, server: Loopback) -> None:
    transport = TransportRegistry().create(name, server.url)
    exchanges(transport, server.url + "/", 1, "before")
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()

    def work(label: str) -> None:
        answers.put(exchanges(transport, server.url + "/", 3, label))

    workers = [context.Process(target=work, args=(f"worker{number}",)) for number in range(3)]
    for worker in workers:
        worker.start()
    said = sorted(answers.get() for _ in workers)
    for worker in workers:
        worker.join(10)
        assert worker.exitcode == 0
    labels = [[body.partition(" ")[2] for body in bodies] for bodies in said]
    assert sorted(labels) == [[f"worker{number}-{each}" for each in range(3)] for number in range(3)]
    connections = {body.partition(" ")[0] for bodies in said for body in bodies}
    assert len(connections) == 3
    assert "1" not in connections
    transport.close()


FIRST_USE = """
import faulthandler, os, sys, threading, time, warnings
if sys.argv[3] == "logging":
    import logging
from altcraft import AltcraftError, Client
warnings.simplefilter("ignore")
client = Client(sys.argv[1], token="sesame-sesame", codec=sys.argv[2])

def use():
    try:
        client.tasks.status("t-1")
    except AltcraftError:  # that there is an answer is all that counts
        pass

first = threading.Thread(target=use)
first.start()
is_over, children = False, []
while not is_over:
    is_over = not first.is_alive()
    children.append(os.fork())
    if children[-1] == 0:
        faulthandler.dump_traceback_later(40, exit=True)
        use()
        os._exit(0)
    time.sleep(0.002)
if any([os.waitpid(child, 0)[1] for child in children]):
    sys.exit("a child hung")
"""


@pytest.mark.slow
@pytest.mark.parametrize("imported", ["logging", "no logging"])
@pytest.mark.parametrize("codec", ["json", "xml"])
def test_a_child_that_is_forked_during_another_threads_first_exchange_does_not_hang(
    codec: str, imported: str, server: Loopback
) -> None:
    """That exchange imports what the client needs. A module that is being imported has a lock."""
    done = subprocess.run(
        [sys.executable, "-c", FIRST_USE, server.url, codec, imported], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("name", ASYNC)
def test_an_async_transport_says_in_the_child_that_it_is_the_parents(name: str, server: Loopback) -> None:
    request = HttpRequest("POST", server.url + "/", {}, b"x")

    async def main() -> Any:
        transport = TransportRegistry().create_async(name, server.url)
        await transport.send(request, timeout=5)

        def work() -> None:
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            asyncio._set_running_loop(None)
            loop.run_until_complete(transport.send(request, timeout=5))

        said = in_a_child(work)
        assert (await transport.send(request, timeout=5)).status == 200
        await transport.close()
        return said

    assert asyncio.run(main()).startswith("UsedAfterFork: ")


def test_an_async_transport_made_before_the_event_loop_says_so_too(server: Loopback) -> None:
    for transport in (
        ThreadsTransport(Urllib3Transport()),
        *(TransportRegistry().create_async(name, server.url) for name in ASYNC),
    ):

        async def once(transport: Any = transport) -> None:
            try:
                with pytest.raises(UsedAfterFork, match="belongs to the process"):
                    await transport.send(HttpRequest("POST", server.url + "/", {}, b"x"), timeout=5)
            finally:
                await transport.close()

        assert in_a_child(lambda once=once: asyncio.run(once())) is None
        asyncio.run(transport.close())


@contextmanager
def waiting_child() -> Iterator[None]:
    """A child that does nothing until the end of the block."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    try:
        yield
    finally:
        os.close(writing)
        os.waitpid(child, 0)
        os.close(reading)


def assert_ended(server: Loopback) -> None:
    """The server learns that its connections have ended; it would not if a child held one of them open."""
    patience = time.monotonic() + 5
    while server.still_open():
        assert time.monotonic() < patience, "the child holds the parent's connection"
        time.sleep(0.01)


@pytest.mark.parametrize("name", SYNC)
def test_a_child_holds_no_idle_connection_of_its_parent_open(name: str, server: Loopback) -> None:
    transport = TransportRegistry().create(name, server.url)
    exchanges(transport, server.url + "/", 1, "before")
    with waiting_child():
        transport.close()
        assert_ended(server)


@every_sync_transport_at_length
def test_a_child_holds_no_connection_open_that_is_being_made(name: str) -> None:
    greeted = threading.Event()

    def script(talk: Talk) -> None:
        talk.take(1)  # of the client's side of a handshake
        greeted.set()
        while talk.take(1):
            pass

    with Loopback(script) as server:
        transport = TransportRegistry().create(name, server.url)
        request = HttpRequest("POST", server.url.replace("http:", "https:") + "/", {}, b"x")
        caught: list[BaseException] = []

        def handshake() -> None:
            try:
                transport.send(request, timeout=1)
            except ConnectError as error:
                caught.append(error)

        thread = threading.Thread(target=handshake)
        thread.start()
        assert greeted.wait(5)
        time.sleep(0.05)
        with waiting_child():
            thread.join(10)
            assert_ended(server)
        transport.close()
    assert len(caught) == 1
