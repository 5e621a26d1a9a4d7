"""The platform of the tests: a served sandbox."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from altcraft.testing import FakeClock
from altcraft_plugins.sandbox import Sandbox
from altcraft_plugins.sandbox.server import bind

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

TOKEN = "s3cr3t-of-the-platform"


class Platform:
    """A served sandbox that counts its requests by path."""

    def __init__(self, pace: float, clock: FakeClock | None = None) -> None:
        self.sandbox = Sandbox(pace=pace, tokens=[TOKEN], clock=clock)
        self.requests: Counter[str] = Counter()
        self.server = bind(self).__enter__()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self.requests["/".join(environ["PATH_INFO"].split("/")[3:5])] += 1
        return self.sandbox(environ, start_response)

    @property
    def submitted(self) -> int:
        """How many refreshes the platform took."""
        return self.sandbox.submissions().total()

    def connection(self, **extra: Any) -> str:
        """The connection to it, as Airflow reads one from the environment."""
        return json.dumps({"conn_type": "altcraft", "host": self.server.url, "password": TOKEN, "extra": extra})

    def close(self) -> None:
        """Stops serving."""
        self.sandbox.end_waits()
        self.server.__exit__(None, None, None)
        self.sandbox.close()
