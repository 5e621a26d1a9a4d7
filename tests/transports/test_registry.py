"""Transports by name: what is bundled, what is missing, what the environment may not decide."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

import altcraft
import altcraft_transports
from altcraft import ConnectError, HttpRequest, HttpResponse
from altcraft.testing.transport.loopback import Loopback, Talk, answering, reply
from altcraft.wire.transport import TransportRegistry

SYNC = ("urllib3", "http_client", "pycurl", "httpx")
ASYNC = ("threads", "aiohttp", "httpx")


@pytest.mark.parametrize("name", SYNC)
def test_a_client_speaks_through_a_bundled_transport_by_name(name: str) -> None:
    body = b'{"data": {"status": "in progress", "progress": 40}, "error": 0, "error_text": ""}'
    with (
        Loopback(answering(reply(body, "Content-Type: application/json"))) as server,
        altcraft.Client(server.url, token="t", transport=name) as client,
    ):
        assert client.tasks.status("x").progress == 40
    assert server.requests[0].target == "/api/v1.1/tasks/status"


@pytest.mark.parametrize("name", [*ASYNC, "urllib3", "pycurl"])
def test_an_async_client_speaks_through_a_bundled_transport_by_name(name: str) -> None:
    body = b'{"data": {"status": "in progress", "progress": 40}, "error": 0, "error_text": ""}'

    async def progress(url: str) -> object:
        async with altcraft.AsyncClient(url, token="t", transport=name) as client:
            return (await client.tasks.status("x")).progress

    with Loopback(answering(reply(body, "Content-Type: application/json"))) as server:
        assert asyncio.run(progress(server.url)) == 40


@pytest.mark.parametrize("name", ["pycurl", "httpx", "aiohttp"])
def test_a_missing_library_is_one_line_that_says_what_to_install(name: str) -> None:
    program = (
        "import sys, altcraft, altcraft.wire.transport\n"
        f"sys.modules['{name}'] = None\n"
        "registry = altcraft.wire.transport.TransportRegistry()\n"
        "create = registry.create_async if sys.argv[1] == 'aiohttp' else registry.create\n"
        "try:\n    create(sys.argv[1], 'https://x.example')\n"
        "except altcraft.MissingExtra as error:\n    print(error)\n"
    )
    said = subprocess.run([sys.executable, "-c", program, name], capture_output=True, text=True, check=True).stdout
    assert said.count("\n") == 1
    assert said.endswith(f": pip install {name}\n")


def test_a_module_of_the_package_is_a_transport_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "heron.py").write_text("def create(url, *, settings=None):\n    return f'a heron to {url}'\n")
    (tmp_path / "_feathers.py").write_text("create = None\n")
    monkeypatch.setattr(altcraft_transports, "__path__", [*altcraft_transports.__path__, str(tmp_path)])
    registry = TransportRegistry()
    assert {"heron", "urllib3", *ASYNC} <= set(registry)
    assert not {name for name in registry if name.startswith("_")}
    assert "heron" in registry
    assert "_feathers" not in registry
    try:
        assert registry.create("heron", "https://x.example") == "a heron to https://x.example"
    finally:
        sys.modules.pop("altcraft_transports.heron", None)
        vars(altcraft_transports).pop("heron", None)


def test_asking_for_a_name_imports_no_library() -> None:
    program = (
        "import sys, altcraft.wire.transport\n"
        "registry = altcraft.wire.transport.TransportRegistry()\n"
        "assert 'pycurl' in registry and 'carrier' not in registry and len(list(registry)) > 7\n"
        "assert not {'pycurl', 'urllib3', 'httpx', 'aiohttp', 'socket'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_transport_of_one_kind_says_so_when_the_other_is_asked_for() -> None:
    with pytest.raises(LookupError, match="AsyncClient"):
        TransportRegistry().create("aiohttp", "https://x.example")
    with pytest.raises(LookupError, match=r"known: .*pycurl"):
        TransportRegistry().create("carrier-pigeon", "https://x.example")


@pytest.mark.parametrize("name", SYNC)
def test_a_header_that_would_break_out_of_its_line_is_not_sent(name: str) -> None:
    transport = TransportRegistry().create(name, "http://x")
    try:
        with Loopback(answering(reply())) as server:
            request = HttpRequest("POST", server.url + "/", {"Authorization": "s3cret\r\nX-Evil: 1"}, b"")
            with pytest.raises(ValueError, match="can't be sent") as caught:
                transport.send(request, timeout=5)
        assert "s3cret" not in str(caught.value)
        assert not server.requests
    finally:
        transport.close()


def test_a_url_that_is_not_http_is_a_connect_error() -> None:
    transport = TransportRegistry().create("http_client", "http://x")
    with pytest.raises(ConnectError):
        transport.send(HttpRequest("POST", "ftp://x/", {}, b""), timeout=1)


def test_a_transport_for_threads_keeps_its_own_clock_in_worker_threads() -> None:
    class Timeless:
        def __init__(self) -> None:
            self.now = 100.0

        def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
            return HttpResponse(200, {}, b"")

        def sleep(self, seconds: float) -> None:
            self.now += seconds

        def monotonic(self) -> float:
            return self.now

        def close(self) -> None:
            pass

    async def main() -> float:
        transport = TransportRegistry().create_async("threads", "http://x", transport=Timeless())
        await transport.sleep(3600)
        await transport.close()
        return transport.monotonic()  # type: ignore[attr-defined,no-any-return]  # an optional part of the protocol

    assert asyncio.run(main()) == 3700.0


def test_threads_serve_trio_too() -> None:
    trio = pytest.importorskip("trio")

    async def main(url: str) -> bytes:
        transport = TransportRegistry().create_async("threads", url)
        with trio.move_on_after(0.05) as scope:
            await transport.sleep(30)
        assert scope.cancelled_caught
        with trio.move_on_after(0.1) as scope:
            await transport.send(HttpRequest("POST", url + "/slow", {}, b""), timeout=5)
        assert scope.cancelled_caught
        answer = await transport.send(HttpRequest("POST", url + "/", {}, b"now"), timeout=5)
        await transport.close()
        await transport.sleep(30)
        with pytest.raises(ConnectError):
            await transport.send(HttpRequest("POST", url + "/", {}, b""), timeout=5)
        return bytes(answer.body)

    def script(talk: Talk) -> None:
        while received := talk.receive():
            talk.pause(5 if received.target == "/slow" else 0)
            talk.send(reply(received.body))

    with Loopback(script) as server:
        assert trio.run(main, server.url) == b"now"
