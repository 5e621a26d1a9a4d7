"""A client shared by threads: who polls for whom, who is woken by what, and what is left when it is closed.

Nothing here sleeps to let others get somewhere: each exchange waits on a stage until the test has seen it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

import altcraft
from altcraft import (
    Client,
    ClientClosed,
    ConnectionLost,
    HttpRequest,
    HttpResponse,
    NotFound,
    Polling,
    RequestTimeout,
    Retry,
    Task,
    TaskFailed,
    WaitTimeout,
)
from altcraft.schema import SegmentsRefreshCounters
from altcraft.tasks.resume import parse_resume_token
from altcraft.testing import reply
from altcraft_transports._common.sleeper import Sleeper
from engine.stage import DONE, FAILED, PATIENCE, RUNNING, STARTED, Stage, outcome

FOREVER = Polling(initial=1e6, maximum=1e6, jitter=False, predict=False)
"""No task is polled a second time unless a hint wakes the sleepers."""


@pytest.fixture
def client(stage: Stage, pool: ThreadPoolExecutor) -> Iterator[Client]:
    """Closed before the pool waits for its threads, so that a failing test ends."""
    with Client("https://example.com", token="a-token", transport=stage, polling=FOREVER) as client:
        yield client


def raised(future: Future[Any]) -> BaseException | None:
    return future.exception(timeout=PATIENCE)


class Follower:
    """A thread that waits for a task, of which it is known that it does: it has been told of progress."""

    def __init__(self, pool: ThreadPoolExecutor, task: Task[Any], timeout: float | None = None) -> None:
        self.seen: list[str] = []
        self.future = pool.submit(task.result, timeout, lambda status: self.seen.append(status.status))


def gather(
    pool: ThreadPoolExecutor, stage: Stage, task: Task[Any], count: int, timeout: float | None = None
) -> tuple[Future[Any], list[Follower]]:
    """A leader, asleep until it is woken, and so many followers."""
    leader = pool.submit(task.result)
    call = stage.next()
    followers = [Follower(pool, task, timeout) for _ in range(count)]
    while True:
        call.answer(RUNNING)
        stage.asleep()
        if all(follower.seen for follower in followers):
            return leader, followers
        task.notify()
        call = stage.next()


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


# Hints.


def test_a_hint_from_another_thread_wakes_at_once(client: Client, stage: Stage, pool: ThreadPoolExecutor) -> None:
    task = client.tasks.resume("t-1")
    waiting = pool.submit(task.result)
    stage.next().answer(RUNNING)
    assert stage.asleep() > 1000
    task.notify()
    stage.next().answer(DONE)
    assert outcome(waiting) == []


def test_a_hint_during_an_exchange_earns_one_more_poll_however_many_there_are(
    client: Client, stage: Stage, pool: ThreadPoolExecutor
) -> None:
    task = client.tasks.resume("t-1")
    waiting = pool.submit(task.result)
    call = stage.next()
    for _ in range(5):
        task.notify()
    call.answer(RUNNING)
    stage.next().answer(RUNNING)
    assert stage.asleep() > 1000
    assert stage.idle()
    task.notify()
    stage.next().answer(DONE)
    outcome(waiting)


def test_a_hint_for_one_task_lets_the_others_sleep_on(client: Client, stage: Stage, pool: ThreadPoolExecutor) -> None:
    first, second = (client.tasks.resume(name) for name in ("t-1", "t-2"))
    waiting = [pool.submit(task.result) for task in (first, second)]
    for _ in waiting:
        stage.next().answer(RUNNING)
    for _ in waiting:
        stage.asleep()
    second.notify()
    call = stage.next()
    assert json.loads(call.request.body)["task_id"] == "t-2"
    assert stage.asleep() > 1000, "the other one has gone back to sleep"
    assert stage.idle()
    call.answer(DONE)
    outcome(waiting[1])
    first.notify()
    stage.next().answer(DONE)
    outcome(waiting[0])


def test_a_poll_that_finds_the_task_done_wakes_every_wait(
    client: Client, stage: Stage, pool: ThreadPoolExecutor
) -> None:
    task = client.tasks.resume("t-1")
    waiting = pool.submit(task.result)
    stage.next().answer(RUNNING)
    stage.asleep()
    poll = pool.submit(task.poll)
    stage.next().answer(DONE)
    assert outcome(poll).status == "completed"
    assert outcome(waiting) == []
    assert stage.idle()


class Switch:
    """A transport whose task is running until the switch is thrown; it sleeps until it is woken."""

    def __init__(self) -> None:
        self.done = False
        self.polls = 0
        self._sleeper = Sleeper()
        self.wake = self._sleeper.wake
        self.sleep = self._sleeper.sleep
        self.close = self._sleeper.close

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        self.polls += 1
        return DONE if self.done else RUNNING


@pytest.mark.usefixtures("restless")
@pytest.mark.parametrize("way", ["result", "as_completed"])
def test_no_hint_is_ever_lost(pool: ThreadPoolExecutor, way: str) -> None:
    def pester(task: Task[Any]) -> None:
        for _ in range(20):
            task.notify()

    def wait(client: Client, task: Task[Any]) -> object:
        return task.result() if way == "result" else list(client.tasks.as_completed([task]))

    switch = Switch()
    with Client("https://example.com", token="a-token", transport=switch, polling=FOREVER) as client:
        for _ in range(150):
            switch.done = False
            task = client.tasks.resume("t-1")
            noise = pool.submit(pester, task)
            waiting = pool.submit(wait, client, task)
            for _ in range(5):
                task.notify()
            switch.done = True
            task.notify()
            outcome(waiting)
            outcome(noise)


@pytest.mark.usefixtures("restless")
@pytest.mark.parametrize("sleepers", [1, 4])
def test_no_waking_of_a_sleeper_is_ever_lost(pool: ThreadPoolExecutor, sleepers: int) -> None:
    sleeper = Sleeper()
    rounds = 2000 // sleepers
    reached = [0] * sleepers
    goal = 0
    all_there = threading.Semaphore(0)

    def sleep(number: int) -> None:
        while reached[number] < rounds:
            while goal <= reached[number]:
                sleeper.sleep(PATIENCE)
            reached[number] = goal
            all_there.release()

    began = time.monotonic()
    threads = [pool.submit(sleep, number) for number in range(sleepers)]
    for _ in range(rounds):
        goal += 1
        sleeper.wake()
        for _ in threads:
            assert all_there.acquire(timeout=PATIENCE)
    for thread in threads:
        outcome(thread)
    assert time.monotonic() - began < PATIENCE, "a thread has slept on after it was woken"


def test_a_closed_sleeper_lets_no_thread_sleep(pool: ThreadPoolExecutor) -> None:
    sleeper = Sleeper()
    threads = [pool.submit(sleeper.sleep, 1000) for _ in range(8)]
    sleeper.close()
    for thread in threads:
        outcome(thread)
    sleeper.sleep(1000)


class Plain:
    """The smallest transport there is: three methods, none of them to be hurried."""

    def __init__(self, script: list[HttpResponse], sleep: Callable[[float], object]) -> None:
        self.script = script
        self.closed = False
        self._sleep = sleep

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        return self.script.pop(0)

    def sleep(self, seconds: float) -> None:
        self._sleep(seconds)

    def close(self) -> None:
        self.closed = True


def test_a_transport_that_cannot_be_woken_hears_a_hint_at_the_end_of_its_sleep(pool: ThreadPoolExecutor) -> None:
    asleep, woken = threading.Semaphore(0), threading.Semaphore(0)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        asleep.release()
        woken.acquire(timeout=PATIENCE)

    transport = Plain([RUNNING, DONE], sleep)
    with Client("https://example.com", token="a-token", transport=transport, polling=FOREVER) as client:
        task = client.tasks.resume("t-1")
        waiting = pool.submit(task.result)
        asleep.acquire(timeout=PATIENCE)
        task.notify()
        assert transport.script == [DONE]
        woken.release()  # long before its time is over: it is the hint that makes it poll
        assert outcome(waiting) == []
    assert len(slept) == 1
    assert transport.closed


def test_a_transport_that_simply_sleeps_will_do(pool: ThreadPoolExecutor) -> None:
    transport = Plain([STARTED, RUNNING, RUNNING, DONE], time.sleep)
    polling = Polling(initial=0.001, maximum=0.001)
    with Client("https://example.com", token="a-token", transport=transport, polling=polling) as client:
        assert client.segments.refresh_counters(7, resource_id=24).result(timeout=PATIENCE) == []


def test_closing_over_a_transport_that_simply_sleeps_is_heard_when_the_sleep_is_over(
    pool: ThreadPoolExecutor,
) -> None:
    asleep = threading.Event()

    def sleep(seconds: float) -> None:
        asleep.set()
        time.sleep(0.02)

    client = Client("https://example.com", token="a-token", transport=Plain([RUNNING], sleep), polling=FOREVER)
    waiting = pool.submit(client.tasks.resume("t-1").result)
    assert asleep.wait(PATIENCE)
    client.close()
    assert isinstance(raised(waiting), ClientClosed)


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


# Races.


class Told:
    """A plugin that counts what it is told."""

    def __init__(self) -> None:
        self.told: Counter[str] = Counter()
        self._lock = threading.Lock()

    def note(self, what: str) -> None:
        with self._lock:
            self.told[what] += 1

    @altcraft.hookimpl
    def altcraft_task_progress(self, task: Any) -> None:
        self.note(f"progress {task.id}")

    @altcraft.hookimpl
    def altcraft_task_completed(self, task: Any) -> None:
        self.note(f"completed {task.id}")

    @altcraft.hookimpl
    def altcraft_task_failed(self, task: Any) -> None:
        self.note(f"failed {task.id}")


class Echo:
    """A transport that answers each request with what it asks for, so that no reply fits another asker."""

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        asked = json.loads(request.body)
        path = request.url.rpartition("/api/v1.1/")[2]
        if path == "tasks/status":
            return reply({"status": "completed", "progress": 100, "result": [{"channels": [], "list_id": 1}]})
        if path.endswith("refresh_counters"):
            return reply({"task_id": f"{path} {asked['id']}"})
        return reply([{"channel": path, "status": {"all": asked["id"]}}])

    def sleep(self, seconds: float) -> None: ...

    def close(self) -> None: ...


@pytest.mark.usefixtures("restless")
def test_the_end_is_told_exactly_once_by_the_first_that_learns_of_it(pool: ThreadPoolExecutor) -> None:
    told = Told()
    called: Counter[str] = Counter()
    note = threading.Lock()

    def callback(task: Any) -> None:
        with note:
            called[task.id] += 1

    def race(task: Task[Any], way: int) -> None:
        start.wait(PATIENCE)
        task.add_done_callback(callback)
        if way % 3 == 0:
            task.result(on_progress=lambda _: None)
        elif way % 3 == 1:
            task.poll()
        else:
            task.exception()
        task.add_done_callback(callback)

    with Client("https://example.com", token="a-token", transport=Echo(), plugins=[told]) as client:
        for number in range(60):
            start = threading.Barrier(8)
            task = client.tasks.resume(f"t-{number}")
            for future in [pool.submit(race, task, way) for way in range(8)]:
                outcome(future)
            assert told.told[f"completed t-{number}"] == 1
            assert called[f"t-{number}"] == 16
    assert not any(name.startswith("failed") for name in told.told)


@pytest.mark.usefixtures("restless")
def test_eight_polls_at_once_are_eight_exchanges_and_one_end(pool: ThreadPoolExecutor) -> None:
    told, stage = Told(), Stage()
    with Client("https://example.com", token="a-token", transport=stage, plugins=[told]) as client:
        for number in range(20):
            task = client.tasks.resume(f"t-{number}")
            called: list[object] = []
            task.add_done_callback(called.append)
            polls = [pool.submit(task.poll) for _ in range(8)]
            for call in [stage.next() for _ in polls]:
                call.answer(DONE if number % 2 else FAILED)
            for poll in polls:
                assert outcome(poll).status in ("completed", "failed")
            assert called == [task]
            assert told.told[f"completed t-{number}"] + told.told[f"failed t-{number}"] == 1
        assert stage.idle()


@pytest.mark.usefixtures("restless")
def test_watchers_come_and_go_in_many_threads_at_once(pool: ThreadPoolExecutor) -> None:
    switch = Switch()
    with Client("https://example.com", token="a-token", transport=switch, polling=FOREVER) as client:
        task = client.tasks.resume("t-1")

        def wait() -> int:
            seen: list[object] = []
            for _ in range(40):
                try:
                    task.result(timeout=0, on_progress=seen.append)
                except WaitTimeout:
                    continue
            return len(seen)

        for future in [pool.submit(wait) for _ in range(8)]:
            assert outcome(future) >= 40, "each is told at least of its own poll"
    assert switch.polls >= 8


def test_a_client_is_shared_by_sixteen_threads_and_no_reply_goes_to_the_wrong_asker(
    pool: ThreadPoolExecutor,
) -> None:
    start = threading.Barrier(16)

    def work(number: int) -> None:
        start.wait(PATIENCE)
        for turn in range(15):
            name = number * 100 + turn
            task = client.databases.refresh_counters(name, resource_id=24)
            assert task.id == f"databases/refresh_counters {name}"
            assert task.result()[0].resource_id is None
            (segment,) = client.segments.get_counters(name, resource_id=24)
            assert (segment.channel, segment.status.all) == ("segments/get_counters", name)
            (database,) = client.databases.get_counters(name, resource_id=24)
            assert (database.channel, database.status.all) == ("databases/get_counters", name)
            many = client.submit_many([SegmentsRefreshCounters(name + n, 24) for n in range(3)], max_in_flight=2)
            assert [each.id for each in many] == [f"segments/refresh_counters {name + n}" for n in range(3)]
            assert set(client.tasks.as_completed(many, max_in_flight=2)) == set(many)

    with Client("https://example.com", token="a-token", transport=Echo(), retry=Retry(attempts=1)) as client:
        for future in [pool.submit(work, number) for number in range(16)]:
            outcome(future)


FIRST_USE = """
import sys, threading
from altcraft import Client, Operation, TaskRequest
from altcraft.testing import FakeTransport, reply
from msgspec import Struct

sys.setswitchinterval(1e-6)
done = reply({"status": "completed", "progress": 100, "result": [{"part": {"number": 1}}]}, codec=sys.argv[1])
rounds = []
for number in range(40):
    class Part(Struct):
        number: int

    class Whole(Struct):
        part: Part

    class Asked(TaskRequest[list[Whole]], frozen=True):
        pass

    clients = []
    for _ in range(4):
        transport = FakeTransport([done], repeat=True)
        client = Client("https://a.example", "a-token", codec=sys.argv[1], transport=transport)
        client.operations.register(Operation("ask", Asked))
        clients.append(client)
    rounds.append((Asked, clients))

start = threading.Barrier(16)
failures = []

def work(number):
    for asked, clients in rounds:
        start.wait()
        try:
            whole, = clients[number % 4].tasks.resume("t-1", asked).result()
            assert whole.part.number == 1
        except BaseException as error:
            failures.append(error)

threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert not failures, failures
"""


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["json", "xml"])
def test_sixteen_threads_may_be_the_first_to_read_into_a_type(codec: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FIRST_USE, codec], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
