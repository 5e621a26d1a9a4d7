"""Error reporters show the local variables of every frame: none of them holds a token, down to the socket."""

from __future__ import annotations

import gc
import io
import socket
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from altcraft import AltcraftError, HttpRequest, TransportSettings
from altcraft.testing.transport.loopback import Loopback, Talk, full_backlog, reply
from altcraft.wire.messages import Headers
from altcraft.wire.secret import MaskedBytes
from transports.bundled import Used, every_transport_at_length, using

BODY, HEADER, PROXY = "b0dy-t0ken", "h3ader-t0ken", "pr0xy-passw0rd"
SECRETS = (BODY, HEADER, PROXY, "cHIweHktcGFzc3cwcmQ")  # the last one as a proxy gets it


def asked(url: str, size: int = 0) -> HttpRequest:
    body = MaskedBytes(f'{{"token":"{BODY}"}}{"x" * size}'.encode())
    return HttpRequest("POST", url, Headers({"Authorization": f"Bearer {HEADER}"}), body)


def shown(error: BaseException) -> Iterator[str]:
    """What tracebacks with local variables show of an error, of its causes and of its contexts."""
    queue = [traceback.TracebackException.from_exception(error, capture_locals=True)]
    while queue:
        each = queue.pop()
        queue += [linked for linked in (each.__cause__, each.__context__) if linked is not None]
        yield from each.format(chain=False)
        for frame in each.stack:
            for name, value in (frame.locals or {}).items():
                yield f"{frame.filename}:{frame.lineno} {frame.name}: {name} = {value}"
    rich = pytest.importorskip("rich.traceback")
    console = pytest.importorskip("rich.console").Console(file=io.StringIO(), width=500)
    console.print(rich.Traceback.from_exception(type(error), error, error.__traceback__, show_locals=True))
    yield from console.file.getvalue().splitlines()


def assert_no_secret(error: BaseException) -> None:
    for line in shown(error):
        assert not any(secret in line for secret in SECRETS), line


@contextmanager
def refusing() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    yield f"http://127.0.0.1:{port}/"


@contextmanager
def scripted(script: Callable[[Talk], object], scheme: str = "http") -> Iterator[str]:
    with Loopback(script) as server:
        yield f"{scheme}://127.0.0.1:{server.port}/"


def echo(talk: Talk, *, start: str, end: str) -> None:
    """Sends back what came, as a careless server does."""
    received = talk.receive()
    assert received is not None
    talk.send(f"{start}{received.headers['authorization']} {received.body.decode()}{end}".encode("latin-1"))


FAILURES: dict[str, Callable[[], Any]] = {
    "a refused connection": refusing,
    "no connection in time": full_backlog,
    "no reply": lambda: scripted(lambda talk: (talk.receive(), talk.pause())),
    "a reset": lambda: scripted(lambda talk: (talk.receive(), talk.reset())),
    "an end": lambda: scripted(lambda talk: talk.receive()),
    "garbage": lambda: scripted(lambda talk: echo(talk, start="", end="\r\n\r\n")),
    "a bad header": lambda: scripted(lambda talk: echo(talk, start="HTTP/1.1 200 OK\r\n", end="\r\n\r\n")),
    "a bad coding": lambda: scripted(
        lambda talk: echo(talk, start="HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: ", end="\r\n\r\n")
    ),
    "a body cut short": lambda: scripted(
        lambda talk: echo(talk, start="HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", end="")
    ),
    "a body that is not gzip": lambda: scripted(
        lambda talk: echo(talk, start="HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Encoding: gzip\r\n\r\n", end="")
    ),
    "a coding that is not read": lambda: scripted(
        lambda talk: echo(talk, start="HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Encoding: br\r\n\r\n", end="")
    ),
    "a body beyond the limit": lambda: scripted(
        lambda talk: echo(talk, start="HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", end="x" * 2000)
    ),
    "no TLS": lambda: scripted(lambda talk: (talk.take(1), talk.send(reply(b"hello"))), "https"),
}


@every_transport_at_length
@pytest.mark.parametrize("failure", FAILURES)
def test_no_frame_of_a_failure_shows_a_secret(name: str, is_async: bool, failure: str) -> None:
    settings = TransportSettings(max_response=1000)
    with FAILURES[failure]() as url, using(name, is_async, settings) as used:
        assert_no_secret(failed(used, asked(url), 0.3))


@every_transport_at_length
def test_no_frame_of_a_failing_proxy_shows_its_password(name: str, is_async: bool) -> None:
    scripts: tuple[Callable[[Talk], object], ...] = (
        lambda talk: (talk.receive(), talk.send(reply(b"no", status="407 No"))),
        lambda talk: talk.receive(),
        lambda talk: (talk.receive(), talk.pause()),
    )
    for script in scripts:
        with Loopback(script) as proxy:
            settings = TransportSettings(proxy=proxy.url.replace("//", f"//user:{PROXY}@"))
            with using(name, is_async, settings) as used:
                assert_no_secret(failed(used, asked("https://altcraft.example/"), 0.3))


@every_transport_at_length
def test_no_frame_of_a_refused_header_shows_it(name: str, is_async: bool) -> None:
    request = HttpRequest("POST", "http://127.0.0.1:9/", Headers({"Authorization": f"Bearer {HEADER}\r\n"}), b"")
    with using(name, is_async) as used, pytest.raises(ValueError, match="can't be sent") as caught:
        used.do(used.transport.send(request, timeout=1))
    assert_no_secret(caught.value)


@every_transport_at_length
def test_an_error_keeps_no_body_alive(name: str, is_async: bool) -> None:
    size = 4 << 20
    start = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (2 * size)

    def script(talk: Talk) -> None:
        talk.receive()
        talk.send(start + b"y" * size)

    with Loopback(script) as server, using(name, is_async) as used:
        errors = [failed(used, asked(server.url + "/", size), 10) for _ in range(3)]
        gc.collect()
        held = [each for each in gc.get_objects() if issubclass(type(each), AltcraftError)]  # no proxy of it
        assert len(held) >= len(errors)
        for error in errors:
            assert sum(len(line) for line in shown(error)) < size / 4
            assert reachable(error) < size / 4


def reachable(error: BaseException) -> int:
    """Bytes of the strings that an error holds on to, by its frames and causes."""
    seen: set[int] = set()
    queue: list[Any] = [error.__traceback__, error.__cause__, error.__context__, error.args, vars(error)]
    total = 0
    while queue:
        each = queue.pop()
        if id(each) in seen or isinstance(each, (type, Used)) or getattr(each, "f_code", None) is failed.__code__:
            continue
        seen.add(id(each))
        if isinstance(each, (bytes, bytearray, str)):
            total += len(each)
        elif hasattr(each, "tb_frame"):
            queue += [each.tb_next, *each.tb_frame.f_locals.values()]
        elif isinstance(each, dict):
            queue += each.values()
        elif isinstance(each, (list, tuple)):
            queue += each
        elif isinstance(each, BaseException):
            queue += [each.__traceback__, each.__cause__, each.__context__, each.args]
    return total


def failed(used: Used, request: HttpRequest, timeout: float) -> AltcraftError:
    """The error of an exchange, with the frames below this one."""
    try:
        used.do(used.transport.send(request, timeout=timeout))
    except AltcraftError as error:
        frames = error.__traceback__
        error.__traceback__ = frames.tb_next if frames is not None else None  # this frame holds the request
        return error
    raise AssertionError("the exchange succeeded")
