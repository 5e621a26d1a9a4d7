"""An AsyncClient under trio, over the bundled transports."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from altcraft import AsyncClient, AsyncTask, ClientClosed, Polling
from altcraft_plugins.sandbox import Sandbox
from engine.stage import FOREVER
from integration.carriers import over_a_socket
from integration.servers import serving

trio = pytest.importorskip("trio")

pytestmark = pytest.mark.leaves_threads  # the server is shared by the module

WIRES = [name for kind, name in over_a_socket() if kind == "AsyncClient"]
TRIO_WIRES = [name for name in WIRES if name != "aiohttp"]
BRISK = Polling(initial=0.01, maximum=0.05)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Sandbox(pace=0) as sandbox, serving(sandbox) as url:
        yield url


@pytest.fixture(scope="module")
def slow_url() -> Iterator[str]:
    with Sandbox(pace=600) as sandbox, serving(sandbox) as url:
        yield url


@pytest.mark.parametrize("codec", ["json", "xml"])
@pytest.mark.parametrize("transport", TRIO_WIRES)
def test_a_task_is_submitted_followed_and_read(url: str, transport: str, codec: str) -> None:
    async def main() -> Any:
        async with AsyncClient(url, "sandbox", transport=transport, codec=codec, polling=BRISK) as client:
            task = await client.segments.refresh_counters(7, resource_id=24, db_id=1)
            (segment,) = await task.result(timeout=30)
            assert (await client.tasks.status(task.id)).result == [segment]
            return segment.channels[0].status.subscribed_sendable

    assert trio.run(main) == 209


@pytest.mark.parametrize("transport", TRIO_WIRES)
def test_a_wait_is_cancelled_and_closing_wakes_all_who_wait(slow_url: str, transport: str) -> None:
    ended: list[ClientClosed] = []

    async def wait(task: AsyncTask[Any]) -> None:
        try:
            await task
        except ClientClosed as error:
            ended.append(error)

    async def main() -> None:
        client = AsyncClient(slow_url, "sandbox", transport=transport, polling=FOREVER)
        task = await client.segments.refresh_counters(7, resource_id=24, db_id=1)
        with trio.move_on_after(0.05) as scope:
            await task
        assert scope.cancelled_caught
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(wait, task)
            await trio.sleep(0.05)
            began = time.monotonic()
            await client.close()
        assert time.monotonic() - began < 5

    trio.run(main)
    assert len(ended) == 3


@pytest.mark.skipif("aiohttp" not in WIRES, reason="aiohttp is not installed")
def test_aiohttp_says_that_it_needs_asyncio(url: str) -> None:
    async def main() -> None:
        async with AsyncClient(url, "sandbox", transport="aiohttp") as client:
            with pytest.raises(RuntimeError, match="needs asyncio: under trio, choose 'threads' or 'httpx'"):
                await client.databases.get_counters(5, resource_id=24)

    trio.run(main)
