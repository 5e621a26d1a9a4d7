"""Every way to carry an exchange that this installation has, under both clients."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import pytest

from altcraft import AsyncClient, Client, MissingExtra
from altcraft.wire.transport import TransportRegistry
from transports.bundled import at_length

KINDS: dict[str, Any] = {"Client": Client, "AsyncClient": AsyncClient}
NOWHERE = "http://127.0.0.1:9"
DEFAULTS = {("Client", "urllib3"), ("AsyncClient", "threads")}


def over_a_socket() -> Iterator[tuple[str, str]]:
    """The client and the name of each transport that leads to a URL, as far as its library is installed."""
    registry = TransportRegistry()
    makers: dict[str, Callable[[str, str], Any]] = {"Client": registry.create, "AsyncClient": registry.create_async}
    for name in registry:
        for kind, make in makers.items():
            try:
                transport = make(name, NOWHERE)
            except (MissingExtra, LookupError, TypeError):  # not installed; for the other client; leads to no URL
                continue
            yield kind, name
            closing = transport.close()
            if inspect.isawaitable(closing):
                asyncio.run(_awaited(closing))


class Session:
    """Carries out what the methods of a client return, whichever kind it is."""

    def __init__(self, kind: str) -> None:
        self.kind = KINDS[kind]
        self.is_async = self.kind is AsyncClient
        self._loop = asyncio.new_event_loop() if self.is_async else None

    def do(self, outcome: Any) -> Any:
        """The value itself, or what awaiting it gives; an iteration as a list."""
        if inspect.isasyncgen(outcome):
            return self.do(_collect(outcome))
        if inspect.isawaitable(outcome):
            assert self._loop is not None
            return self._loop.run_until_complete(_awaited(outcome))
        return list(outcome) if inspect.isgenerator(outcome) else outcome

    @contextmanager
    def client(self, url: str, token: str | None = None, **settings: Any) -> Iterator[Any]:
        client = self.kind(url, token, **settings)
        try:
            yield client
        finally:
            self.do(client.close())

    def close(self) -> None:
        if self._loop is not None:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            left = asyncio.all_tasks(self._loop)
            self._loop.close()
            assert not left, f"coroutines left behind: {left}"


@contextmanager
def session(kind: str) -> Iterator[Session]:
    made = Session(kind)
    try:
        yield made
    finally:
        made.close()


async def _awaited(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


async def _collect(iterator: Any) -> list[Any]:
    return [item async for item in iterator]


Message = MutableMapping[str, Any]


def as_asgi(app: Any) -> Callable[..., Awaitable[None]]:
    """A WSGI application as an ASGI one; each call blocks the loop, which a quick one may."""

    async def asgi(
        scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        import io

        body = (await receive())["body"]
        environ: dict[str, Any] = {
            "REQUEST_METHOD": scope["method"],
            "PATH_INFO": scope["path"],
            "QUERY_STRING": scope["query_string"].decode(),
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
        }
        for name, value in scope["headers"]:
            key = name.decode().upper().replace("-", "_")
            environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value.decode()
        started: list[tuple[str, list[tuple[str, str]]]] = []
        chunks = b"".join(app(environ, lambda status, headers: started.append((status, headers))))
        status, headers = started[0]
        encoded = [(name.lower().encode(), value.encode()) for name, value in headers]
        await send({"type": "http.response.start", "status": int(status[:3]), "headers": encoded})
        await send({"type": "http.response.body", "body": chunks})

    return asgi


every_wire_at_length = pytest.mark.parametrize(
    ("kind", "transport"),
    at_length(over_a_socket(), DEFAULTS),
)
