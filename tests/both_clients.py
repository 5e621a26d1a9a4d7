"""One suite for both clients: a `World` makes clients of one kind, and carries out what their methods return."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterable
from typing import Any

from altcraft import AsyncClient, AsyncTask, Client
from altcraft.testing import AsyncFakeTransport, FakeClock, FakeTransport
from altcraft.testing.fakes import Scripted


class World:
    """Clients for threads, or for an event loop, over fakes with a clock of their own."""

    def __init__(self, *, is_async: bool) -> None:
        self.is_async = is_async
        self.clock = FakeClock()
        self.loop = asyncio.new_event_loop() if is_async else None
        self.clients: list[Any] = []

    def transport(self, script: Iterable[Scripted], *, repeat: bool = False) -> Any:
        kind = AsyncFakeTransport if self.is_async else FakeTransport
        return kind(script, clock=self.clock, repeat=repeat)

    def client(self, script: Iterable[Scripted] = (), *, repeat: bool = False, **settings: Any) -> Any:
        """A client over a script; its transport is `client.fake`."""
        fake = settings.pop("transport", None) or self.transport(script, repeat=repeat)
        settings.setdefault("token", "a-token")
        kind = AsyncClient if self.is_async else Client
        client: Any = kind("https://example.com", transport=fake, **settings)
        client.fake = fake
        self.clients.append(client)
        return client

    def do(self, outcome: Any) -> Any:
        """The value itself, or what awaiting it gives; an iterator, of either kind, as a list."""
        if inspect.isasyncgen(outcome):
            return self.do(_collect(outcome))
        if inspect.isawaitable(outcome):
            assert self.loop is not None
            return self.loop.run_until_complete(_awaited(outcome))
        return list(outcome) if inspect.isgenerator(outcome) else outcome

    def close(self) -> None:
        for client in self.clients:
            self.do(client.close())
        if self.loop is not None:
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            left = asyncio.all_tasks(self.loop)
            self.loop.close()
            assert not left, f"coroutines left behind: {left}"


async def _awaited(awaitable: Any) -> Any:
    return await awaitable


async def _collect(iterator: Any) -> list[Any]:
    return [item async for item in iterator]


class Plain:
    """An AsyncClient, or something of its, used like its twin for threads: what it returns is awaited at once."""

    def __init__(self, inner: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.inner = inner
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        return self._plain(getattr(self.inner, name))

    def __repr__(self) -> str:
        return repr(self.inner)

    def __enter__(self) -> Plain:
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run_until_complete(self.inner.close())
        self._loop.close()

    def _plain(self, value: Any) -> Any:
        if inspect.ismethod(value):
            return lambda *given, **named: self._plain(self._awaited(value(*given, **named)))
        return (
            Plain(value, self._loop)
            if type(value).__module__ in (AsyncClient.__module__, AsyncTask.__module__)
            else value
        )

    def _awaited(self, value: Any) -> Any:
        return self._loop.run_until_complete(value) if inspect.iscoroutine(value) else value


KINDS: list[str] = []
"""The last one is what `plain_client` makes; see the fixture `both_clients`."""


def plain_client(url: str, token: str, script: Iterable[Scripted], **settings: Any) -> Any:
    """A client of either kind over such a script, to be used, and closed by `with`, as if it were for threads."""
    if KINDS[-1] == "threads":
        return Client(url, token, transport=FakeTransport(script, clock=settings.pop("clock", None)), **settings)
    transport = AsyncFakeTransport(script, clock=settings.pop("clock", None))
    return Plain(AsyncClient(url, token, transport=transport, **settings), asyncio.new_event_loop())
