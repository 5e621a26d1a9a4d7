"""PerLoop: an AsyncClient for each event loop, closed with the loop, however the loop is run."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import weakref
from collections.abc import Iterator

import pytest
from asgiref.sync import async_to_sync

from altcraft import AsyncClient, ClientClosed, PerLoop
from altcraft.testing import AsyncFakeTransport, reply
from altcraft_plugins.sandbox import SandboxServer, serve


class Made:
    """Makes clients over scripted transports, and keeps both."""

    def __init__(self) -> None:
        self.clients: list[AsyncClient] = []
        self.transports: list[AsyncFakeTransport] = []

    def __call__(self) -> AsyncClient:
        self.transports.append(AsyncFakeTransport([reply([])], repeat=True))
        self.clients.append(AsyncClient("https://your.host", token="t", transport=self.transports[-1]))
        return self.clients[-1]


@pytest.fixture
def made() -> Made:
    return Made()


async def ask(clients: PerLoop) -> AsyncClient:
    client = await clients()
    await client.databases.get_counters(5, resource_id=24)
    return client


def run_by_hand(clients: PerLoop) -> AsyncClient:
    loop = asyncio.new_event_loop()
    try:
        client = loop.run_until_complete(ask(clients))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
    return client


RUNNERS = {
    "asyncio.run": lambda clients: asyncio.run(ask(clients)),
    "asgiref": lambda clients: async_to_sync(ask)(clients),
    "by hand": run_by_hand,
}


@pytest.mark.parametrize("runner", RUNNERS)
def test_each_loop_has_a_client_of_its_own_which_is_closed_with_the_loop(made: Made, runner: str) -> None:
    clients = PerLoop(made)
    used = [RUNNERS[runner](clients) for _ in range(3)]
    assert len({id(client) for client in used}) == 3
    assert [transport.closed for transport in made.transports] == [True, True, True]


def test_the_tasks_of_a_loop_share_its_client(made: Made) -> None:
    clients = PerLoop(made)

    async def main() -> None:
        used = await asyncio.gather(*(ask(clients) for _ in range(20)))
        assert {id(client) for client in used} == {id(made.clients[0])}
        assert not made.transports[0].closed

    asyncio.run(main())
    assert [transport.closed for transport in made.transports] == [True]


def test_the_loops_of_threads_have_clients_of_their_own(made: Made) -> None:
    clients = PerLoop(made)
    together = threading.Barrier(4)

    async def main() -> None:
        client = await clients()
        together.wait(10)
        assert await clients() is client

    threads = [threading.Thread(target=lambda: asyncio.run(main())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made.clients) == 4
    assert all(transport.closed for transport in made.transports)


def test_a_loop_that_ends_with_an_error_or_a_wait_under_way_closes_its_client(made: Made) -> None:
    clients = PerLoop(made)

    async def wait_for_ever() -> None:
        task = (await clients()).tasks.resume("930bfdb0")
        await task.result()

    async def fail() -> None:
        made.transports.clear()
        waiting = asyncio.ensure_future(wait_for_ever())
        await asyncio.sleep(0)
        raise ZeroDivisionError(waiting)

    with pytest.raises(ZeroDivisionError):
        asyncio.run(fail())
    assert [transport.closed for transport in made.transports] == [True]


def test_a_loop_that_is_closed_by_hand_is_forgotten_at_the_next_use(made: Made) -> None:
    clients = PerLoop(made)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(ask(clients))
    loop.close()
    asyncio.run(ask(clients))
    del loop
    gc.collect()
    assert [transport.closed for transport in made.transports] == [False, True]


def test_nothing_is_kept_of_a_loop_that_has_ended(made: Made) -> None:
    clients = PerLoop(made)
    asyncio.run(ask(clients))
    client = weakref.ref(made.clients.pop())
    gc.collect()
    assert client() is None


def test_what_the_maker_raises_goes_through_and_the_next_use_tries_again(made: Made) -> None:
    answers = iter([ValueError("no URL"), None])

    def make() -> AsyncClient:
        error = next(answers)
        if error is not None:
            raise error
        return made()

    clients = PerLoop(make)

    async def main() -> None:
        with pytest.raises(ValueError, match="no URL"):
            await clients()
        await ask(clients)

    asyncio.run(main())


def test_a_client_that_outlives_its_loop_is_closed(made: Made) -> None:
    client = asyncio.run(ask(PerLoop(made)))

    async def main() -> None:
        with pytest.raises((ClientClosed, RuntimeError)):
            await client.databases.get_counters(5, resource_id=24)

    asyncio.run(main())


def test_under_trio_it_says_that_it_needs_asyncio(made: Made) -> None:
    import trio

    async def main() -> None:
        with pytest.raises(RuntimeError, match="PerLoop needs asyncio"):
            await PerLoop(made)()

    trio.run(main)


@pytest.fixture(scope="module")
def platform() -> Iterator[SandboxServer]:
    with serve(port=0, pace=0, profiles=10) as server:
        yield server


@pytest.mark.slow
@pytest.mark.leaves_threads  # those of the server
@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="this system does not list a process's descriptors")
@pytest.mark.parametrize("transport", ["threads", "aiohttp", "httpx"])
def test_a_hundred_loops_leave_no_descriptor_and_no_thread(platform: SandboxServer, transport: str) -> None:
    clients = PerLoop(lambda: AsyncClient(platform.url, "sandbox", transport=transport))
    asyncio.run(ask(clients))  # what is opened once and for all
    gc.disable()
    try:
        before = len(os.listdir("/dev/fd")), threading.active_count()
        for _ in range(100):
            asyncio.run(ask(clients))
        after = len(os.listdir("/dev/fd")), threading.active_count()
    finally:
        gc.enable()
    assert after[0] <= before[0] + 4, "a connection of the server's may still be ending"
    assert after[1] <= before[1] + 4
