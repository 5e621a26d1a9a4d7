"""Servers on loopback for the tests that go over a real socket."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from altcraft import HttpResponse
from altcraft_plugins.sandbox import Sandbox
from altcraft_plugins.sandbox.server import bind

Respond = Callable[[bytes], "bytes | HttpResponse | None"]
"""From a request's bytes to an orderly reply, or bytes after which it hangs up, or None to hang up at once."""


@contextlib.contextmanager
def serving(sandbox: Sandbox) -> Iterator[str]:
    """The URL of a sandbox on a socket, served by a thread of this process."""
    server = bind(sandbox)
    thread = threading.Thread(target=server.run, name="sandbox server")
    thread.start()
    try:
        yield server.url
    finally:
        server.close()
        thread.join()
        sandbox.close()


@contextlib.contextmanager
def serving_in_a_process() -> Iterator[str]:
    """The URL of `altcraft sandbox serve`, run as its users run it."""
    command = [sys.executable, "-m", "altcraft_plugins.cli", "sandbox", "serve", "--port", "0", "--pace", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            yield next(word for word in line.split() if word.startswith("http"))
        finally:
            process.terminate()
            process.wait(20)


class RawServer:
    """Answers with the bytes that the test gives it. Counts its `open` connections, and keeps `requests`."""

    def __init__(self, respond: Respond) -> None:
        self.respond = respond
        self.requests: list[bytes] = []
        self.open = 0
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._pool = ThreadPoolExecutor(64, thread_name_prefix="raw server")
        self._pool.submit(self._accept)

    def close(self) -> None:
        """Hangs up on everybody, and waits for the threads."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        with self._lock:
            connections = tuple(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._pool.shutdown()

    def __enter__(self) -> RawServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self._pool.submit(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.add(connection)
            self.open += 1
        try:
            with connection, contextlib.suppress(OSError):
                persists = True
                while persists and (request := _read(connection)):
                    answer, persists = self._answer(request)
                    connection.sendall(answer)
        finally:
            with self._lock:
                self._connections.discard(connection)
                self.open -= 1

    def _answer(self, request: bytes) -> tuple[bytes, bool]:
        """What to send, and whether to go on after it."""
        self.requests.append(request)
        answer = self.respond(request)
        if isinstance(answer, HttpResponse):
            headers = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
            start = f"HTTP/1.1 {answer.status} Said\r\n{headers}Content-Length: {len(answer.body)}\r\n\r\n"
            return start.encode() + answer.body, True
        return answer or b"", False


def _read(connection: socket.socket) -> bytes | None:
    """One request, or None where the peer has hung up."""
    request = b""
    while b"\r\n\r\n" not in request:
        if not (piece := connection.recv(65536)):
            return None
        request += piece
    head, _, body = request.partition(b"\r\n\r\n")
    if b"chunked" in head.lower():
        while not body.endswith(b"0\r\n\r\n"):
            body += connection.recv(65536)
        return head + b"\r\n\r\n" + body
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    length = int(lengths[0].partition(b":")[2]) if lengths else 0
    while len(body) < length:
        if not (piece := connection.recv(65536)):
            return None
        body += piece
    return head + b"\r\n\r\n" + body
