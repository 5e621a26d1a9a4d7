"""A client shared by threads: who polls for whom, and what is left when it is closed.

Nothing here sleeps to let others get somewhere: each exchange waits on a stage until the test has seen it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import altcraft
from altcraft import (
    Client,
    ClientClosed,
    ConnectionLost,
    NotFound,
    RequestTimeout,
    TaskFailed,
    WaitTimeout,
)
from altcraft.schema import SegmentsRefreshCounters
from altcraft.tasks.resume import parse_resume_token
from altcraft.testing import reply
from engine.followers import gather, raised
from engine.stage import DONE, FAILED, FOREVER, PATIENCE, RUNNING, Stage, outcome

# Several threads wait for one task.


@pytest.mark.parametrize("crowd", [2, 16])
def test_one_thread_polls_for_all_who_wait(client: Client, stage: Stage, pool: ThreadPoolExecutor, crowd: int) -> None:
    task = client.tasks.resume("t-1")
    start = threading.Barrier(crowd)

    def wait() -> Any:
        start.wait(PATIENCE)
        return task.result()

    waiting = [pool.submit(wait) for _ in range(crowd)]
    stage.next().answer(DONE)
    assert [outcome(future) for future in waiting] == [[]] * crowd
    assert stage.idle()


def test_all_who_wait_are_told_of_the_failure(client: Client, stage: Stage, pool: ThreadPoolExecutor) -> None:
    task = client.tasks.resume("t-1")
    leader, followers = gather(pool, stage, task, 3)
    task.notify()
    stage.next().answer(FAILED)
    for future in (leader, *(follower.future for follower in followers)):
        assert isinstance(raised(future), TaskFailed)
    assert stage.idle()


def test_a_follower_sees_the_progress_and_the_terminal_state_too(
    client: Client, stage: Stage, pool: ThreadPoolExecutor
) -> None:
    task = client.tasks.resume("t-1")
    _leader, followers = gather(pool, stage, task, 3)
    task.notify()
    stage.next().answer(DONE)
    for follower in followers:
        outcome(follower.future)
        assert follower.seen[-1] == "completed"
        assert set(follower.seen[:-1]) == {"running"}


def test_a_wait_that_has_ended_is_told_nothing_more(client: Client, stage: Stage, pool: ThreadPoolExecutor) -> None:
    task = client.tasks.resume("t-1")
    leader, (follower,) = gather(pool, stage, task, 1, timeout=0.2)
    stage.next().answer(RUNNING)
    assert isinstance(raised(follower.future), WaitTimeout)
    seen = len(follower.seen)
    task.notify()
    stage.next().answer(DONE)
    outcome(leader)
    assert len(follower.seen) == seen


def test_each_keeps_to_its_own_deadline_with_one_last_poll(
    client: Client, stage: Stage, pool: ThreadPoolExecutor
) -> None:
    task = client.tasks.resume("t-1")
    leader = pool.submit(task.result)
    stage.next().answer(RUNNING)
    stage.asleep()
    follower = pool.submit(task.result, 0.02)
    poll = stage.next()
    assert poll.timeout <= 1.0, "a last poll, at the deadline, is to be short"
    poll.answer(RUNNING)
    error = raised(follower)
    assert isinstance(error, WaitTimeout)
    assert parse_resume_token(error.resume_token).task_id == task.id
    assert not leader.done()
    task.notify()
    stage.next().answer(DONE)
    assert outcome(leader) == []


def test_a_last_poll_that_finds_the_task_done_is_for_all(
    client: Client, stage: Stage, pool: ThreadPoolExecutor
) -> None:
    task = client.tasks.resume("t-1")
    leader = pool.submit(task.result)
    stage.next().answer(RUNNING)
    stage.asleep()
    follower = pool.submit(task.result, 0.02)
    stage.next().answer(DONE)
    assert outcome(follower) == outcome(leader) == []
    assert stage.idle()


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (ConnectionLost("reset"), WaitTimeout),
        (RequestTimeout("late"), WaitTimeout),
        (reply(error=503, status=503), WaitTimeout),
        (reply(error=404, error_text="no such task"), NotFound),
    ],
)
def test_a_last_poll_that_fails_ends_a_follower_s_wait_as_it_ends_the_leader_s(
    client: Client, stage: Stage, pool: ThreadPoolExecutor, failure: Any, error: type[Exception]
) -> None:
    task = client.tasks.resume("t-1")
    pool.submit(task.result)
    stage.next().answer(RUNNING)
    stage.asleep()
    follower = pool.submit(task.result, 0.02)
    stage.next().answer(failure)
    caught = raised(follower)
    assert type(caught) is error
    if error is WaitTimeout:
        assert isinstance(caught.__cause__, altcraft.AltcraftError)


def test_when_the_one_who_polls_runs_out_of_time_another_takes_over_at_once(
    client: Client, stage: Stage, pool: ThreadPoolExecutor
) -> None:
    task = client.tasks.resume("t-1")
    leader = pool.submit(task.result, 0.1)
    first = stage.next()
    follower = pool.submit(task.result)
    first.answer(RUNNING)
    assert stage.asleep() <= 0.1
    stage.next().answer(RUNNING)
    assert isinstance(raised(leader), WaitTimeout)
    stage.next().answer(DONE)
    assert outcome(follower) == []


@pytest.mark.parametrize("during", ["an exchange", "a sleep"])
def test_when_the_one_who_polls_is_interrupted_another_takes_over_at_once(
    client: Client, stage: Stage, pool: ThreadPoolExecutor, during: str
) -> None:
    task = client.tasks.resume("t-1")
    leader, (follower,) = gather(pool, stage, task, 1)
    if during == "a sleep":
        stage.interrupt(KeyboardInterrupt())
    else:
        task.notify()
        stage.next().answer(KeyboardInterrupt())
    assert isinstance(raised(leader), KeyboardInterrupt)
    call = stage.next()
    assert not follower.future.done()
    again = pool.submit(task.result)
    call.answer(DONE)
    assert outcome(follower.future) == outcome(again) == []


def test_a_step_on_a_task_that_a_wait_polls_sends_nothing_and_names_a_later_time(
    client: Client, stage: Stage, pool: ThreadPoolExecutor
) -> None:
    task = client.tasks.resume("t-1")
    leader = pool.submit(task.result)
    call = stage.next()  # the wait's exchange is under way
    step = outcome(pool.submit(task.step))
    assert not step.done
    assert step.delay is not None
    assert step.delay >= 1.0
    assert stage.idle()
    call.answer(DONE)
    assert outcome(leader) == []


def test_a_mistake_in_the_transport_is_raised_for_one_and_the_others_go_on(
    client: Client, stage: Stage, pool: ThreadPoolExecutor
) -> None:
    task = client.tasks.resume("t-1")
    leader, (follower,) = gather(pool, stage, task, 1)
    task.notify()
    stage.next().answer(ZeroDivisionError("oops"))
    assert isinstance(raised(leader), ZeroDivisionError)
    stage.next().answer(DONE)
    assert outcome(follower.future) == []


def test_waiters_of_different_tasks_do_not_wait_for_each_other(
    client: Client, stage: Stage, pool: ThreadPoolExecutor
) -> None:
    first, second = (client.tasks.resume(name) for name in ("t-1", "t-2"))
    waiting = pool.submit(first.result)
    stuck = stage.next()
    other = pool.submit(second.result)
    stage.next().answer(DONE)
    assert outcome(other) == []
    assert not waiting.done()
    stuck.answer(DONE)
    assert outcome(waiting) == []


# Closing.


def test_closing_wakes_sleepers_and_followers(client: Client, stage: Stage, pool: ThreadPoolExecutor) -> None:
    task = client.tasks.resume("t-1")
    leader, followers = gather(pool, stage, task, 4)
    client.close()
    for future in (leader, *(follower.future for follower in followers)):
        error = raised(future)
        assert isinstance(error, ClientClosed)
        assert parse_resume_token(error.resume_token).task_id == task.id
        assert str(error) == "tasks/status at example.com, task t-1: the client was closed while the task went on"
    assert stage.idle()


@pytest.mark.parametrize("what", ["result", "poll", "status", "get_counters", "as_completed", "wait"])
def test_closing_ends_an_exchange_that_only_reads_with_client_closed(
    client: Client, stage: Stage, pool: ThreadPoolExecutor, what: str
) -> None:
    task = client.tasks.resume("t-1")
    work: dict[str, Callable[[], Any]] = {
        "result": task.result,
        "poll": task.poll,
        "status": lambda: client.tasks.status("t-1"),
        "get_counters": lambda: client.segments.get_counters(7, resource_id=24),
        "as_completed": lambda: list(client.tasks.as_completed([task])),
        "wait": lambda: client.tasks.wait([task]),
    }
    waiting = pool.submit(work[what])
    stage.next()
    client.close()
    assert isinstance(raised(waiting), ClientClosed)
    assert not task.done()


def test_closing_does_not_hide_that_a_submission_may_have_been_processed(
    client: Client, stage: Stage, pool: ThreadPoolExecutor
) -> None:
    one = pool.submit(client.segments.refresh_counters, 7, resource_id=24)
    stage.next()
    many = pool.submit(client.submit_many, [SegmentsRefreshCounters(n, 24) for n in range(4)], max_in_flight=2)
    stage.next()
    stage.next()
    client.close()
    assert isinstance(raised(one), ConnectionLost)
    failed = raised(many)
    assert isinstance(failed, altcraft.SubmissionsFailed)
    kinds = Counter(type(error) for error in failed.errors.values())
    assert kinds == {ConnectionLost: 2, ClientClosed: 2}


def test_closing_ends_a_backoff(client: Client, stage: Stage, pool: ThreadPoolExecutor) -> None:
    waiting = pool.submit(client.segments.get_counters, 7, resource_id=24)
    stage.next().answer(reply(error=503, status=503, headers={"Retry-After": "20"}))
    assert stage.asleep() == 20
    client.close()
    assert isinstance(raised(waiting), ClientClosed)


def test_a_follower_need_not_wait_for_an_exchange_that_closing_does_not_end(pool: ThreadPoolExecutor) -> None:
    stage = Stage(deaf=True)
    client = Client("https://example.com", token="a-token", transport=stage, polling=FOREVER)
    task = client.tasks.resume("t-1")
    leader, (follower,) = gather(pool, stage, task, 1)
    task.notify()
    call = stage.next()
    client.close()
    assert isinstance(raised(follower.future), ClientClosed)
    assert not leader.done()
    call.answer(DONE)
    assert outcome(leader) == [], "what has been learnt all the same is not thrown away"


def test_no_thread_outlives_close_although_an_iteration_was_left_half_way(
    client: Client, stage: Stage, pool: ThreadPoolExecutor
) -> None:
    def worker_threads() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name.startswith("altcraft")]

    tasks = [client.tasks.resume(f"t-{number}") for number in range(20)]
    iteration = client.tasks.as_completed(tasks, max_in_flight=4)
    first = pool.submit(next, iteration)
    calls = [stage.next() for _ in range(4)]
    assert len(worker_threads()) == 4
    calls[0].answer(DONE)
    outcome(first)
    client.close()
    assert worker_threads() == []
    with pytest.raises(ClientClosed):
        next(iteration)


def test_a_client_may_be_closed_by_a_callback_in_a_thread_of_its_own(
    client: Client, stage: Stage, pool: ThreadPoolExecutor
) -> None:
    tasks = [client.tasks.resume(f"t-{number}") for number in range(4)]
    for task in tasks:
        task.add_done_callback(lambda _: client.close())
    waiting = pool.submit(lambda: list(client.tasks.as_completed(tasks)))
    calls = [stage.next() for _ in tasks]
    calls[0].answer(DONE)
    assert isinstance(raised(waiting), ClientClosed)


def test_closing_from_many_threads_at_once_closes(client: Client, stage: Stage, pool: ThreadPoolExecutor) -> None:
    waiting = pool.submit(client.tasks.resume("t-1").result)
    stage.next()
    for future in [pool.submit(client.close) for _ in range(8)]:
        outcome(future)
    assert isinstance(raised(waiting), ClientClosed)
