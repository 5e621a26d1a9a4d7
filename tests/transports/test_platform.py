"""An interpreter without ssl, a machine without threads to spare, and what a client costs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from altcraft import ConnectError, HttpRequest
from altcraft.testing.transport.loopback import Loopback, answering, reply
from altcraft_transports.threads import ThreadsTransport
from altcraft_transports.urllib3 import Urllib3Transport
from transports.bundled import SYNC, every_transport_at_length

WITHOUT_SSL = """
import asyncio, sys
sys.modules["ssl"] = sys.modules["_ssl"] = None
import altcraft
from altcraft.wire.transport import TransportRegistry
name, is_async, url = sys.argv[1], sys.argv[2] == "True", sys.argv[3]
registry = TransportRegistry()

async def main():
    transport = None
    try:
        transport = (registry.create_async if is_async else registry.create)(name, url)
        response = transport.send(altcraft.HttpRequest("POST", url, {}, b"x"), timeout=5)
        response = await response if is_async else response
        print(response.body.decode())
    except altcraft.AltcraftError as error:
        print(type(error).__name__, error)
    closing = None if transport is None else transport.close()
    if closing is not None:
        await closing

asyncio.run(main())
"""


def without_ssl(name: str, is_async: bool, url: str) -> str:
    command = [sys.executable, "-W", "ignore", "-c", WITHOUT_SSL, name, str(is_async), url]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert not done.stderr, done.stderr
    return done.stdout.strip()


@every_transport_at_length
def test_https_without_the_ssl_module_is_an_error_that_says_what_to_do(name: str, is_async: bool) -> None:
    if name == "pycurl":
        pytest.skip("libcurl brings a TLS of its own")
    said = without_ssl(name, is_async, "https://127.0.0.1:9/")
    assert said.startswith(
        ("ConnectError no connection: this Python has no ssl module", "MissingExtra the transport")
    ), said
    assert "ssl module" in said


@pytest.mark.parametrize(
    ("name", "is_async"), [("urllib3", False), ("http_client", False), ("threads", True), ("aiohttp", True)]
)
def test_http_needs_no_ssl_module(name: str, is_async: bool) -> None:
    with Loopback(answering(reply(b"hello"))) as server:
        assert without_ssl(name, is_async, server.url + "/") == "hello"


def test_a_thread_that_can_not_be_started_is_a_connect_error_and_nothing_is_sent_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = threading.Thread.start

    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def main(url: str) -> None:
        transport = ThreadsTransport(Urllib3Transport())
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", fail)
            with pytest.raises(ConnectError, match=r"no worker thread can be started, .*: close clients"):
                await transport.send(HttpRequest("POST", url, {}, b"never"), timeout=5)
        assert threading.Thread.start is start
        assert (await transport.send(HttpRequest("POST", url, {}, b"once"), timeout=5)).body == b"hello"
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", fail)
            # A worker runs by now, so that the exchange has to wait for it only; and closing needs no thread.
            assert (await transport.send(HttpRequest("POST", url, {}, b"twice"), timeout=5)).body == b"hello"
            both = asyncio.gather(*(transport.send(HttpRequest("POST", url, {}, b"more"), timeout=5) for _ in range(2)))
            assert [response.body for response in await both] == [b"hello"] * 2
            await transport.close()

    with Loopback(answering(reply(b"hello"))) as server:
        asyncio.run(main(server.url + "/"))
    assert [received.body for received in server.requests] == [b"once", b"twice", b"more", b"more"]


CPU = """
import sys, time
import altcraft
name, url = sys.argv[1], sys.argv[2]

def once():
    with altcraft.Client(url, token="t", transport=name) as client:
        client.tasks.status("x")

once()
began = time.process_time()
for _ in range(20):
    once()
print((time.process_time() - began) / 20)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", SYNC)
def test_a_client_for_http_costs_little_cpu(name: str) -> None:
    """Reading the system's certificates takes 20 to 60 ms: clients for http read none."""
    body = b'{"data": {"status": "in progress", "progress": 40}, "error": 0, "error_text": ""}'
    with Loopback(answering(reply(body, "Content-Type: application/json"))) as server:
        command = [sys.executable, "-c", CPU, name, server.url]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert float(done.stdout) < 0.015, f"{float(done.stdout) * 1000:.1f} ms"


def test_clients_without_a_context_of_their_own_share_one() -> None:
    program = (
        "import ssl\n"
        "made = []\n"
        "real = ssl.SSLContext.load_default_certs\n"
        "ssl.SSLContext.load_default_certs = lambda self, *a: (made.append(self), real(self, *a))[1]\n"
        "from altcraft import ConnectError, HttpRequest\n"
        "from altcraft.wire.transport import TransportRegistry\n"
        "import sys\n"
        "for _ in range(5):\n"
        "    transport = TransportRegistry().create(sys.argv[1], 'https://x')\n"
        "    try:\n        transport.send(HttpRequest('POST', sys.argv[2], {}, b''), timeout=5)\n"
        "    except ConnectError:\n        pass\n"
        "    transport.close()\n"
        "print(len(made))\n"
    )
    with Loopback(lambda talk: talk.take(1)) as server:
        url = server.url.replace("http:", "https:") + "/"
        for name in ("urllib3", "http_client", "httpx"):
            done = subprocess.run(
                [sys.executable, "-c", program, name, url], capture_output=True, text=True, check=True
            )
            assert done.stdout == "1\n", name
