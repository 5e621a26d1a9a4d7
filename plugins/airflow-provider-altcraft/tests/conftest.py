"""The tests of the provider. `nox -s airflow` runs them in an environment with Airflow."""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

# Airflow makes its folder when it is imported.
HOME = Path(os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="altcraft-airflow-")))
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):  # the machine's proxies are not for loopback
    os.environ.pop(name, None)
    os.environ.pop(name.upper(), None)

from altcraft_plugins.sandbox import Sandbox  # noqa: E402
from altcraft_plugins.sandbox.server import bind  # noqa: E402

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

TOKEN = "s3cr3t-of-the-platform"


class Platform:
    """A served sandbox that counts its requests by path."""

    def __init__(self, pace: float) -> None:
        self.sandbox = Sandbox(pace=pace, tokens=[TOKEN])
        self.requests: Counter[str] = Counter()
        self.server = bind(self)

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


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Platform]]:
    """Serves a sandbox, and has Airflow's connection `altcraft_default` lead to it."""
    served: list[Platform] = []

    def start(pace: float = 0, **extra: Any) -> Platform:
        platform = Platform(pace)
        served.append(platform)
        platform.server.__enter__()
        monkeypatch.setenv("AIRFLOW_CONN_ALTCRAFT_DEFAULT", platform.connection(**extra))
        return platform

    yield start
    for platform in served:
        platform.sandbox.end_waits()
        platform.server.__exit__(None, None, None)
        platform.sandbox.close()


@pytest.fixture
def platform(serve: Callable[..., Platform]) -> Platform:
    """A sandbox that counts at once."""
    return serve()
