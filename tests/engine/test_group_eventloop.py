"""Groups in an event loop: each way to end an iteration leaves no coroutine, exchange, leader or signal behind."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from altcraft import AsyncClient, AsyncTask, ClientClosed, WaitTimeout
from altcraft.engine.group import Group
from altcraft.schema import SegmentsRefreshCounters
from altcraft.testing import AsyncFakeTransport
from engine.loops import LOOPS, AsyncStage, in_every_loop, leftovers
from engine.stage import DONE, FOREVER, RUNNING, STARTED, is_scheduled

pytestmark = pytest.mark.parametrize("loop_kind", LOOPS)


def made(stage: AsyncStage, count: int) -> tuple[AsyncClient, list[AsyncTask[object]]]:
    client = AsyncClient("https://example.com", token="t", transport=stage, polling=FOREVER)
    return client, [client.tasks.resume(f"t-{number}") for number in range(count)]


async def nothing_is_left(client: AsyncClient, tasks: list[AsyncTask[object]], stage: AsyncStage) -> None:
    """And the tasks can be followed again, to the end."""
    assert await leftovers() == set()
    assert not stage.under_way
    assert client._engine._signals == ()
    assert all(task._followed.leader is None and not is_scheduled(task) for task in tasks)
    again = asyncio.ensure_future(_all(client.tasks.as_completed(tasks, max_in_flight=2)))
    for _ in range(sum(not task.done() for task in tasks)):
        (await stage.next()).answer(DONE)
    assert set(await again) == set(tasks)
    await client.close()


async def _all(iterator: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in iterator]


async def by_aclose(iteration: Any) -> None:
    await anext(iteration)
    await iteration.aclose()


async def by_break(iteration: Any) -> None:
    async for _ in iteration:
        break
    del iteration
    gc.collect()
    await asyncio.sleep(0)


async def by_error(iteration: Any) -> None:
    with pytest.raises(LookupError):  # noqa: PT012  # the loop is what is left
        async for _ in iteration:
            raise LookupError
    del iteration
    gc.collect()
    await asyncio.sleep(0)


async def by_cancellation(iteration: Any) -> None:
    await anext(iteration)
    waiting = asyncio.ensure_future(anext(iteration))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def by_two_cancellations(iteration: Any) -> None:
    await anext(iteration)
    waiting = asyncio.ensure_future(anext(iteration))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


@pytest.mark.parametrize("workers", [1, 2, 32])
@pytest.mark.parametrize(
    "leave", [by_aclose, by_break, by_error, by_cancellation, by_two_cancellations], ids=lambda leave: leave.__name__
)
@in_every_loop
async def test_an_iteration_left_half_way_leaves_nothing_behind(
    leave: Callable[[Any], Coroutine[Any, Any, None]], workers: int
) -> None:
    stage = AsyncStage()
    client, tasks = made(stage, 40)
    leaving = asyncio.ensure_future(leave(client.tasks.as_completed(tasks, max_in_flight=workers)))
    calls = [await stage.next() for _ in range(workers)]
    calls[0].answer(DONE)
    await leaving
    while not stage.idle():
        await stage.next()
    await nothing_is_left(client, tasks, stage)


@in_every_loop
async def test_the_time_is_up_on_time_though_every_worker_hangs() -> None:
    stage = AsyncStage()
    client, tasks = made(stage, 4)
    with pytest.raises(WaitTimeout, match="4 of 4 tasks"):
        await _all(client.tasks.as_completed(tasks, timeout=0.05, max_in_flight=2))
    while not stage.idle():
        await stage.next()
    await nothing_is_left(client, tasks, stage)


@in_every_loop
async def test_closing_the_client_ends_iterations_and_sleeps() -> None:
    stage = AsyncStage()
    client, tasks = made(stage, 4)
    waiting = [asyncio.ensure_future(_all(client.tasks.as_completed(half))) for half in (tasks[:2], tasks[2:])]
    for _ in range(3):
        (await stage.next()).answer(RUNNING)
    await stage.next()
    await client.close()
    for each in waiting:
        with pytest.raises(ClientClosed):
            await each
    assert await leftovers() == set()
    assert all(task._followed.leader is None for task in tasks)


@in_every_loop
async def test_a_client_keeps_no_group_whose_workers_have_slept() -> None:
    async with AsyncClient("https://example.com", "t", transport=AsyncFakeTransport([RUNNING, DONE] * 20)) as client:
        for number in range(20):
            await _all(client.tasks.as_completed([client.tasks.resume(f"t-{number}")]))
        await leftovers()
        gc.collect()
        assert not [each for each in gc.get_objects() if type(each) is Group and each._engine is client._engine]


@in_every_loop
async def test_hints_from_other_threads_wake_a_group_and_make_it_poll_once() -> None:
    stage = AsyncStage()
    client, tasks = made(stage, 3)
    waiting = asyncio.ensure_future(_all(client.tasks.as_completed(tasks, max_in_flight=2)))
    for _ in tasks:
        (await stage.next()).answer(RUNNING)
    await leftovers()

    def pester() -> None:
        for _ in range(2_500):
            for task in tasks:
                task.notify()

    threads = [threading.Thread(target=pester) for _ in range(4)]
    for thread in threads:
        thread.start()
    first = await stage.next()
    for thread in threads:
        await asyncio.get_running_loop().run_in_executor(None, thread.join)
    answered = 0
    first.answer(RUNNING)
    while not all(is_scheduled(task) and not task._followed.is_hinted for task in tasks) or not stage.idle():
        (await stage.next()).answer(RUNNING)
        answered += 1
        await leftovers()
    assert answered <= 2 * len(tasks), "one for the hint, one for those during it"
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.get_running_loop().shutdown_default_executor()
    await nothing_is_left(client, tasks, stage)


@in_every_loop
async def test_what_a_transport_should_not_raise_reaches_the_consumer() -> None:
    stage = AsyncStage()
    client, tasks = made(stage, 5)
    waiting = asyncio.ensure_future(_all(client.tasks.as_completed(tasks, max_in_flight=2)))
    (await stage.next()).answer(ZeroDivisionError("oops"))
    with pytest.raises(ZeroDivisionError):
        await waiting
    while not stage.idle():
        await stage.next()
    await nothing_is_left(client, tasks, stage)


@in_every_loop
async def test_a_cancelled_worker_does_not_keep_the_consumer_waiting() -> None:
    stage = AsyncStage()
    client, tasks = made(stage, 2)
    waiting = asyncio.ensure_future(_all(client.tasks.as_completed(tasks, max_in_flight=1)))
    await stage.next()
    for worker in await leftovers() - {waiting}:
        worker.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await nothing_is_left(client, tasks, stage)


@in_every_loop
async def test_cancelling_ends_the_submissions_that_have_not_begun() -> None:
    stage = AsyncStage()
    client, _ = made(stage, 0)
    requests = [SegmentsRefreshCounters(number, 24) for number in range(9)]
    waiting = asyncio.ensure_future(client.submit_many(requests, max_in_flight=2))
    (await stage.next()).answer(STARTED)
    await stage.next()
    await stage.next()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert stage.idle()
    await nothing_is_left(client, [], stage)


@in_every_loop
async def test_a_task_may_be_waited_for_singly_and_in_two_groups_at_the_same_time() -> None:
    stage = AsyncStage()
    client, tasks = made(stage, 2)
    waiting = [asyncio.ensure_future(_all(client.tasks.as_completed(tasks))) for _ in range(2)]
    single = asyncio.ensure_future(tasks[0].result())
    for _ in tasks:
        (await stage.next()).answer(DONE)
    assert await single == []
    for each in waiting:
        assert set(await each) == set(tasks)
    assert stage.idle()
    await nothing_is_left(client, tasks, stage)
