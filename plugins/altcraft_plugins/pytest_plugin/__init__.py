"""A plugin of pytest: a sandbox, clients and scripts as fixtures. Page: docs/how-to/testing-with-pytest.md.

pytest imports this module in every run, so it imports nothing of altcraft before a fixture is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from altcraft import AsyncClient, Client
    from altcraft.testing import FakeClock
    from altcraft_plugins.pytest_plugin.script import Script
    from altcraft_plugins.pytest_plugin.sent import Sent
    from altcraft_plugins.sandbox import Sandbox, SandboxServer

__all__ = [
    "altcraft_async_client", "altcraft_client", "altcraft_clock", "altcraft_sandbox", "altcraft_script",
    "altcraft_sent", "altcraft_server", "pytest_configure",
]  # fmt: skip

_MARKERS = (
    "altcraft_sandbox(**settings): settings of altcraft_sandbox and altcraft_server, such as profiles and pace",
    "altcraft_faults(plan): what goes wrong there, as a FaultPlan, a list of faults, or the path of a plan",
    "altcraft_client(**settings): settings of altcraft_client and altcraft_async_client, such as polling and codec",
    "altcraft_script(strict=True, repeat=False): strict: replies that are left fail the test; repeat: the last stays",
)


def pytest_configure(config: pytest.Config) -> None:
    """Declares the markers."""
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)


@pytest.fixture
def altcraft_clock() -> FakeClock:
    """The time of altcraft_sandbox, altcraft_script and the clients. It passes when one of them sleeps."""
    from altcraft.testing import FakeClock

    return FakeClock()


@pytest.fixture
def altcraft_sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A fresh sandbox in this process, always with the same population. Beside altcraft_server: the one that it serves.

    It lives in the time of altcraft_clock, so that no task takes any time of the test's.
    """
    if "altcraft_server" in request.fixturenames:
        yield request.getfixturevalue("altcraft_server").sandbox
        return
    from altcraft_plugins.pytest_plugin.platform import sandbox

    with sandbox(request.node, request.getfixturevalue("altcraft_clock")) as made:
        yield made


@pytest.fixture
def altcraft_server(request: pytest.FixtureRequest) -> Iterator[SandboxServer]:
    """A fresh sandbox on a socket of this machine, at `altcraft_server.url`, in real time. Its tasks end at once."""
    from altcraft_plugins.pytest_plugin.platform import server

    with server(request.node) as made:
        yield made


@pytest.fixture
def altcraft_script(request: pytest.FixtureRequest, altcraft_clock: FakeClock) -> Script:
    """A FakeTransport without a reply yet: `altcraft_script([reply(…), …])` adds some, and returns it.

    Replies that are left when the test has passed fail it.
    """
    from altcraft_plugins.pytest_plugin.strict import script

    return script(request, altcraft_clock)


@pytest.fixture
def altcraft_sent(request: pytest.FixtureRequest) -> Sent:
    """What the two clients have sent; beside altcraft_script, what was sent to that."""
    if "altcraft_script" in request.fixturenames:
        script: Script = request.getfixturevalue("altcraft_script")
        return script.sent
    from altcraft_plugins.pytest_plugin.sent import Recorder

    return Recorder()


@pytest.fixture
def altcraft_client(request: pytest.FixtureRequest, altcraft_sent: Sent) -> Iterator[Client]:
    """A Client of the test's platform: altcraft_script, or else altcraft_server, or else altcraft_sandbox."""
    from altcraft_plugins.pytest_plugin.clients import client

    with client(request, altcraft_sent) as made:
        yield made


@pytest.fixture
def altcraft_async_client(request: pytest.FixtureRequest, altcraft_sent: Sent) -> Iterator[AsyncClient]:
    """The same as an AsyncClient. It belongs to the event loop in which the test uses it first."""
    from altcraft_plugins.pytest_plugin.clients import async_client

    with async_client(request, altcraft_sent) as made:
        yield made
