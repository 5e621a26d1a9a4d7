"""The clients of the fixtures."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from altcraft import AsyncClient, Client, Polling, Retry
from altcraft.testing import AsyncFakeTransport
from altcraft.wire.transport import TransportRegistry
from altcraft_plugins.pytest_plugin.markers import settings
from altcraft_plugins.pytest_plugin.platform import TOKEN
from altcraft_plugins.pytest_plugin.sent import Recorder, Sent

if TYPE_CHECKING:
    import pytest

    from altcraft import HttpRequest, HttpResponse, Transport

__all__ = ["async_client", "client"]

_URL = "https://altcraft.example"


@contextmanager
def client(request: pytest.FixtureRequest, sent: Sent) -> Iterator[Client]:
    """A client of the test's platform, closed at the end of the block."""
    url, given = _platform(request, sent)
    with Client(url, **given) as made:
        sent.learn(made)
        yield made


@contextmanager
def async_client(request: pytest.FixtureRequest, sent: Sent) -> Iterator[AsyncClient]:
    """The same. The test's event loop may have ended when it is closed."""
    url, given = _platform(request, sent)
    if "altcraft_script" in request.fixturenames:
        given["transport"] = AsyncFakeTransport(given["transport"])
    elif "transport" in given:
        given["transport"] = _InLoop(given["transport"])
    made = AsyncClient(url, **given)
    sent.learn(made)
    try:
        yield made
    finally:
        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(made.close())
        finally:
            loop.close()


def _platform(request: pytest.FixtureRequest, sent: Sent) -> tuple[str, dict[str, Any]]:
    """URL and settings of a client of the test's platform."""
    given: dict[str, Any] = {"token": TOKEN}
    url = _URL
    if "altcraft_script" in request.fixturenames:
        given["transport"] = request.getfixturevalue("altcraft_script")
    elif "altcraft_server" in request.fixturenames:
        url = request.getfixturevalue("altcraft_server").url
        given |= {"polling": Polling(initial=0.01, maximum=0.1), "retry": Retry(base=0.01, maximum=0.1)}
    else:
        # The application without its `close`: the sandbox belongs to the test, and outlives the client.
        app = request.getfixturevalue("altcraft_sandbox").__call__
        clock = request.getfixturevalue("altcraft_clock")
        given["transport"] = TransportRegistry().create("wsgi", url, app=app, clock=clock)
    given |= settings(request.node, "altcraft_client")
    if isinstance(sent, Recorder):
        given["plugins"] = [*given.get("plugins", ()), sent]
    return url, given


class _InLoop:
    """A transport that never waits, for an AsyncClient: no thread is needed."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.monotonic = transport.monotonic  # type: ignore[attr-defined]  # the one in this file has a clock

    async def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        """Carries out the exchange, and lets the other tasks of the loop go on."""
        await _turn()
        return self._transport.send(request, timeout=timeout)

    async def sleep(self, seconds: float) -> None:
        """Lets the clock's time pass, and likewise."""
        await _turn()
        self._transport.sleep(seconds)

    async def close(self) -> None:
        """Closes the transport."""
        self._transport.close()


async def _turn() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:  # another loop than asyncio's
        return
    await asyncio.sleep(0)
