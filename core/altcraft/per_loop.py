"""One `AsyncClient` for each event loop, for frameworks that run coroutines in many loops.

Page: docs/how-to/frameworks.md.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING

from altcraft.async_client import AsyncClient
from altcraft.engine.eventloop import running_loop

if TYPE_CHECKING:
    import asyncio

__all__ = ["PerLoop"]


class PerLoop:
    """An AsyncClient for each event loop: made at the first use in a loop, and closed with that loop.

        clients = PerLoop(AsyncClient.from_env)

        async def view(request):
            client = await clients()

    An AsyncClient belongs to one loop. A framework that runs each view, or each job, in a loop of its own needs a
    client for each; Django does so with async views under WSGI. The coroutines of one loop share its client, which they
    must not close: a loop closes it in `shutdown_asyncgens`, which asyncio.run, asgiref and anyio call at its end.

    `make` makes a client. What it raises goes through, and the next use tries again. For asyncio; threads may share it.
    """

    def __init__(self, make: Callable[[], AsyncClient]) -> None:
        self._make = make
        self._kept: dict[asyncio.AbstractEventLoop, tuple[AsyncClient, AsyncGenerator[AsyncClient, None]]] = {}

    async def __call__(self) -> AsyncClient:
        """The client of the running loop. RuntimeError under another loop than asyncio's."""
        loop = running_loop()
        if loop is None:
            raise RuntimeError("PerLoop needs asyncio: under another event loop, make one AsyncClient in the loop")
        if loop not in self._kept:
            for closed in [
                known for known in tuple(self._kept) if known.is_closed()
            ]:  # by hand, without its generators
                self._kept.pop(closed, None)
            keeper = self._keep(loop)
            self._kept[loop] = await anext(keeper), keeper
        return self._kept[loop][0]

    async def _keep(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[AsyncClient, None]:
        """Yields a client, and closes it when the loop shuts down its asynchronous generators."""
        client = self._make()
        try:
            yield client
        finally:
            self._kept.pop(loop, None)
            await client.close()
