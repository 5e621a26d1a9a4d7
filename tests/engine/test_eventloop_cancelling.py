"""AsyncClient in its loop, cancelled at every await: a cancellation ends one wait and nothing else."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from altcraft import AsyncClient, ClientClosed, HttpRequest, HttpResponse
from engine.loops import AsyncStage, Steady, cancelled_at, in_every_loop, leftovers, run_in
from engine.scenarios import SCENARIOS, Platform, TaskOf, follow, on_stage, outcome
from engine.stage import DONE, FOREVER


@pytest.mark.parametrize("other", ["alone", "before", "after", "group"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_cancellation_at_any_await_ends_that_and_nothing_else(scenario: str, other: str) -> None:
    run_in("asyncio", lambda: cancelled_in_every_turn(scenario, other), debug=False)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_cancellation_at_any_await_leaves_nothing_that_a_strict_loop_complains_of(
    scenario: str, loop_kind: str
) -> None:
    run_in(loop_kind, lambda: cancelled_in_every_turn(scenario, "alone", stride=5))


async def carry_out(scenario: str, client: AsyncClient, task: TaskOf) -> Any:
    return await outcome(SCENARIOS[scenario](client, task))


async def cancelled_in_every_turn(scenario: str, other: str, stride: int = 1) -> None:
    """Cancels after 0, 1, 2, … turns of the loop, until the work is done before it can be cancelled."""
    turn, was_cancelled = 0, True
    while was_cancelled:
        steady = Steady(Platform())
        client = AsyncClient("https://example.com", "a-token", transport=steady)
        task = client.tasks.resume("t-1")
        waiter: asyncio.Future[Any] | None = None
        if other == "before":
            waiter = asyncio.ensure_future(outcome(task.result()))
        elif other == "group":
            waiter = asyncio.ensure_future(outcome(client.tasks.wait([task])))
        victim = asyncio.ensure_future(carry_out(scenario, client, task))
        if other == "after":
            waiter = asyncio.ensure_future(outcome(task.result()))
        was_cancelled = await cancelled_at(turn, victim)
        ended = None if waiter is None else await waiter
        if scenario == "close":
            await client.close()
            assert steady.closed
            assert waiter is None or isinstance(ended, ClientClosed) or task.done()
        else:
            assert waiter is None or ended == [] or ended.done == {task}, (turn, ended)
            assert await task.result() == [], turn
            assert await client.databases.get_counters(5, resource_id=24) == []
            assert len(await SCENARIOS["as_completed"](client, client.tasks.resume("t-9"))) == 3
        assert steady.busy == 0, turn
        assert await leftovers() == set(), turn
        await client.close()
        turn += stride
    assert turn > 3, "there was nothing to cancel"


@in_every_loop
async def test_when_the_one_who_polls_is_cancelled_another_takes_over_at_once() -> None:
    async with on_stage() as (client, stage):
        task = client.tasks.resume("t-1")
        for during in ("a sleep", "an exchange"):
            leader, (follower,) = await follow(task, stage, 1)
            if during == "an exchange":
                task.notify()
                await stage.next()
            leader.cancel()
            call = await stage.next()
            assert leader.cancelled()
            assert stage.under_way == {call}
            follower.cancel()
            await asyncio.wait([follower])
            assert not stage.under_way
        last = asyncio.ensure_future(task.result())
        (await stage.next()).answer(DONE)
        assert await last == []


@in_every_loop
async def test_a_cancelled_follower_leaves_the_others_alone() -> None:
    async with on_stage() as (client, stage):
        task = client.tasks.resume("t-1")
        leader, followers = await follow(task, stage, 3)
        followers[1].cancel()
        await asyncio.wait([followers[1]])
        assert followers[1].cancelled()
        task.notify()
        (await stage.next()).answer(DONE)
        assert await asyncio.gather(leader, followers[0], followers[2]) == [[]] * 3


@in_every_loop
async def test_a_wait_is_bounded_by_asyncio_as_well() -> None:
    async with on_stage() as (client, stage):
        task = client.tasks.resume("t-1")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(task.result(), 0.01)
        if sys.version_info >= (3, 11):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await task
        assert not stage.under_way
        while not stage.idle():
            await stage.next()
        waiting = asyncio.ensure_future(task.result())
        (await stage.next()).answer(DONE)
        assert await waiting == []


@in_every_loop
async def test_an_iteration_left_half_way_leaves_nothing_behind() -> None:
    async with on_stage() as (client, stage):
        tasks = [client.tasks.resume(f"t-{number}") for number in range(20)]
        iteration = client.tasks.as_completed(tasks, max_in_flight=4)
        first = asyncio.ensure_future(anext(iteration))
        calls = [await stage.next() for _ in range(4)]
        calls[0].answer(DONE)
        await first
        await iteration.aclose()
        assert not stage.under_way
        assert await leftovers() == set()
        again = asyncio.ensure_future(tasks[-1].result())
        await asyncio.sleep(0)
        while not stage.idle():
            call = await stage.next()
        call.answer(DONE)
        assert await again == []


@in_every_loop
async def test_an_iteration_whose_end_is_cancelled_once_more_lets_go_of_its_tasks_all_the_same() -> None:
    class Stubborn(AsyncStage):
        async def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
            try:
                return await super().send(request, timeout=timeout)
            except asyncio.CancelledError:
                await asyncio.sleep(0.02)  # as a transport that has something to put in order
                raise

    stage = Stubborn()
    async with AsyncClient("https://example.com", "a-token", transport=stage, polling=FOREVER) as client:
        tasks = [client.tasks.resume(f"t-{number}") for number in range(3)]
        waiting = asyncio.ensure_future(client.tasks.wait(tasks))
        for _ in tasks:
            await stage.next()
        waiting.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await leftovers() == set()
        again = asyncio.ensure_future(tasks[0].result())
        (await stage.next()).answer(DONE)
        assert await again == []
