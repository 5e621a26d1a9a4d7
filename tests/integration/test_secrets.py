"""The token over the real transports: no failure shows it, in a log, an error, a frame of the library or a repr.

The server repeats to the client what it was sent, as a careless server would.
"""

from __future__ import annotations

import logging
import re
import socket
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import altcraft
from altcraft import AltcraftError, HttpResponse, Retry
from altcraft.testing import reply
from integration.carriers import every_wire_at_length, session
from integration.servers import RawServer

TOKEN = "t0k3n-to-be-kept-secret"
ONCE = Retry(attempts=1, patience=0)
ROOTS = tuple(str(Path(altcraft.__file__).parents[2] / root) for root in ("core", "transports", "plugins"))
JSON = {"Content-Type": "application/json"}
HTML = {"Content-Type": "text/html"}


def refuses(said: str) -> HttpResponse:
    return reply(error=401, error_text=f"wrong token: {said}", status=401)


def refuses_in_xml(said: str) -> HttpResponse:
    return reply(error=400, error_text=f"wrong token: {said}", codec="xml")


def is_a_proxy(said: str) -> HttpResponse:
    return HttpResponse(502, HTML, f"<html>Bad Gateway for {said}</html>".encode())


def redirects(said: str) -> HttpResponse:
    return HttpResponse(302, {"Location": f"https://elsewhere.example/?token={said}"}, b"")


def is_no_json(said: str) -> HttpResponse:
    return HttpResponse(200, JSON, f'{{"data": {said}'.encode())


def is_of_another_shape(said: str) -> HttpResponse:
    return HttpResponse(200, JSON, f'{{"error": "{said}"}}'.encode())


def is_cut_short(said: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{said}".encode()


def is_no_http(said: str) -> bytes:
    return f"{said} HTTP/1.1\r\n\r\n".encode()


def has_a_bad_header(said: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\n{said}\r\nContent-Length: 0\r\n\r\n".encode()


def is_not_gzipped(said: str) -> HttpResponse:
    return HttpResponse(200, {**JSON, "Content-Encoding": "gzip"}, said.encode())


def hangs_up(said: object) -> None:
    return None


def fails_the_task(said: str) -> HttpResponse:
    return reply({"status": "failed", "progress": 7, "result": None, "why": said})


ECHO = re.compile(r"^receive_response_headers\.")
"""What httpcore logs at DEBUG of a reply's headers: the token is in there only as far as the server repeats it."""

MISDEEDS = [
    refuses, refuses_in_xml, is_a_proxy, redirects, is_no_json, is_of_another_shape, is_cut_short, is_no_http,
    has_a_bad_header, is_not_gzipped, hangs_up, fails_the_task,
]  # fmt: skip

every_auth = pytest.mark.parametrize("auth", ["body", "bearer"])


def echo(misdeed: Callable[[str], Any]) -> Callable[[bytes], Any]:
    def respond(request: bytes) -> Any:
        found = re.search(TOKEN.encode(), request)
        assert found, "the token was not even sent"
        return misdeed(found[0].decode())

    return respond


def quietly(misdeed: Callable[[str], Any], request: bytes) -> Any:
    assert TOKEN.encode() in request, "the token was not even sent"
    return misdeed("something")


def failures(run: Any, client: Any) -> Iterator[BaseException]:
    """The errors of all that a client does. Checks the reprs of the client and its parts on the way."""
    task = client.tasks.resume("t-1")
    for work in (
        lambda: client.segments.refresh_counters(7, resource_id=24),
        lambda: client.databases.get_counters(5, resource_id=24),
        lambda: client.tasks.status("t-1"),
        lambda: task.poll(),
        lambda: task.result(timeout=5),
    ):
        try:
            run.do(work())
        except AltcraftError as error:
            yield error
    for shown in (client, task, client.operations, client.hooks, client.codecs, client._runner, client._engine):
        assert TOKEN not in repr(shown) + str(shown)
    assert TOKEN not in task.resume_token


def assert_hidden(error: BaseException, where: str) -> None:
    """Neither an error nor its causes show the token."""
    assert TOKEN not in repr(error) + str(error), where
    assert TOKEN not in "".join(traceback.format_exception(error)), where


def assert_no_frame_shows_it(error: BaseException, where: str) -> None:
    """The local variables of the library's frames, its causes' included, as an error reporter sees them."""
    queue = [traceback.TracebackException.from_exception(error, capture_locals=True)]
    frames = 0
    while queue:
        each = queue.pop()
        queue += [linked for linked in (each.__cause__, each.__context__) if linked is not None]
        for frame in each.stack:
            if frame.filename.startswith(ROOTS):
                frames += 1
                leaks = {name: value for name, value in (frame.locals or {}).items() if TOKEN in value}
                assert not leaks, f"{where}: {frame.filename}:{frame.lineno} in {frame.name}"
    assert frames, where


@every_auth
@every_wire_at_length
def test_no_failure_over_a_socket_shows_the_token(
    kind: str, transport: str, auth: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    settings = {"transport": transport, "auth": auth, "retry": ONCE, "request_timeout": 5.0}
    with RawServer(hangs_up) as server, session(kind) as run, run.client(server.url, TOKEN, **settings) as client:
        for misdeed in MISDEEDS:
            server.respond = echo(misdeed)
            caught = list(failures(run, client))
            assert caught
            for error in caught:
                assert_hidden(error, f"{misdeed.__name__} over {transport}, {type(error).__name__}")
    for record in caplog.records:
        if not ECHO.search(record.getMessage()):
            assert TOKEN not in logging.Formatter().format(record) + repr(record.args), record


@every_auth
@every_wire_at_length
def test_no_frame_of_ours_shows_the_token_that_was_sent(kind: str, transport: str, auth: str) -> None:
    settings = {"transport": transport, "auth": auth, "retry": ONCE, "request_timeout": 5.0}
    with RawServer(hangs_up) as server, session(kind) as run, run.client(server.url, TOKEN, **settings) as client:
        for misdeed in MISDEEDS:
            server.respond = partial(quietly, misdeed)
            for error in failures(run, client):
                assert_no_frame_shows_it(error, f"{misdeed.__name__} over {transport}, {type(error).__name__}")


@every_auth
@every_wire_at_length
def test_a_connection_that_fails_shows_no_token(
    kind: str, transport: str, auth: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        for url, patience in ((f"http://127.0.0.1:{port}", 0.05), ("http://127.0.0.1:1", 5.0)):
            settings = {"transport": transport, "auth": auth, "retry": ONCE, "request_timeout": patience}
            with session(kind) as run, run.client(url, TOKEN, **settings) as client:
                for error in failures(run, client):
                    assert_hidden(error, f"{url} over {transport}, {type(error).__name__}")
                    assert_no_frame_shows_it(error, f"{url} over {transport}, {type(error).__name__}")
    assert TOKEN not in caplog.text
