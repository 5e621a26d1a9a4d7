"""After a fork, a Client goes on with locks and connections of its own, and an AsyncClient says what to do."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from altcraft import AsyncClient, Client, ClientClosed, UsedAfterFork
from altcraft_plugins.sandbox import SandboxServer, serve
from engine.stage import PATIENCE, RUNNING, Stage

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with serve(port=0, profiles=20, pace=0.01, tokens=["demo"]) as served:
        yield served


def in_child(work: Callable[[], object]) -> str:
    """What the work returns, or raises, in a forked child."""
    read, written = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            said = str(work())
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(written, said.encode()[:4000])
        os._exit(0)
    os.close(written)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


@pytest.mark.leaves_threads
def test_a_client_goes_on_in_a_child(server: SandboxServer) -> None:
    with Client(server.url, "demo") as client:
        counters = client.databases.get_counters(5, resource_id=24)
        assert in_child(lambda: client.databases.get_counters(5, resource_id=24)) == str(counters)
        assert client.databases.get_counters(5, resource_id=24) == counters


@pytest.mark.leaves_threads
def test_a_lock_that_another_thread_holds_at_the_fork_keeps_no_child_waiting(server: SandboxServer) -> None:
    held, let_go = threading.Event(), threading.Event()
    with Client(server.url, "demo") as client:
        task = client.databases.refresh_counters(5, resource_id=24)

        def hold() -> None:
            with client._engine.lock:
                held.set()
                let_go.wait(PATIENCE)

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait(PATIENCE)
        try:
            said = in_child(lambda: (signal_after(PATIENCE), task.result(timeout=PATIENCE)[0].resource_id)[1])
        finally:
            let_go.set()
            holder.join()
    assert said == "24"


def signal_after(seconds: float) -> None:
    """Ends a child that hangs."""
    import signal

    signal.alarm(int(seconds))


@pytest.mark.leaves_threads
def test_a_task_that_the_parent_waits_for_is_led_anew_in_a_child() -> None:
    stage = Stage()
    with Client("https://example.com", "t", transport=stage) as client:
        task = client.tasks.resume("t-1")

        def wait() -> None:
            with pytest.raises(ClientClosed):
                task.result()

        waiter = threading.Thread(target=wait)
        waiter.start()
        stage.next().answer(RUNNING)
        stage.asleep()  # the parent's wait leads, and sleeps

        def lead() -> str:
            with client._engine.lock:
                return str(task._followed.leader)

        assert in_child(lead) == "None"
        client.close()
        waiter.join()


@pytest.mark.leaves_threads
def test_an_iteration_of_the_parent_says_so_in_a_child(server: SandboxServer) -> None:
    with Client(server.url, "demo") as client:
        tasks = [client.databases.refresh_counters(5, resource_id=24) for _ in range(3)]
        iteration = client.tasks.as_completed(tasks)
        next(iteration)
        assert in_child(lambda: next(iteration)).startswith("UsedAfterFork: this iteration belongs to the process")
        assert len(list(iteration)) == 2


def test_an_async_client_in_a_child_says_what_to_do(server: SandboxServer) -> None:
    async def main() -> None:
        async with AsyncClient(server.url, "demo") as client:
            await client.databases.get_counters(5, resource_id=24)

            def use() -> Any:
                return asyncio.new_event_loop().run_until_complete(client.databases.get_counters(5, resource_id=24))

            assert in_child(lambda: _without_loop(use)).startswith("UsedAfterFork: this AsyncClient belongs to")

    asyncio.run(main())
    assert issubclass(UsedAfterFork, RuntimeError)


def _without_loop(work: Callable[[], object]) -> object:
    """Calls the work outside of the loop that the parent ran in this thread."""
    asyncio._set_running_loop(None)
    return work()
