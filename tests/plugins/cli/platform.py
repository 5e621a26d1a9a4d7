"""A platform on a real socket that answers from a script."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from altcraft import HttpResponse

Answer = HttpResponse | Callable[[bytes], HttpResponse]


class Platform:
    """`url` is where it is; `bodies` is what it was sent; `asked` is set with the first request.

    The last answer of the script is repeated. With `hold`, nothing is answered until that is set.
    """

    def __init__(self, script: Sequence[Answer], hold: threading.Event | None = None) -> None:
        self.script = list(script)
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.asked = threading.Event()
        self.hold = hold
        self.polls = threading.Semaphore(0)
        platform = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                platform.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                platform.headers.append(dict(self.headers))
                platform.asked.set()
                if platform.hold is not None:
                    platform.hold.wait(30)
                answer = platform.script[0] if len(platform.script) == 1 else platform.script.pop(0)
                response = answer if isinstance(answer, HttpResponse) else answer(platform.bodies[-1])
                try:
                    self.send_response(response.status)
                    for name, value in response.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(response.body)))
                    self.end_headers()
                    self.wfile.write(response.body)
                except OSError:
                    pass  # the client was interrupted
                platform.polls.release()

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@contextmanager
def serving(*script: Answer, hold: threading.Event | None = None) -> Iterator[Platform]:
    """A platform, as long as the block lasts."""
    platform = Platform(script, hold)
    thread = threading.Thread(target=platform.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield platform
    finally:
        if hold is not None:
            hold.set()
        platform.server.shutdown()
        thread.join()
        platform.server.server_close()
