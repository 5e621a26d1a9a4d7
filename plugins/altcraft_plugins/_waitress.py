"""Waitress, imported here and nowhere else: a WSGI application on a socket, for the sandbox and the feedback receiver.

Slow connections give way: where a new one would find no room, the server closes those that bring the fewest bytes a
second. A peer has `timeout` seconds to send a whole request, and as many to read a whole reply.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# Waitress has no annotations; what is used of it gets its types here.

from __future__ import annotations

import errno
import logging
import os
import re
import socket
import struct
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast
from weakref import WeakSet

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, ThreadedTaskDispatcher, WSGITask
from waitress.utilities import BadRequest

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from typing_extensions import Self

__all__ = ["Channel", "ErrorTask", "Server", "WSGITask"]


CONNECTIONS: Final = 500
"""Connections that a server holds at once. Windows can select among 512 sockets."""

_BURST: Final = 50
"""Connections that are accepted in one round of the loop."""

_BACKLOG: Final = 4096
"""Connections that the kernel keeps until they are accepted, as far as its own limit goes."""

_PACKET: Final = 1000
"""Bytes that a connection is credited with, so that a new one is a fast one."""

_ROUND: Final = 1.0
"""Seconds after which the loop comes round at the latest, to look for slow connections and to let signals through."""

_FIRST_LINE: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+ [^ ]+(?: HTTP/[0-9]\.[0-9])?")
"""The method, the target, and the version, with which a request begins."""

_LINGER: Final = "hh" if sys.platform == "win32" else "ii"
"""The format of SO_LINGER's value. On for zero seconds, it makes close() reset the connection."""

_NO_ROOM: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
"""What accept() says when the process or the machine has no descriptor left."""

# Waitress warns of every burst of requests. The handler keeps that from stderr where the user configures no logging.
logging.getLogger("waitress").addHandler(logging.NullHandler())


class Parser(HTTPRequestParser):  # type: ignore[misc]  # waitress has no annotations
    """Reads a request. Bytes that make waitress's own parser fail, such as a request for `http://[`, are a 400.

    Two of waitress's expressions take time that grows with the square of a line's length, and hold up all connections:
    the one for the first line where that is wrong, and the one for a header with blanks before its value. So the first
    line is checked here, and the blanks are taken away.
    """

    def received(self, data: bytes) -> int:
        try:
            taken: int = super().received(data)
        except Exception:  # of any kind: the request's bytes are to blame, and the reply says so
            cast("dict[str, str]", self.headers).pop("CONTENT_LENGTH", None)
            self.parse_header(b"GET / HTTP/1.0\r\n")  # sets the fields that the reply needs
            self.error = BadRequest("the request can't be read")
            self.completed = True
            taken = len(data)
        return taken

    def parse_header(self, header_plus: bytes) -> None:
        first, *lines = header_plus.split(b"\r\n")
        if not _FIRST_LINE.fullmatch(first.rstrip()):
            raise ParsingError("the first line can't be read")
        fields = [first]
        for line in lines:
            if line.startswith((b" ", b"\t")):
                raise ParsingError("a header must not be folded")
            name, colon, value = line.partition(b":")
            fields.append(name + colon + value.strip(b" \t"))
        super().parse_header(b"\r\n".join(fields))


class Channel(HTTPChannel):  # type: ignore[misc]  # waitress has no annotations
    """A connection. `last_activity` is when it began to keep the server waiting: for a request, or to take a reply."""

    parser_class = Parser
    last_activity: float
    request: Any
    _aborted = False
    _taken = 0  # bytes of the request that has begun

    def pace(self, now: float) -> float:
        """Bytes a second since the peer began to keep the server waiting. Its first packet is taken as given."""
        return (self._taken + _PACKET) / max(now - self.last_activity, 0.001)

    def recv(self, buffer_size: int) -> bytes:
        data: bytes = super().recv(buffer_size)
        self._taken += len(data)
        return data

    def handle_read(self) -> None:
        """More bytes of a request that has begun don't restart its time."""
        before, begun = self.request, self.last_activity
        super().handle_read()
        if before is not None and self.request is before:
            self.last_activity = begun
        else:
            self._taken = 0

    def handle_write(self) -> None:
        """Nor does a part of a reply that has not been read whole."""
        if self._aborted:
            self.reset()
            return
        begun = self.last_activity
        super().handle_write()
        if self.total_outbufs_len:
            self.last_activity = begun

    def reset(self) -> None:
        """Reset the connection. Call it in the loop's thread."""
        if self.socket is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(_LINGER, 1, 0))
            self.handle_close()

    def abort(self) -> None:
        """Have the loop reset the connection, though a reply may not be sent yet. For other threads."""
        self._aborted = self.will_close = True
        self.server.pull_trigger()

    def send_continue(self) -> None:
        """Ask for the body (`Expect: 100-continue`), but not for one that is refused by its length."""
        if self.request.error is None:
            super().send_continue()
        self.request.expect_continue = False


class _Listener(TcpWSGIServer):  # type: ignore[misc]  # waitress has no annotations
    """A listening socket that accepts connections in bursts. `close_slow` keeps room for one."""

    _no_room = False
    _pausing = False

    def pull_trigger(self) -> None:
        with suppress(OSError):  # the loop has ended, and closed its trigger
            super().pull_trigger()

    def readable(self) -> bool:
        """Whether to accept in the next round of the loop."""
        return bool(self.accepting) and not self._pausing

    def handle_accept(self) -> None:
        for _ in range(_BURST):
            before = len(self.connections())
            super().handle_accept()
            if len(self.connections()) == before:
                return

    def connections(self) -> dict[int, Channel]:
        held: Any = self.active_channels
        return cast("dict[int, Channel]", held)

    def accept(self) -> tuple[socket.socket, Any] | None:
        try:
            accepted: tuple[socket.socket, Any] | None = super().accept()
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            self._no_room = True
            return None
        return accepted

    def close_slow(self, timeout: float) -> None:
        """Close connections whose time is over, and the slowest until there is room for a burst.

        It spares those with a complete request. Call it between two rounds of the loop, while `select` does not wait.
        """
        now = time.time()  # waitress measures with it
        connections = self.connections().values()
        surplus = len(connections) + _BURST - CONNECTIONS
        if self._no_room:
            surplus = max(surplus, _BURST)
        # With a complete request, a connection waits for the server. Without one, it keeps the server waiting.
        slow = [channel for channel in connections if not channel.requests]
        slow.sort(key=lambda channel: channel.pace(now))
        over = [channel for n, channel in enumerate(slow) if n < surplus or now - channel.last_activity > timeout]
        for channel in over:
            channel.handle_close()
        # Where there is no room and nothing to close, accepting again at once would only fail again.
        self._pausing = self._no_room and not over
        self._no_room = False


class Server:
    """An application on a listening socket, which the server takes over. `run()` serves until `close()` is called.

    As a context manager it serves in a thread of its own while the block lasts. `timeout` is in seconds, see above.
    `settings` are waitress's own. Raises RuntimeError where threads can't be started.
    """

    def __init__(
        self,
        app: WSGIApplication,
        listening: socket.socket,
        channel: type[Channel],
        *,
        timeout: float,
        **settings: Any,
    ) -> None:
        self._sockets: dict[int, Any] = {}  # waitress keeps all sockets of this server in here
        self._timeout = timeout
        adjustments = Adjustments(sockets=[listening], backlog=_BACKLOG, clear_untrusted_proxy_headers=True, **settings)
        self._workers: Any = ThreadedTaskDispatcher()
        self._listener: Any = _Listener(
            app,
            map=self._sockets,
            _sock=listening,
            dispatcher=self._workers,
            adj=adjustments,
            sockinfo=(listening.family, listening.type, listening.proto, listening.getsockname()),
            bind_socket=False,
        )
        self._listener.channel_class = channel
        try:
            self._workers.set_thread_count(adjustments.threads)
        except RuntimeError:  # no more threads can be started
            self._workers.set_thread_count(0)
            self._close_all()
            raise
        self._lock = threading.Lock()
        self._closed = False
        self._running = False
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        _servers.add(self)

    def run(self) -> None:
        """Serve until close(), or until a signal's handler raises."""
        with self._lock:
            if self._closed:
                return
            self._running = True
        try:
            while self._sockets:
                self._listener.close_slow(self._timeout)
                self._listener.asyncore.loop(timeout=self.tend(), map=self._sockets, use_poll=True, count=1)
        finally:
            with self._lock:
                self._running = False
            self._ended.set()

    def tend(self) -> float:
        """Called before each round of the loop. Returns the longest time, in seconds, that the round may take."""
        return _ROUND

    def go_away(self) -> None:
        """Stop listening, and reset all connections. Call it from `tend`."""
        self._listener.del_channel()
        self._listener.socket.close()
        for channel in tuple(self._listener.connections().values()):
            channel.reset()

    def come_back(self, listening: socket.socket) -> None:
        """Listen again, on another socket. Call it from `tend`."""
        listening.setblocking(False)
        self._listener.set_socket(listening)
        self._listener.accept_connections()

    def close(self) -> None:
        """Stop listening, end the connections and the threads. Idempotent, and may be called from any thread."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            running = self._running
        self._workers.shutdown()
        if running:
            # A socket must not be closed while the loop selects upon it: the loop closes all, and ends.
            with suppress(OSError):  # the loop was awake, and has closed its trigger already
                self._listener.trigger.pull_trigger(self._close_all)
            self._ended.wait(5)
        self._close_all()

    def __enter__(self) -> Self:
        thread = threading.Thread(target=self.run, name="altcraft-server", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            self.close()
            raise
        self._thread = thread
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
        if self._thread is not None:
            self._thread.join()

    def leave_to_parent(self) -> None:
        """In the child of a fork: close this process's copies of the sockets, which the parent goes on serving."""
        self._closed = True
        self._close_all()

    def _close_all(self) -> None:
        self._listener.asyncore.close_all(self._sockets)


_servers: WeakSet[Server] = WeakSet()


def _in_child() -> None:
    for server in list(_servers):
        server.leave_to_parent()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_in_child)
