"""Follows a task in an event loop. All tasks of one connection share one client there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, ClassVar

from altcraft import AltcraftError, AsyncClient, HttpRequest, HttpResponse

from airflow_provider_altcraft.outcomes import failure, success
from airflow_provider_altcraft.settings import Settings

__all__ = ["follow", "warm_up"]


async def follow(settings: Settings, task: str) -> dict[str, Any]:
    """Steps until the task is done, and gives the payload of the trigger's event. `task` is a resume token or an id."""
    async with _client(settings) as client:
        try:
            followed = client.tasks.resume(task)
            while (delay := (await followed.step()).delay) is not None:
                await asyncio.sleep(delay)
            return success(await followed.result(timeout=0), followed)
        except (AltcraftError, LookupError) as error:
            return failure(error)


@dataclass
class _Shared:
    client: AsyncClient
    users: int = 0


class _Clients:
    """The clients that are in use, by their event loop and settings."""

    kept: ClassVar[dict[tuple[asyncio.AbstractEventLoop, Settings], _Shared]] = {}


@asynccontextmanager
async def _client(settings: Settings) -> AsyncIterator[AsyncClient]:
    """The running loop's client of a connection. Its last user closes it."""
    key = asyncio.get_running_loop(), settings
    shared = _Clients.kept.get(key)
    if shared is None:
        client = AsyncClient(settings.url, settings.token, **settings.keywords())
        shared = _Clients.kept[key] = _Shared(client)
    shared.users += 1
    try:
        yield shared.client
    finally:
        shared.users -= 1
        if not shared.users:
            del _Clients.kept[key]
            await shared.client.close()


_warm: set[str] = set()


def warm_up(settings: Settings) -> None:
    """Makes a client that never reaches the network, once a codec: loads what the first client and exchange need.

    For a worker thread: it takes several hundred milliseconds.
    """
    if settings.codec not in _warm:
        asyncio.run(_first_client(settings))
        _warm.add(settings.codec)


async def _first_client(settings: Settings) -> None:
    keywords = settings.keywords()
    await AsyncClient("https://localhost", **keywords).close()  # the transport's modules
    async with AsyncClient("https://localhost", transport=_Nowhere(), **keywords) as client:
        for answer in (client.check(), client.tasks.status("none")):
            with suppress(AltcraftError):  # what it makes of an empty answer does not matter
                await answer


class _Nowhere:
    """An AsyncTransport that answers every request with an empty document."""

    async def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        body = b"<response/>" if request.url.endswith("xml") else b"{}"
        kind = "application/xml" if request.url.endswith("xml") else "application/json"
        return HttpResponse(200, {"Content-Type": kind}, body)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        pass
