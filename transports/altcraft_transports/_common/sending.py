"""Sending a request while listening: a server may refuse it half-way, and read no further."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable

from altcraft.errors import ConnectError
from altcraft_transports._common.errors import ENDED, Progress
from altcraft_transports._common.ready import is_quiet, ready

__all__ = ["END_OF_HEAD", "begins_final", "bounded", "send"]

END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_INTERIM = (b"HTTP/1.1 1", b"HTTP/1.0 1")
_RECEIVE = 1 << 16
_SEND = 1 << 14  # what fits into one record of TLS


def send(
    sock: socket.socket, message: bytes, deadline: float, progress: Progress, hear: Callable[[bytes], bool]
) -> bool:
    """Sends a message; returns False if the peer ended the exchange before it had all of it.

    `hear` is given what the peer says in the meantime, b"" if it has closed the connection, and tells whether that ends
    the exchange. `progress` notes whether any of the message went out. Raises TimeoutError at the deadline, which is
    on time.monotonic, and ConnectError if the peer has ended a connection that was kept. Not by `sendall`, which under
    TLS has its whole time for every record anew.
    """
    bounded(sock, deadline)
    if progress.is_kept and not progress.is_sent and not is_quiet(sock):
        raise ConnectError(ENDED)
    sent = sock.send(message if len(message) <= _SEND else memoryview(message)[:_SEND])
    progress.is_sent = True
    while sent < len(message):
        is_readable, is_writable = ready(sock, deadline - time.monotonic())
        if is_readable and _hears(sock, hear):
            return False
        bounded(sock, deadline)
        if is_writable:
            sent += sock.send(memoryview(message)[sent : sent + _SEND])
    return True


def bounded(sock: socket.socket, deadline: float) -> None:
    """Has the socket's next operation take no longer than what is left. TimeoutError if nothing is."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    sock.settimeout(left)


def begins_final(data: bytes) -> bool:
    """Whether bytes hold the beginning of a final reply, after any interim ones."""
    while data.startswith(_INTERIM):
        end = END_OF_HEAD.search(data)
        if end is None:
            return False
        data = data[end.end() :]
    return len(data) >= len(_INTERIM[0])


def _hears(sock: socket.socket, hear: Callable[[bytes], bool]) -> bool:
    sock.settimeout(0)
    try:
        data = sock.recv(_RECEIVE)
    except OSError as error:
        if isinstance(error, BlockingIOError) or type(error).__name__ == "SSLWantReadError":
            return False  # what there was to read is TLS's own
        raise
    return hear(data)
