"""The transports without a socket: a WSGI and an ASGI application, called in this process."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from msgspec.structs import replace

from altcraft import ConnectError, ConnectionLost, HttpRequest, RequestTimeout, ResponseTooLarge, TransportSettings
from altcraft.testing import FakeClock
from altcraft.wire.transport import Clock
from altcraft_transports.asgi import AsgiTransport
from altcraft_transports.asgi import create_async as create_asgi
from altcraft_transports.wsgi import WsgiTransport
from altcraft_transports.wsgi import create as create_wsgi

REQUEST = HttpRequest("POST", "sandbox:/api/v1.1/tasks/status?a=%20b", {"Content-Type": "text/x", "X-Name": "ü"}, b"in")
Start = Callable[..., Callable[[bytes], object]]


def wsgi_echo(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    start_response("201 Created", [("Content-Type", "text/x"), ("Set-Cookie", "a"), ("Set-Cookie", "b")])
    seen = [environ[key] for key in ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "CONTENT_TYPE", "HTTP_X_NAME")]
    return ["|".join(seen).encode(), b"|", environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))]


async def asgi_echo(scope: Any, receive: Any, send: Any) -> None:
    message = await receive()
    headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
    seen = [scope["method"], scope["path"], scope["query_string"].decode(), headers["content-type"], headers["x-name"]]
    repeated = [(b"Set-Cookie", b"a"), (b"Set-Cookie", b"b")]
    await send({"type": "http.response.start", "status": 201, "headers": [(b"Content-Type", b"text/x"), *repeated]})
    await send({"type": "http.response.body", "body": "|".join(seen).encode() + b"|", "more_body": True})
    await send({"type": "http.response.body", "body": message["body"]})


SAID = "POST|/api/v1.1/tasks/status|a=%20b|text/x|ü|in".encode()


def test_a_wsgi_application_gets_the_request_and_its_reply_comes_back() -> None:
    reply = WsgiTransport(wsgi_echo).send(REQUEST, timeout=1)
    assert (reply.status, reply.body) == (201, SAID)
    assert reply.headers == {"content-type": "text/x", "set-cookie": "a, b"}


def test_an_asgi_application_gets_the_request_and_its_reply_comes_back() -> None:
    reply = asyncio.run(AsgiTransport(asgi_echo).send(REQUEST, timeout=1))
    assert (reply.status, reply.body) == (201, SAID)
    assert reply.headers == {"content-type": "text/x", "set-cookie": "a, b"}


def test_an_asgi_application_runs_under_trio() -> None:
    trio = pytest.importorskip("trio")

    async def main() -> bytes:
        return (await AsgiTransport(asgi_echo).send(REQUEST, timeout=1)).body

    assert trio.run(main) == SAID


def test_an_application_that_raises_is_a_lost_exchange() -> None:
    def wsgi(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        raise LookupError("s3cret")

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        raise LookupError("s3cret")

    with pytest.raises(ConnectionLost, match="LookupError") as caught:
        WsgiTransport(wsgi).send(REQUEST, timeout=1)
    assert "s3cret" not in str(caught.value)
    with pytest.raises(ConnectionLost, match="LookupError"):
        asyncio.run(AsgiTransport(asgi).send(REQUEST, timeout=1))


def test_an_application_that_gives_no_complete_reply_is_a_lost_exchange() -> None:
    async def silent(scope: Any, receive: Any, send: Any) -> None:
        pass

    async def half(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})

    with pytest.raises(ConnectionLost):
        WsgiTransport(lambda environ, start_response: []).send(REQUEST, timeout=1)
    for app in (silent, half):
        with pytest.raises(ConnectionLost):
            asyncio.run(AsgiTransport(app).send(REQUEST, timeout=1))


def test_a_reply_beyond_the_limit_is_refused_while_it_grows() -> None:
    produced = []

    def wsgi(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [])
        for number in range(1000):
            produced.append(number)
            yield b"x" * 100

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(1000):
            await send({"type": "http.response.body", "body": b"x" * 100, "more_body": True})

    with pytest.raises(ResponseTooLarge):
        WsgiTransport(wsgi, TransportSettings(max_response=950)).send(REQUEST, timeout=1)
    assert len(produced) == 10
    with pytest.raises(ResponseTooLarge):
        asyncio.run(AsgiTransport(asgi, TransportSettings(max_response=950)).send(REQUEST, timeout=1))


def test_an_asgi_application_that_takes_too_long_is_cancelled() -> None:
    ended = []

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        try:
            await asyncio.sleep(30)
        finally:
            ended.append(True)

    began = time.monotonic()
    with pytest.raises(RequestTimeout):
        asyncio.run(AsgiTransport(slow).send(REQUEST, timeout=0.05))
    assert time.monotonic() - began < 5
    assert ended


def test_closing_ends_sleeps_and_calls_of_an_asgi_application() -> None:
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(30)

    async def main() -> list[object]:
        transport = AsgiTransport(slow)
        pending = asyncio.gather(transport.sleep(30), transport.send(REQUEST, timeout=30), return_exceptions=True)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await transport.close()
        await transport.close()
        with pytest.raises(ConnectError):
            await transport.send(REQUEST, timeout=1)
        return await asyncio.wait_for(pending, 5)

    slept, failed = asyncio.run(main())
    assert slept is None
    assert isinstance(failed, ConnectionLost)


def test_a_wsgi_application_knows_its_limit_and_may_raise_this_librarys_errors() -> None:
    def wsgi(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        raise RequestTimeout(f"nothing within {environ['altcraft.timeout']:g} s")

    with pytest.raises(RequestTimeout, match=r"nothing within 2\.5 s"):
        WsgiTransport(wsgi).send(REQUEST, timeout=2.5)


def test_a_wsgi_reply_that_is_shorter_than_its_length_is_a_lost_connection() -> None:
    def wsgi(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "10")])
        return [b"short"]

    with pytest.raises(ConnectionLost, match="after 5 of 10 bytes"):
        WsgiTransport(wsgi).send(REQUEST, timeout=1)
    assert WsgiTransport(wsgi).send(replace(REQUEST, method="HEAD"), timeout=1).body == b"short"


def test_a_client_over_wsgi_can_live_in_the_time_of_a_clock() -> None:
    clock = FakeClock()
    transport = WsgiTransport(wsgi_echo, clock=clock)
    assert isinstance(transport, Clock)
    assert not isinstance(WsgiTransport(wsgi_echo), Clock)
    transport.sleep(3600)
    assert (transport.monotonic(), clock.slept) == (3600, [3600])


def test_closing_ends_sleeps_and_closes_a_wsgi_application_once() -> None:
    class App:
        closed = 0

        def __call__(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
            return wsgi_echo(environ, start_response)

        def close(self) -> None:
            self.closed += 1

    app = App()
    transport = WsgiTransport(app)
    sleeper = threading.Thread(target=transport.sleep, args=(30,))
    sleeper.start()
    transport.close()
    transport.close()
    sleeper.join(5)
    assert not sleeper.is_alive()
    assert app.closed == 1
    with pytest.raises(ConnectError):
        transport.send(REQUEST, timeout=1)


def test_without_an_application_there_is_no_transport() -> None:
    with pytest.raises(TypeError, match="WsgiTransport"):
        create_wsgi("http://x")
    with pytest.raises(TypeError, match="AsgiTransport"):
        create_asgi("http://x")
