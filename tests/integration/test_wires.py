"""Hints, closing and cancelling over the real transports, with a server that takes its time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from altcraft import AsyncClient, Client, ClientClosed, TransportSettings
from altcraft.testing import reply
from altcraft.wire.transport import TransportRegistry
from engine.stage import DONE, FOREVER, PATIENCE, RUNNING
from integration.carriers import every_wire_at_length, over_a_socket, session
from integration.servers import RawServer

TOKEN = "a-token"
SOON = 5.0
"""Seconds within which something is to happen at once, also on a busy machine."""

WIRES = list(over_a_socket())
every_wire = pytest.mark.parametrize(("kind", "transport"), WIRES)
every_async_wire = pytest.mark.parametrize("transport", [name for kind, name in WIRES if kind == "AsyncClient"])


class Slow:
    """What a task does: it runs until `finish` is called. While `holding`, no request is answered."""

    def __init__(self) -> None:
        self.arrived = threading.Semaphore(0)
        self.done = False
        self._let_go = threading.Event()
        self._let_go.set()

    def __call__(self, request: bytes) -> Any:
        self.arrived.release()
        self._let_go.wait(PATIENCE)
        return DONE if self.done else RUNNING

    def hold(self) -> None:
        self._let_go.clear()

    def finish(self) -> None:
        self.done = True
        self._let_go.set()

    def wait(self) -> None:
        assert self.arrived.acquire(timeout=PATIENCE), "no request has come"


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def server(slow: Slow) -> Iterator[RawServer]:
    with RawServer(slow) as server:
        yield server
        slow.finish()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def eventually(holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + SOON
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.002)
    return True


@every_wire
def test_a_hint_from_a_thread_wakes_the_sleeper_of_a_bundled_transport(
    kind: str, transport: str, slow: Slow, server: RawServer, pool: ThreadPoolExecutor
) -> None:
    with session(kind) as run, run.client(server.url, TOKEN, transport=transport, polling=FOREVER) as client:
        task = client.tasks.resume("t-1")

        def hint() -> float:
            slow.wait()
            slow.finish()
            while not task._followed.status:  # until the first reply is read, and the sleep begins
                time.sleep(0.001)
            task.notify()
            return time.monotonic()

        hinted = pool.submit(hint)
        assert run.do(task.result(timeout=60)) == []
        assert time.monotonic() - hinted.result(PATIENCE) < SOON
    assert eventually(lambda: server.open == 0), "a connection outlives its client"


@every_wire
def test_closing_ends_an_exchange_over_a_bundled_transport_at_once(
    kind: str, transport: str, slow: Slow, server: RawServer, pool: ThreadPoolExecutor
) -> None:
    slow.hold()
    closed: list[float] = []
    if kind == "Client":
        client = Client(server.url, TOKEN, transport=transport, polling=FOREVER, request_timeout=60)
        waiting = pool.submit(client.tasks.resume("t-1").result)
        slow.wait()
        closed.append(time.monotonic())
        client.close()
        assert isinstance(waiting.exception(PATIENCE), ClientClosed)
    else:

        async def main() -> None:
            client = AsyncClient(server.url, TOKEN, transport=transport, polling=FOREVER, request_timeout=60)
            waiting = asyncio.ensure_future(client.tasks.resume("t-1").result())
            await asyncio.get_running_loop().run_in_executor(pool, slow.wait)
            closed.append(time.monotonic())
            await client.close()
            with pytest.raises(ClientClosed):
                await waiting
            assert asyncio.all_tasks() == {asyncio.current_task()}

        asyncio.run(main(), debug=True)
    assert time.monotonic() - closed[0] < SOON
    slow.finish()
    assert eventually(lambda: server.open == 0), "a connection outlives its client"


@every_async_wire
def test_cancelled_exchanges_leak_no_connection(
    transport: str, slow: Slow, server: RawServer, pool: ThreadPoolExecutor
) -> None:
    """More are cancelled than there are connections; after that, all of these are free."""
    port = TransportRegistry().create_async(transport, server.url, TransportSettings(connections=2))

    async def main() -> None:
        # An exchange in a worker thread can't be broken off: it ends by its timeout, and only then the worker is free.
        async with AsyncClient(server.url, TOKEN, transport=port, polling=FOREVER, request_timeout=10.0) as client:
            slow.hold()
            for _ in range(6):
                waiting = asyncio.ensure_future(client.tasks.resume("t-1").result())
                await asyncio.get_running_loop().run_in_executor(pool, slow.arrived.acquire, True, 0.05)
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting
            slow.finish()
            results = await asyncio.gather(*(client.tasks.resume(f"t-{n}").result(timeout=30) for n in range(8)))
            assert results == [[]] * 8
            assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main(), debug=True)
    assert eventually(lambda: server.open == 0), "a connection outlives its client"


@every_wire_at_length
def test_a_refusal_with_its_delay_is_heeded_over_a_bundled_transport(kind: str, transport: str) -> None:
    """The transports differ in the case that they give the names of headers; the client reads any case."""
    replies = [reply(error=429, status=429, headers={"Retry-After": "0"}), DONE]
    with RawServer(lambda _: replies.pop(0)) as server, session(kind) as run:
        with run.client(server.url, TOKEN, transport=transport) as client:
            began = time.monotonic()
            assert run.do(client.tasks.resume("t-1").result(timeout=30)) == []
            assert time.monotonic() - began < SOON
        assert len(server.requests) == 2


@every_wire
def test_a_request_timeout_without_an_end_is_none_at_all(kind: str, transport: str) -> None:
    with (
        RawServer(lambda _: DONE) as server,
        session(kind) as run,
        run.client(server.url, TOKEN, transport=transport, request_timeout=float("inf")) as client,
    ):
        assert run.do(client.tasks.resume("t-1").result()) == []
