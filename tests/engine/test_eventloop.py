"""AsyncClient in its loop: awaited by many, hinted at from threads, closed.

What both clients have in common is tested in test_client, test_task and test_group. Here each test runs in debug mode,
and fails when it leaves a task of asyncio's behind, or something that the loop complains of.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from altcraft import (
    AsyncClient,
    ClientClosed,
    ConnectionLost,
    HttpRequest,
    HttpResponse,
    TaskFailed,
    WaitTimeout,
)
from altcraft.schema import SegmentsRefreshCounters
from altcraft.tasks.resume import parse_resume_token
from altcraft.testing import AsyncFakeTransport, reply
from engine.loops import AsyncStage, Prompt, Steady, in_every_loop
from engine.scenarios import SCENARIOS, TaskOf, follow, on_stage, outcome
from engine.stage import DONE, FAILED, FOREVER, PATIENCE, RUNNING, STARTED

# Waiting.


@in_every_loop
async def test_a_task_is_awaited_for_its_result() -> None:
    async with on_stage() as (client, stage):
        waiting = asyncio.ensure_future(client.segments.refresh_counters(7, resource_id=24))
        (await stage.next()).answer(STARTED)
        task = await waiting
        result = asyncio.ensure_future(task)
        (await stage.next()).answer(DONE)
        assert await result == []
        assert await task == []


@in_every_loop
async def test_many_tasks_are_gathered() -> None:
    polls: Counter[bytes] = Counter()

    def answer(request: HttpRequest) -> HttpResponse:
        polls[request.body] += 1
        return DONE if polls[request.body] > 2 else RUNNING

    async with AsyncClient("https://example.com", "a-token", transport=Steady(answer)) as client:
        tasks = [client.tasks.resume(f"t-{number}") for number in range(200)]
        assert await asyncio.gather(*tasks) == [[]] * 200
    assert set(polls.values()) == {3}


@in_every_loop
async def test_one_coroutine_polls_for_all_who_wait() -> None:
    async with on_stage() as (client, stage):
        task = client.tasks.resume("t-1")
        waiting = [asyncio.ensure_future(task.result()) for _ in range(16)]
        (await stage.next()).answer(DONE)
        assert await asyncio.gather(*waiting) == [[]] * 16
        assert stage.idle()


@in_every_loop
async def test_followers_are_told_of_progress_and_of_the_failure() -> None:
    async with on_stage() as (client, stage):
        task = client.tasks.resume("t-1")
        seen: list[list[str]] = [[] for _ in range(4)]
        waiting = [
            asyncio.ensure_future(
                outcome(task.result(on_progress=lambda status, mine=mine: mine.append(status.status)))
            )
            for mine in seen
        ]
        (await stage.next()).answer(RUNNING)
        await stage.asleep()
        task.notify()
        (await stage.next()).answer(FAILED)
        for error in await asyncio.gather(*waiting):
            assert isinstance(error, TaskFailed)
        assert seen == [["running", "failed"]] * 4


@in_every_loop
async def test_a_follower_keeps_to_its_own_deadline() -> None:
    async with on_stage() as (client, stage):
        task = client.tasks.resume("t-1")
        leader, _ = await follow(task, stage, 0)
        follower = asyncio.ensure_future(outcome(task.result(timeout=0.01)))
        poll = await stage.next()
        assert poll.timeout <= 1.0
        poll.answer(RUNNING)
        assert isinstance(await follower, WaitTimeout)
        task.notify()
        (await stage.next()).answer(DONE)
        assert await leader == []


# Hints.


@in_every_loop
async def test_a_hint_from_a_thread_wakes_at_once() -> None:
    async with on_stage() as (client, stage):
        task = client.tasks.resume("t-1")
        leader, _ = await follow(task, stage, 0)
        thread = threading.Thread(target=task.notify)
        thread.start()
        (await stage.next()).answer(DONE)
        thread.join()
        assert await leader == []


@pytest.mark.parametrize("way", ["result", "as_completed"])
@in_every_loop
async def test_no_hint_from_a_thread_is_ever_lost(way: str) -> None:
    """Under debug mode, which refuses what is called in a loop from another thread."""
    done = False

    def answer(request: HttpRequest) -> HttpResponse:
        return DONE if done else RUNNING

    def hint(task: TaskOf) -> None:
        nonlocal done
        for _ in range(10):
            task.notify()
        done = True
        task.notify()

    async def collect(client: AsyncClient, task: TaskOf) -> None:
        assert [each async for each in client.tasks.as_completed([task])] == [task]

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(1) as pool:
            async with AsyncClient("https://a.example", "a-token", transport=Prompt(answer), polling=FOREVER) as client:
                for number in range(100):
                    done = False
                    task = client.tasks.resume(f"t-{number}")
                    hints = pool.submit(hint, task)
                    await asyncio.wait_for(task.result() if way == "result" else collect(client, task), PATIENCE)
                    await asyncio.wrap_future(hints)
    finally:
        sys.setswitchinterval(before)


@in_every_loop
async def test_a_hint_before_the_first_sleep_is_heard() -> None:
    """It comes from a thread between the first reply and the first sleep of this loop."""
    async with on_stage() as (client, stage):
        task = client.tasks.resume("t-1")

        def hint(status: object) -> None:
            thread = threading.Thread(target=task.notify)
            thread.start()
            thread.join()

        waiting = asyncio.ensure_future(task.result(on_progress=hint))
        (await stage.next()).answer(RUNNING)
        (await stage.next()).answer(DONE)
        assert await waiting == []


def test_a_hint_after_the_loop_is_closed_does_nothing() -> None:
    async def wait(task: TaskOf) -> None:
        await outcome(task.result(timeout=0.01))

    client = AsyncClient("https://example.com", "a-token", transport=AsyncFakeTransport([RUNNING], repeat=True))
    task = client.tasks.resume("t-1")
    asyncio.run(wait(task))
    task.notify()
    assert not task.done()


# Closing.


@in_every_loop
async def test_closing_wakes_sleepers_and_followers() -> None:
    async with on_stage() as (client, stage):
        task = client.tasks.resume("t-1")
        leader, followers = await follow(task, stage, 4)
        await client.close()
        for error in await asyncio.gather(leader, *followers, return_exceptions=True):
            assert isinstance(error, ClientClosed)
            assert parse_resume_token(error.resume_token).task_id == task.id
        assert stage.idle()


@pytest.mark.parametrize("scenario", ["result", "poll", "status", "call", "as_completed", "wait", "exception"])
@in_every_loop
async def test_closing_ends_an_exchange_that_only_reads_with_client_closed(scenario: str) -> None:
    async with on_stage() as (client, stage):
        task = client.tasks.resume("t-1")
        waiting = asyncio.ensure_future(outcome(SCENARIOS[scenario](client, task)))
        await stage.next()
        await client.close()
        assert isinstance(await waiting, ClientClosed)
        assert not task.done()


@in_every_loop
async def test_closing_does_not_hide_that_a_submission_may_have_been_processed() -> None:
    async with on_stage() as (client, stage):
        one = asyncio.ensure_future(outcome(client.segments.refresh_counters(7, resource_id=24)))
        await stage.next()
        requests = [SegmentsRefreshCounters(number, 24) for number in range(4)]
        many = asyncio.ensure_future(outcome(client.submit_many(requests, max_in_flight=2)))
        await stage.next()
        await stage.next()
        await client.close()
        assert isinstance(await one, ConnectionLost)
        kinds = Counter(type(error) for error in (await many).errors.values())
        assert kinds == {ConnectionLost: 2, ClientClosed: 2}


@in_every_loop
async def test_closing_ends_a_backoff() -> None:
    async with on_stage() as (client, stage):
        waiting = asyncio.ensure_future(outcome(client.segments.get_counters(7, resource_id=24)))
        (await stage.next()).answer(reply(error=503, status=503, headers={"Retry-After": "20"}))
        assert await stage.asleep() == pytest.approx(20)
        await client.close()
        assert isinstance(await waiting, ClientClosed)


@in_every_loop
async def test_leaving_the_block_closes_the_client_after_any_error_in_it() -> None:
    stage = AsyncStage()
    with pytest.raises(ZeroDivisionError):
        async with AsyncClient("https://example.com", "a-token", transport=stage):
            raise ZeroDivisionError
    assert stage.closed
