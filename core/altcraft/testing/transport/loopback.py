"""A server on this machine that does to a connection what a script says, byte by byte. Standard library alone."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

__all__ = ["Loopback", "Received", "Script", "Talk", "answering", "full_backlog", "reply"]

_PATIENCE = 20.0  # seconds that a script waits for the client


class Received(NamedTuple):
    """A request as it arrived; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Talk:
    """One connection, as the server sees it. A script ends it by returning."""

    def __init__(self, server: Loopback, sock: socket.socket, number: int) -> None:
        self._server = server
        self._buffer = b""
        self.sock = sock
        self.number = number
        """The number of the connection among those of the server, from 1."""

    def begin_receiving(self) -> bool:
        """Waits for the next request's header; False once the client has closed the connection."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._more():
                return False
        return True

    def receive(self) -> Received | None:
        """Returns the next request, or None once the client has closed the connection."""
        if not self.begin_receiving():
            return None
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        body = self._chunked() if "transfer-encoding" in headers else self.take(int(headers.get("content-length", "0")))
        received = Received(method, target, headers, body)
        self._server.noted(received)
        return received

    def take(self, size: int) -> bytes:
        """Returns so many bytes of what comes in, or fewer if the client closes the connection."""
        while len(self._buffer) < size and self._more():
            pass
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def send(self, data: bytes) -> None:
        """Sends all of it at once."""
        self.sock.sendall(data)

    def drip(self, data: bytes, every: float = 0.05) -> None:
        """Sends a byte every so many seconds, until the client closes the connection or the test is over."""
        for byte in data:
            self.sock.sendall(bytes([byte]))
            if self._server.over.wait(every):
                return

    def pause(self, seconds: float = _PATIENCE) -> bool:
        """Does nothing for so many seconds, or until the test is over; returns whether it is."""
        return self._server.over.wait(seconds)

    def reset(self) -> None:
        """Resets the connection: the client gets an error instead of an end."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def tunnel(self, port: int) -> None:
        """Carries bytes between this connection and a port of this machine, until either side ends it."""
        with socket.create_connection(("127.0.0.1", port)) as onward:
            back = threading.Thread(target=_pump, args=(onward, self.sock))
            back.start()
            _pump(self.sock, onward)
            back.join()

    def _more(self) -> bool:
        data = self.sock.recv(1 << 16)
        self._buffer += data
        return bool(data)

    def _chunked(self) -> bytes:
        body = b""
        while size := int(self._line(), 16):
            body += self.take(size)
            self._line()
        self._line()
        return body

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            if not self._more():
                return b"0"
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line


Script: TypeAlias = Callable[[Talk], object]


class Loopback:
    """A server that runs `script` for each connection, in a thread of its own. A context manager.

    `requests` are those received so far, `connections` is how many were made, `most` how many were open at once.
    """

    def __init__(
        self, script: Script, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=256)
        self._script = script
        self._tls = tls
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self._mishap: BaseException | None = None
        self.host = host
        self.port: int = self._listener.getsockname()[1]
        place = f"[{host}]" if ":" in host else host
        self.url = f"{'https' if tls else 'http'}://{place}:{self.port}"
        self.requests: list[Received] = []
        self.received = threading.Event()
        self.connections = 0
        self.most = 0
        self.over = threading.Event()

    def __enter__(self) -> Loopback:
        accepting = threading.Thread(target=self._accept)
        self._threads.append(accepting)
        accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), 1):
            pass  # what `accept` waits for
        self.hang_up()
        for thread in tuple(self._threads):
            thread.join(_PATIENCE)
        self._listener.close()
        if self._mishap is not None:
            raise self._mishap

    def noted(self, received: Received) -> None:
        """Notes a request."""
        with self._lock:
            self.requests.append(received)
        self.received.set()

    def still_open(self) -> int:
        """Returns how many connections are open."""
        return len(self._open)

    def hang_up(self) -> None:
        """Closes all connections, as a server does that is restarted."""
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            if self.over.is_set():
                sock.close()
                return
            with self._lock:
                self.connections += 1
                number = self.connections
                self._open.add(sock)
                self.most = max(self.most, len(self._open))
                thread = threading.Thread(target=self._serve, args=(sock, number))
                self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        wrapped = sock
        try:
            sock.settimeout(_PATIENCE)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                wrapped = self._tls.wrap_socket(sock.dup(), server_side=True)
            self._script(Talk(self, wrapped, number))
        except OSError:
            pass  # the client has closed the connection
        except BaseException as error:
            self._mishap = error
        finally:
            wrapped.close()
            sock.close()
            with self._lock:
                self._open.discard(sock)  # last: what is no longer open holds no descriptor either


def reply(
    body: bytes = b"", *headers: str, status: str = "200 OK", version: str = "1.1", length: int | None = None
) -> bytes:
    """Returns a reply's bytes, with a Content-Length unless one of `headers` ("Name: value") says where it ends."""
    lines = [f"HTTP/{version} {status}", *headers]
    framed = any(header.lower().startswith(("transfer-encoding", "connection: close")) for header in headers)
    if not framed or length is not None:
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def answering(*replies: bytes | Callable[[Received], bytes]) -> Script:
    """Returns a script that answers requests with these replies in their order, and with the last one from then on."""
    left = list(replies)
    lock = threading.Lock()

    def script(talk: Talk) -> None:
        while (request := talk.receive()) is not None:
            with lock:
                answer = left.pop(0) if len(left) > 1 else left[0]
            talk.send(answer if isinstance(answer, bytes) else answer(request))

    return script


@contextlib.contextmanager
def full_backlog(host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Yields the URL of a port that accepts no more connections: connecting to it never ends."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((host, port), backlog=0))
        for _ in range(8):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield f"http://{host}:{listener.getsockname()[1]}"


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)
