"""Connections that can be ended from another thread: for the transports that hold sockets."""

from __future__ import annotations

import select
import socket
import threading
import time
from typing import Any

from altcraft.errors import ConnectError

__all__ = ["Lines", "is_quiet"]


class Lines:
    """The open connections of one transport. Thread-safe.

    Of each it keeps a second descriptor, by which it is shut down although somebody waits on the first one, or is just
    wrapping it in TLS: shutting down wakes them, and can't hit a stranger that got the number after them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._closed = False

    def dial(self, host: str, port: int, deadline: float) -> tuple[socket.socket, socket.socket]:
        """A connected socket, and the key that `hang_up` wants. ConnectError otherwise.

        The addresses of a host are tried in their order, each with its share of the time that is left.
        """
        try:
            addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise ConnectError(f"no connection: {host} has no address: {error}") from error
        failure: OSError | None = None
        for number, (family, kind, protocol, _, address) in enumerate(addresses):
            left = (deadline - time.monotonic()) / (len(addresses) - number)
            if left <= 0:
                break
            try:
                return self._connect(socket.socket(family, kind, protocol), address, left)
            except OSError as error:
                failure = error
        if failure is None or isinstance(failure, TimeoutError):
            raise ConnectError("no connection in time") from failure
        raise ConnectError(f"no connection: {failure}") from failure

    def hang_up(self, key: socket.socket) -> None:
        """Forgets a connection. Its socket is closed by whoever has it."""
        with self._lock:
            self._open.discard(key)
            key.close()

    def close(self) -> None:
        """Shuts all connections down: whoever waits on one gets an error at once. No more are made."""
        with self._lock:
            self._closed = True
            for key in self._open:
                try:
                    key.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # not connected any more, or not yet: then it finds out by itself

    def is_closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def _connect(self, sock: socket.socket, address: Any, left: float) -> tuple[socket.socket, socket.socket]:
        key = sock.dup()
        try:
            with self._lock:
                self._open.add(key)
            if not self._closed:
                sock.settimeout(left)
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._closed:
                raise ConnectError("the transport is closed")
        except BaseException:
            sock.close()
            self.hang_up(key)
            raise
        return sock, key


def is_quiet(sock: socket.socket) -> bool:
    """Whether a connection that was kept can be used: there is nothing to read, not even its end."""
    if hasattr(select, "poll"):  # unlike select, it takes any descriptor
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        return not poll.poll(0)
    return not select.select([sock], [], [], 0)[0]
