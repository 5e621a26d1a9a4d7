"""The receiver on a socket: how much waitress allows a sender."""

from __future__ import annotations

import socket
from typing import Final

from altcraft_plugins._waitress import Channel, Server
from altcraft_plugins.feedback.receiver import FeedbackReceiver

__all__ = ["WaitressServer"]

THREADS: Final = 4
"""Deliveries that are answered at once. One takes less than a millisecond, plus the time that plugins take."""

HEADERS: Final = 16 * 1024
"""Bytes of the largest request head."""


class WaitressServer(Server):
    """A receiver on a listening socket. A sender has its `read_timeout` for a whole request."""

    def __init__(self, receiver: FeedbackReceiver, listening: socket.socket) -> None:
        super().__init__(
            receiver.wsgi,
            listening,
            Channel,
            timeout=receiver.read_timeout,
            threads=THREADS,
            ident=None,
            max_request_body_size=receiver.limit + 1,  # a larger Content-Length is refused, with no body read
            max_request_header_size=HEADERS,
        )
