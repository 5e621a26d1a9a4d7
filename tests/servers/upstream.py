"""The platform behind the servers: the sandbox, and a count of what reached it."""

from __future__ import annotations

import contextlib
import io
import json
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from altcraft import DatabaseStatistics, Operation, TaskRequest
from altcraft_plugins.sandbox.server import bind

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["NUMBERED", "Numbered", "Upstream", "serving_on"]


class Numbered(TaskRequest[list[DatabaseStatistics]], frozen=True):
    """A recount of a database with a number of its own, so that the upstream can tell submissions apart."""

    id: int
    resource_id: int
    number: int
    padding: str | None = None  # makes a request as large as a test wants it


NUMBERED = Operation("numbered/refresh_counters", Numbered)


class Upstream:
    """A WSGI application before the sandbox. Under the path of `NUMBERED` it does `databases/refresh_counters`.

    `requests` counts all requests by path, `submissions` the numbered ones in JSON by their number.
    """

    def __init__(self, sandbox: WSGIApplication) -> None:
        self._sandbox = sandbox
        self._lock = threading.Lock()
        self.requests: Counter[str] = Counter()
        self.submissions: Counter[int] = Counter()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        with self._lock:
            self.requests[path] += 1
        if path.endswith(NUMBERED.path):
            body = environ["wsgi.input"].read()
            number = json.loads(body)["number"]
            with self._lock:
                self.submissions[number] += 1
            environ["wsgi.input"] = io.BytesIO(body)
            environ["PATH_INFO"] = path.replace("/numbered/", "/databases/")
        return self._sandbox(environ, start_response)


@contextlib.contextmanager
def serving_on(port: int, app: WSGIApplication) -> Iterator[int]:
    """Serves an application on a loopback port, 0 for a free one, and yields the port."""
    server = bind(app, "127.0.0.1", port)
    thread = threading.Thread(target=server.run, name="upstream")
    thread.start()
    try:
        yield int(server.url.rpartition(":")[2])
    finally:
        server.close()
        thread.join()
