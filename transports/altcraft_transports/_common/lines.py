"""Connections that another thread can end, and that a forked child lets go of: for the transports that hold sockets."""

from __future__ import annotations

import codecs
import errno
import os
import socket
import threading
import time
from itertools import zip_longest
from typing import Any

from altcraft.errors import ConnectError
from altcraft.wire.forks import importing
from altcraft_transports._common.errors import CLOSED, said
from altcraft_transports._common.forks import detach
from altcraft_transports._common.ready import writable

__all__ = ["Line"]

_HEAD_START = 0.25
"""Seconds that one address of a host has before the next is tried beside it, as RFC 8305 recommends."""
_GLANCE = 0.25
"""Seconds after which a thread that makes a connection sees that it was closed, should nothing wake it."""
_UNDER_WAY = (0, errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", errno.EWOULDBLOCK))


class Line:
    """A connection, made or about to be made. One thread uses it at a time; `abort` is for the others.

    Of each socket it keeps a second descriptor, and shuts the connection down by that one. It does so although a thread
    waits on the first one, or is just wrapping it in TLS, and can't hit a stranger that got the number after it.
    """

    def __init__(self) -> None:
        self.sock: socket.socket | None = None
        self._lock = threading.RLock()
        self._ends: dict[socket.socket, int] = {}  # the second descriptors, and the numbers of the first ones
        self._aborted = False

    def dial(self, host: str, port: int, deadline: float) -> socket.socket:
        """Connects. ConnectError if that does not succeed in time.

        The addresses of a host are tried in their order, each with a head start over the next; the first one that
        answers wins.
        """
        with importing:
            codecs.lookup("idna")  # imports what getaddrinfo would import
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise ConnectError(f"no connection: {host} has no address: {said(error)}") from error
        addresses = _interleaved(found)
        trying: dict[socket.socket, socket.socket] = {}
        failure: OSError | None = None
        next_at = 0.0
        try:
            while True:
                now = time.monotonic()
                if now >= deadline:
                    raise ConnectError("no connection in time") from failure
                if addresses and (not trying or now >= next_at):
                    try:
                        sock, end = self._begin(addresses.pop(0))
                        trying[sock] = end
                    except OSError as error:
                        failure = error
                    next_at = now + _HEAD_START
                elif not trying:
                    assert failure is not None
                    raise ConnectError(f"no connection: {said(failure)}") from failure
                until = min(deadline, next_at) if addresses else deadline
                for sock in writable(trying, min(until - now, _GLANCE)):
                    number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if self._aborted:
                        raise ConnectError(CLOSED)
                    if not number:
                        del trying[sock]
                        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                        self.sock = sock
                        return sock
                    failure, next_at = OSError(number, os.strerror(number)), 0.0
                    self._forget(sock, trying.pop(sock))
                if self._aborted:
                    raise ConnectError(CLOSED)
        finally:
            for sock, end in trying.items():
                self._forget(sock, end)

    def close(self) -> None:
        """Closes the connection. No exchange may be under way."""
        sock, self.sock = self.sock, None
        if sock is not None:
            sock.close()
        with self._lock:
            for end in self._ends:
                end.close()
            self._ends.clear()

    def abort(self) -> None:
        """Ends what another thread does with the connection: it gets an error at once."""
        with self._lock:
            self._aborted = True
            for end in self._ends:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # not connected any more, or not yet: then `dial` sees it

    def abandon(self) -> None:
        """Lets go of the parent's connection, in a forked child."""
        self._lock = threading.RLock()
        for end, descriptor in self._ends.items():
            detach(descriptor, end.fileno())
        self.close()

    def _begin(self, address: tuple[Any, ...]) -> tuple[socket.socket, socket.socket]:
        family, kind, protocol, _, place = address
        sock = socket.socket(family, kind, protocol)
        end = sock.dup()
        try:
            with self._lock:
                self._ends[end] = sock.fileno()
                if self._aborted:
                    raise ConnectError(CLOSED)
            sock.setblocking(False)
            number = sock.connect_ex(place)
            if number not in _UNDER_WAY:
                raise OSError(number, os.strerror(number))
        except BaseException:
            self._forget(sock, end)
            raise
        return sock, end

    def _forget(self, sock: socket.socket, end: socket.socket) -> None:
        sock.close()
        with self._lock:
            self._ends.pop(end, None)
            end.close()


def _interleaved(addresses: list[Any]) -> list[Any]:
    """Addresses in an order in which their families take turns, so that one that leads nowhere is soon passed."""
    first = [address for address in addresses if address[0] == addresses[0][0]]
    rest = [address for address in addresses if address[0] != addresses[0][0]]
    return [address for pair in zip_longest(first, rest) for address in pair if address is not None]
