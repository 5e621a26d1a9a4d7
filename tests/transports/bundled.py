"""Every bundled transport that has a socket, made alike and used alike, of whichever kind it is."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Container, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from altcraft import HttpRequest, HttpResponse, TransportSettings
from altcraft.wire.transport import TransportRegistry

SYNC = ("urllib3", "http_client", "pycurl", "httpx")
ASYNC = ("threads", "aiohttp", "httpx")
ALL = [(name, False) for name in SYNC] + [(name, True) for name in ASYNC]

IDS = [f"{name}-async" if is_async else name for name, is_async in ALL]
DEFAULTS = [("urllib3", False)]


def at_length(values: Iterable[Any], defaults: Container[Any]) -> list[Any]:
    """The values as parameters, for what takes long: all but the defaults are among the slow tests."""
    return [
        pytest.param(
            *(each if isinstance(each, tuple) else (each,)), marks=() if each in defaults else pytest.mark.slow
        )
        for each in values
    ]


every_transport = pytest.mark.parametrize(("name", "is_async"), ALL, ids=IDS)
every_transport_at_length = pytest.mark.parametrize(("name", "is_async"), at_length(ALL, DEFAULTS), ids=IDS)


class Used:
    """A transport by name. What its methods return is awaited, if it is to be."""

    def __init__(self, name: str, is_async: bool, settings: TransportSettings | None = None, **options: Any) -> None:
        registry = TransportRegistry()
        make = registry.create_async if is_async else registry.create
        self.transport: Any = make(name, "http://x.example", settings, **options)
        self._loop = asyncio.new_event_loop() if is_async else None

    def send(self, url: str, body: bytes = b"{}", *, timeout: float = 5.0, **headers: str) -> HttpResponse:
        """Carries out a POST."""
        request = HttpRequest("POST", url, {name.replace("_", "-"): value for name, value in headers.items()}, body)
        response: HttpResponse = self.do(self.transport.send(request, timeout=timeout))
        return response

    def do(self, outcome: Any) -> Any:
        """Returns the value, or what awaiting it gives."""
        if not inspect.isawaitable(outcome):
            return outcome
        assert self._loop is not None
        return self._loop.run_until_complete(_awaited(outcome))

    def close(self) -> None:
        """Closes the transport and its loop."""
        self.do(self.transport.close())
        if self._loop is not None:
            self._loop.close()


@contextmanager
def using(name: str, is_async: bool, settings: TransportSettings | None = None, **options: Any) -> Iterator[Used]:
    """A transport by name, to be closed at the end."""
    used = Used(name, is_async, settings, **options)
    try:
        yield used
    finally:
        used.close()


async def _awaited(awaitable: Awaitable[Any]) -> Any:
    return await awaitable
