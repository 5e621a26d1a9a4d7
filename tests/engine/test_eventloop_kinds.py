"""Which loops an AsyncClient runs in: any of asyncio's, one for its whole life; and trio."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from altcraft import AsyncClient, ClientClosed, Retry, WaitTimeout
from altcraft.testing import AsyncFakeTransport
from engine.loops import LOOPS, Prompt, Steady
from engine.scenarios import SCENARIOS, Platform, TaskOf
from engine.stage import DONE, FOREVER, PATIENCE, RUNNING, STARTED


def test_a_client_may_be_made_before_there_is_a_loop(loop_kind: str) -> None:
    client = AsyncClient("https://example.com", "a-token", transport=AsyncFakeTransport([STARTED, RUNNING, DONE]))

    async def use() -> list[Any]:
        async with client:
            return await (await client.segments.refresh_counters(7, resource_id=24))

    loop = LOOPS[loop_kind]()
    assert loop.run_until_complete(use()) == []
    loop.close()


def test_a_second_loop_is_refused_with_advice(loop_kind: str) -> None:
    transport = AsyncFakeTransport([DONE], repeat=True)
    client = AsyncClient("https://example.com", "a-token", transport=transport, retry=Retry(attempts=1))

    async def use() -> Any:
        return await client.tasks.resume("t-1")

    first, second = LOOPS[loop_kind](), LOOPS[loop_kind]()
    assert first.run_until_complete(use()) == []
    assert first.run_until_complete(use()) == []
    first.close()
    with pytest.raises(RuntimeError, match="belongs to the event loop of its first call: make one client in each loop"):
        second.run_until_complete(use())
    assert len(transport.requests) == 2
    second.run_until_complete(client.close())
    second.close()
    assert transport.closed


@pytest.fixture
def trio() -> Any:
    return pytest.importorskip("trio")


class TrioStage(Steady):
    """As `Steady`, under trio."""

    async def _turns(self, count: int) -> None:
        import trio

        self.busy += 1
        try:
            for _ in range(count):
                await trio.lowlevel.checkpoint()
        finally:
            self.busy -= 1


def test_single_tasks_work_under_trio(trio: Any) -> None:
    steady = TrioStage(Platform())
    seen: list[str] = []

    async def main() -> None:
        async with AsyncClient("https://example.com", "a-token", transport=steady) as client:
            task = await client.segments.refresh_counters(7, resource_id=24)
            assert await task.result(on_progress=lambda status: seen.append(status.status)) == []
            assert await task == []
            assert (await client.tasks.status("t-2")).status == "running"
            assert await client.segments.get_counters(7, resource_id=24) == []
            with pytest.raises(WaitTimeout):
                await client.tasks.resume("t-3").result(timeout=0)

    trio.run(main)
    assert seen == ["running", "running", "completed"]
    assert steady.closed


def test_one_polls_for_all_under_trio_too_and_a_cancelled_one_is_replaced(trio: Any) -> None:
    steady = TrioStage(Platform())
    results: list[Any] = []

    async def wait(task: TaskOf) -> None:
        results.append(await task.result())

    async def main() -> None:
        async with AsyncClient("https://example.com", "a-token", transport=steady) as client:
            task = client.tasks.resume("t-1")
            async with trio.open_nursery() as nursery:
                with trio.move_on_after(0) as scope:
                    await task.result()
                assert scope.cancelled_caught
                for _ in range(3):
                    nursery.start_soon(wait, task)
            assert steady.busy == 0

    trio.run(main)
    assert results == [[]] * 3
    polls = [request for request in steady.sent if request.url.endswith("tasks/status")]
    assert len(polls) <= 5


def test_closing_wakes_the_waits_under_trio(trio: Any) -> None:
    ended: list[BaseException] = []

    async def wait(task: TaskOf) -> None:
        try:
            await task.result()
        except ClientClosed as error:
            ended.append(error)

    async def main() -> None:
        prompt = Prompt(lambda _: RUNNING)
        client = AsyncClient("https://example.com", "a-token", transport=prompt, polling=FOREVER)
        task = client.tasks.resume("t-1")
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(wait, task)
                while prompt.asleep < 3:  # the leader, and two followers that look for its end again and again
                    await trio.lowlevel.checkpoint()
                await client.close()

    trio.run(main)
    assert len(ended) == 3


@pytest.mark.parametrize("what", ["as_completed", "wait", "submit_many"])
def test_groups_say_under_trio_that_they_need_asyncio(trio: Any, what: str) -> None:
    async def main() -> None:
        async with AsyncClient("https://example.com", "a-token", transport=TrioStage(Platform())) as client:
            task = client.tasks.resume("t-1")
            with pytest.raises(RuntimeError, match="need asyncio: under another event loop, await each task by itself"):
                await SCENARIOS[what](client, task)
            assert await task == []

    trio.run(main)


def test_a_client_of_asyncio_is_refused_under_trio(trio: Any) -> None:
    client = AsyncClient("https://example.com", "a-token", transport=AsyncFakeTransport([DONE], repeat=True))

    async def use() -> Any:
        return await client.tasks.resume("t-1")

    assert asyncio.run(use()) == []
    with pytest.raises(RuntimeError, match="belongs to the event loop of its first call"):
        trio.run(use)
