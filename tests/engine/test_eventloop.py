"""AsyncClient in its loop: cancelled at every await, hinted at from threads, closed, timed out; and under trio.

What both clients have in common is tested in test_client, test_task and test_group. Here each test runs in debug mode,
and fails when it leaves a task of asyncio's behind, or something that the loop complains of.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import altcraft
from altcraft import (
    AsyncClient,
    AsyncTask,
    ClientClosed,
    ConnectionLost,
    HttpRequest,
    HttpResponse,
    Polling,
    Retry,
    TaskFailed,
    WaitTimeout,
)
from altcraft.schema import SegmentsRefreshCounters
from altcraft.tasks.resume import parse_resume_token
from altcraft.testing import AsyncFakeTransport, reply
from engine.loops import LOOPS, AsyncStage, Prompt, Steady, cancelled_at, in_every_loop, leftovers, run_in
from engine.stage import DONE, FAILED, PATIENCE, RUNNING, STARTED

FOREVER = Polling(initial=1e6, maximum=1e6, jitter=False, predict=False)
"""No task is polled a second time unless a hint wakes the sleepers."""


@pytest.fixture(params=list(LOOPS))
def loop_kind(request: pytest.FixtureRequest) -> str:
    return request.param


@contextlib.asynccontextmanager
async def on_stage(**settings: Any) -> Any:
    """A client on a stage."""
    stage = AsyncStage()
    settings.setdefault("polling", FOREVER)
    async with AsyncClient("https://example.com", "a-token", transport=stage, **settings) as client:
        yield client, stage
    assert not stage.under_way


async def outcome(awaitable: Awaitable[Any]) -> Any:
    """What it comes to, be it an error."""
    try:
        return await awaitable
    except Exception as error:
        return error


async def follow(
    task: AsyncTask[Any], stage: AsyncStage, count: int
) -> tuple[asyncio.Task[Any], list[asyncio.Task[Any]]]:
    """A leader, asleep until it is woken, and so many followers."""
    leader = asyncio.ensure_future(task.result())
    (await stage.next()).answer(RUNNING)
    await stage.asleep()
    followers = [asyncio.ensure_future(task.result()) for _ in range(count)]
    await asyncio.sleep(0)
    return leader, followers


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


# Cancelling.


TaskOf = AsyncTask[Any]
SCENARIOS: dict[str, Callable[[AsyncClient, TaskOf], Awaitable[Any]]] = {
    "submit": lambda client, _: client.segments.refresh_counters(7, resource_id=24),
    "call": lambda client, _: client.segments.get_counters(7, resource_id=24),
    "status": lambda client, _: client.tasks.status("t-1"),
    "poll": lambda _, task: task.poll(),
    "result": lambda _, task: task.result(),
    "exception": lambda _, task: task.exception(timeout=1000),
    "await": lambda _, task: _awaited(task),
    "as_completed": lambda client, task: _all(client, task),
    "wait": lambda client, task: client.tasks.wait([task, client.tasks.resume("t-2")], max_in_flight=2),
    "submit_many": lambda client, _: client.submit_many(
        [SegmentsRefreshCounters(number, 24) for number in range(3)], max_in_flight=2
    ),
    "close": lambda client, _: client.close(),
}


async def _awaited(task: TaskOf) -> Any:
    return await task


async def _all(client: AsyncClient, task: TaskOf) -> list[TaskOf]:
    tasks = [task, *(client.tasks.resume(f"t-{number}") for number in range(2, 4))]
    async with contextlib.aclosing(client.tasks.as_completed(tasks, max_in_flight=2)) as iteration:
        return [each async for each in iteration]


class Platform:
    """Everything fails once before it works, so that every path has its retry; a task takes three polls."""

    def __init__(self) -> None:
        self.asked: Counter[bytes] = Counter()

    def __call__(self, request: HttpRequest) -> HttpResponse | BaseException:
        self.asked[request.url.encode() + request.body] += 1
        time = self.asked[request.url.encode() + request.body]
        if request.url.endswith("tasks/status"):
            return (RUNNING, ConnectionLost("reset"), RUNNING, DONE)[min(time, 4) - 1]
        if time == 1:
            return altcraft.ConnectError("refused")
        return STARTED if request.url.endswith("refresh_counters") else reply([])


@pytest.mark.parametrize("other", ["alone", "before", "after", "group"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_cancellation_at_any_await_ends_that_and_nothing_else(scenario: str, other: str) -> None:
    run_in("asyncio", lambda: cancelled_in_every_turn(scenario, other), debug=False)


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
            assert len(await _all(client, client.tasks.resume("t-9"))) == 3
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


# Loops.


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
