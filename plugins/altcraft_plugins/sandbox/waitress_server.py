"""Waitress, imported here and nowhere else: the app on a socket, even the refusals in envelopes."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# Waitress has no annotations; what is used of it has its types given here.

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from waitress.channel import HTTPChannel
from waitress.server import create_server
from waitress.task import ErrorTask

from altcraft.codecs import default_registry
from altcraft_plugins.sandbox.http import LARGEST_BODY, reply_codec, status_line
from altcraft_plugins.sandbox.replies import Failure

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["WaitressServer"]

THREADS: Final = 16
"""Requests answered at once. Most wait for the one database, so more would gain nothing."""

SILENCE: Final = 30
"""Seconds after which a connection that says nothing is dropped."""


# Waitress warns of every burst; those who want to know configure logging, and see it all the same.
logging.getLogger("waitress").addHandler(logging.NullHandler())


class WaitressServer:
    """An app on a listening socket, which it takes over. run() serves until some thread calls close()."""

    def __init__(self, app: WSGIApplication, host: str, listening: socket.socket) -> None:
        port = listening.getsockname()[1]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        self._sockets: dict[int, Any] = {}  # waitress keeps all of this server's in here
        self._server = cast(
            "_Server",
            create_server(
                app,
                map=self._sockets,
                sockets=[listening],
                threads=THREADS,
                ident="altcraft-sandbox",
                # A larger Content-Length is refused when the headers are in, with no body read.
                max_request_body_size=LARGEST_BODY + 1,
                channel_timeout=SILENCE,
                clear_untrusted_proxy_headers=True,
            ),
        )
        self._server.channel_class = _Channel
        self._lock = threading.Lock()
        self._closed = False
        self._running = False
        self._ended = threading.Event()

    def run(self) -> None:
        """Serve until close(), or until a signal's handler raises."""
        with self._lock:
            if self._closed:
                return
            self._running = True
        try:
            self._server.asyncore.loop(timeout=SILENCE, map=self._sockets)
        finally:
            with self._lock:
                self._running = False
            self._ended.set()

    def close(self) -> None:
        """Stop listening, end the connections and the threads. Idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            running = self._running
        self._server.task_dispatcher.shutdown()
        if running:
            # Sockets must not go away under the loop that selects among them: it closes them itself, and ends.
            self._server.trigger.pull_trigger(self._close_all)
            self._ended.wait(5)
        self._close_all()

    def _close_all(self) -> None:
        self._server.asyncore.close_all(self._sockets)


class _Refused:
    """An error of waitress's, as ErrorTask wants it, in an envelope."""

    def __init__(self, code: int, headers: dict[str, str]) -> None:
        # Waitress has the headers' names in capitals, as WSGI would have them without HTTP_.
        environ = {"HTTP_ACCEPT": headers.get("ACCEPT", ""), "CONTENT_TYPE": headers.get("CONTENT_TYPE", "")}
        self._codec = reply_codec(environ, default_registry())
        self._code = code

    def to_response(self, _ident: str | None) -> tuple[str, list[tuple[str, str]], bytes]:
        status = status_line(self._code)
        body = self._codec.encode(Failure(self._code, status))
        return status, [("Content-Type", self._codec.content_types[0])], body


class _ErrorTask(ErrorTask):  # type: ignore[misc]  # waitress has no annotations
    """What waitress refuses before it asks the app, such as a body over the limit."""

    def execute(self) -> None:
        request = cast("Any", self.request)
        request.error = _Refused(request.error.code, request.headers)
        super().execute()


class _Channel(HTTPChannel):  # type: ignore[misc]  # waitress has no annotations
    error_task_class = _ErrorTask
    request: Any

    def send_continue(self) -> None:
        """Asks for the body (`Expect: 100-continue`), but not for one that is refused by its length."""
        if self.request.error is None:
            super().send_continue()
        self.request.expect_continue = False


class _Loop(Protocol):
    def loop(self, *, timeout: float, map: dict[int, Any]) -> None: ...  # noqa: A002  # waitress names it

    def close_all(self, sockets: dict[int, Any], /) -> None: ...


class _Dispatcher(Protocol):
    def shutdown(self) -> bool: ...


class _Trigger(Protocol):
    def pull_trigger(self, thunk: Callable[[], None]) -> None: ...


class _Server(Protocol):
    channel_class: type[object]
    asyncore: _Loop
    task_dispatcher: _Dispatcher
    trigger: _Trigger
