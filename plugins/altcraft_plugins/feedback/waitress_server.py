"""The receiver on a socket: what waitress is to allow a sender."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

from altcraft_plugins._waitress import Channel, Server

if TYPE_CHECKING:
    from altcraft_plugins.feedback.receiver import FeedbackReceiver

__all__ = ["WaitressServer"]

THREADS: Final = 4
"""Deliveries answered at once: each takes less than a millisecond, plus whatever a plugin does."""

CONNECTIONS: Final = 500
"""Further ones wait in the socket's own queue."""

HEADERS: Final = 16 * 1024
"""Bytes."""


class WaitressServer(Server):
    """A receiver on a listening socket. A sender has its `read_timeout` for a whole request, however it drips."""

    def __init__(self, receiver: FeedbackReceiver, listening: socket.socket) -> None:
        super().__init__(
            receiver,
            listening,
            _Channel,
            threads=THREADS,
            ident=None,
            max_request_body_size=receiver.limit + 1,  # a larger Content-Length is refused, with no body read
            max_request_header_size=HEADERS,
            connection_limit=CONNECTIONS,
            channel_timeout=max(1, round(receiver.read_timeout)),
            cleanup_interval=1,
        )


class _Channel(Channel):
    last_activity: float

    def handle_read(self) -> None:
        """More of a request that has begun is no sign of life: its time runs from its first byte."""
        begun = self.last_activity if self.request is not None else None
        super().handle_read()
        if begun is not None and self.request is not None:
            self.last_activity = begun
