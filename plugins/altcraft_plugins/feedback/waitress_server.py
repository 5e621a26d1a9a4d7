"""Waitress, imported here and nowhere else: the receiver on a socket."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# Waitress has no annotations; what is used of it has its types given here.

from __future__ import annotations

import logging
import socket
import threading
from typing import TYPE_CHECKING, Any, Final, cast

from waitress.channel import HTTPChannel
from waitress.server import create_server

if TYPE_CHECKING:
    from typing import Protocol

    from altcraft_plugins.feedback.receiver import FeedbackReceiver

    class _Server(Protocol):
        channel_class: type[object]
        asyncore: Any
        task_dispatcher: Any
        trigger: Any


__all__ = ["WaitressServer"]

THREADS: Final = 4
"""Deliveries answered at once: each takes less than a millisecond, plus whatever a plugin does."""

CONNECTIONS: Final = 500
"""Further ones wait in the socket's own queue."""

HEADERS: Final = 16 * 1024
"""Bytes."""


# Waitress warns of every burst; those who want to know configure logging, and see it all the same.
logging.getLogger("waitress").addHandler(logging.NullHandler())


class WaitressServer:
    """A receiver on a listening socket, which it takes over. run() serves until some thread calls close().

    A sender has the receiver's `read_timeout` for a whole request, however often it sends a byte of it.
    """

    def __init__(self, receiver: FeedbackReceiver, listening: socket.socket) -> None:
        self._sockets: dict[int, Any] = {}  # waitress keeps all of this server's in here
        self._server = cast(
            "_Server",
            create_server(
                receiver,
                map=self._sockets,
                sockets=[listening],
                threads=THREADS,
                ident=None,
                max_request_body_size=receiver.limit + 1,  # a larger Content-Length is refused, with no body read
                max_request_header_size=HEADERS,
                connection_limit=CONNECTIONS,
                channel_timeout=max(1, round(receiver.read_timeout)),
                cleanup_interval=1,
                asyncore_use_poll=True,
                clear_untrusted_proxy_headers=True,
            ),
        )
        self._server.channel_class = _Channel
        self._lock = threading.Lock()
        self._closed = False
        self._running = False
        self._ended = threading.Event()

    def run(self) -> None:
        """Serve until close()."""
        with self._lock:
            if self._closed:
                return
            self._running = True
        try:
            # Waitress looks for silent connections whenever the loop comes round.
            self._server.asyncore.loop(timeout=1, map=self._sockets, use_poll=True)
        finally:
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


class _Channel(HTTPChannel):  # type: ignore[misc]  # waitress has no annotations
    last_activity: float
    request: Any

    def send_continue(self) -> None:
        """Asks for the body (`Expect: 100-continue`), but not for one that is refused by its length."""
        if self.request.error is None:
            super().send_continue()
        self.request.expect_continue = False

    def handle_read(self) -> None:
        """More of a request that has begun is no sign of life: its time runs from its first byte."""
        begun = self.last_activity if self.request is not None else None
        super().handle_read()
        if begun is not None and self.request is not None:
            self.last_activity = begun
