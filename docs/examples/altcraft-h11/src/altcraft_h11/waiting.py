"""Waiting for a socket: until a deadline, or until another thread ends it."""

from __future__ import annotations

import select
import selectors
import socket
import ssl
import time
from typing import Any

__all__ = ["Ended", "Waiting"]

CHUNK = 256 << 10
WANTS = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
SELECTOR: type[selectors.BaseSelector] = (
    selectors.PollSelector if hasattr(select, "poll") else selectors.SelectSelector
)  # select alone, without poll, takes no descriptor above 1023


class Ended(Exception):
    """Another thread has ended the exchange."""


class Waiting:
    """The waits of one exchange. `end` may be called by any thread; the rest belongs to the one that sends."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._ear, self._mouth = socket.socketpair()
        self._has_ended = False

    def connect(self, connection: socket.socket, address: Any) -> None:
        """Connects. TimeoutError, Ended, or the error of the system."""
        try:
            connection.connect(address)
        except BlockingIOError:
            self.wait(connection, writes=True, reads=False)
            error = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                raise OSError(error, "it was refused, or can't be reached") from None

    def shake_hands(self, connection: ssl.SSLSocket) -> None:
        """Makes the TLS handshake."""
        while True:
            self.check()
            try:
                connection.do_handshake()
                return
            except ssl.SSLWantReadError:
                self.wait(connection)
            except ssl.SSLWantWriteError:
                self.wait(connection, writes=True, reads=False)

    def push(self, connection: socket.socket, data: memoryview) -> int:
        """Sends what the socket takes now. Returns how many bytes that is."""
        self.check()
        if not data:
            return 0
        try:
            return connection.send(data[:CHUNK])
        except WANTS:
            return 0

    def pull(self, connection: socket.socket) -> bytes | None:
        """What has come by now: b"" for the end of the connection, None for nothing yet."""
        self.check()
        try:
            return connection.recv(CHUNK)
        except WANTS:
            return None

    def wait(self, connection: socket.socket, *, writes: bool = False, reads: bool = True) -> None:
        """Waits until the socket is ready. TimeoutError at the deadline, Ended once `end` was called."""
        events = (selectors.EVENT_READ if reads else 0) | (selectors.EVENT_WRITE if writes else 0)
        with SELECTOR() as selector:
            selector.register(connection, events)
            selector.register(self._ear, selectors.EVENT_READ)
            selector.select(max(0.0, self._deadline - time.monotonic()))
        self.check()

    def check(self) -> None:
        """TimeoutError after the deadline, Ended once `end` was called."""
        if self._has_ended:
            raise Ended("the transport was closed")
        if time.monotonic() >= self._deadline:
            raise TimeoutError("its time is over")

    def end(self) -> None:
        """Ends the wait under way, and all later ones."""
        self._has_ended = True
        self._mouth.send(b"x")

    def close(self) -> None:
        """Lets go of the descriptors."""
        self._ear.close()
        self._mouth.close()
