"""What the caller's context holds, it holds in the thread that carries out the exchange."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

from altcraft import AsyncClient, HttpRequest, HttpResponse
from altcraft.testing import FakeTransport, reply
from altcraft_transports.threads import ThreadsTransport

TRACE: contextvars.ContextVar[str] = contextvars.ContextVar("trace", default="none")


def test_a_worker_thread_runs_in_the_context_of_each_caller() -> None:
    seen: list[str] = []

    def answer(request: HttpRequest) -> HttpResponse:
        seen.append(TRACE.get())
        return reply([])

    async def call(client: AsyncClient, name: str) -> Any:
        TRACE.set(name)
        return await client.databases.get_counters(5, resource_id=24)

    async def main() -> None:
        transport = ThreadsTransport(FakeTransport([answer] * 3), workers=1)
        async with AsyncClient("https://example.com", "token", transport=transport) as client:
            await asyncio.gather(*(call(client, name) for name in ("a", "b", "c")))

    asyncio.run(main())
    assert sorted(seen) == ["a", "b", "c"]
