"""Waitress, imported here and nowhere else: a WSGI app on a socket, as the sandbox and the receiver of feedback are."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# Waitress has no annotations; what is used of it has its types given here.

from __future__ import annotations

import logging
import socket
import threading
from typing import TYPE_CHECKING, Any, cast

from waitress.channel import HTTPChannel
from waitress.server import create_server
from waitress.task import ErrorTask

if TYPE_CHECKING:
    from typing import Protocol

    from _typeshed.wsgi import WSGIApplication

    class _Server(Protocol):
        channel_class: type[object]
        asyncore: Any
        task_dispatcher: Any
        trigger: Any


__all__ = ["Channel", "ErrorTask", "Server"]


_ROUND = 1.0
"""Seconds after which the loop comes round at the latest, looks for silent connections, and hears of a signal that came
when it was just about to sleep.
"""

# Waitress warns of every burst; those who want to know configure logging, and see it all the same.
logging.getLogger("waitress").addHandler(logging.NullHandler())


class Channel(HTTPChannel):  # type: ignore[misc]  # waitress has no annotations
    """A connection."""

    request: Any

    def send_continue(self) -> None:
        """Asks for the body (`Expect: 100-continue`), but not for one that is refused by its length."""
        if self.request.error is None:
            super().send_continue()
        self.request.expect_continue = False


class Server:
    """An app on a listening socket, which it takes over. run() serves until some thread calls close().

    `settings` are waitress's own.
    """

    def __init__(
        self,
        app: WSGIApplication,
        listening: socket.socket,
        channel: type[Channel],
        **settings: Any,
    ) -> None:
        self._sockets: dict[int, Any] = {}  # waitress keeps all of this server's in here
        self._server = cast(
            "_Server",
            create_server(
                app,
                map=self._sockets,
                sockets=[listening],
                asyncore_use_poll=True,
                clear_untrusted_proxy_headers=True,
                **settings,
            ),
        )
        self._server.channel_class = channel
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
            self._server.asyncore.loop(timeout=_ROUND, map=self._sockets, use_poll=True)
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
