"""The tests of the provider. `nox -s airflow` runs them in an environment with Airflow."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from altcraft.testing import FakeClock

# Airflow makes its folder when it is imported.
HOME = Path(os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="altcraft-airflow-")))
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):  # the machine's proxies are not for loopback
    os.environ.pop(name, None)
    os.environ.pop(name.upper(), None)

from served import Platform  # noqa: E402


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Platform]]:
    """Serves a sandbox, and has Airflow's connection `altcraft_default` lead to it."""
    served: list[Platform] = []

    def start(pace: float = 0, clock: FakeClock | None = None, **extra: Any) -> Platform:
        platform = Platform(pace, clock)
        served.append(platform)
        monkeypatch.setenv("AIRFLOW_CONN_ALTCRAFT_DEFAULT", platform.connection(**extra))
        return platform

    yield start
    for platform in served:
        platform.close()


@pytest.fixture
def platform(serve: Callable[..., Platform]) -> Platform:
    """A sandbox that counts at once."""
    return serve()
