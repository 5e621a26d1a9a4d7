"""Groups in real threads: what each way to end an iteration leaves behind, and what others do meanwhile.

Nothing sleeps to let others get somewhere: each exchange waits on a stage until the test has seen it.
"""

from __future__ import annotations

import gc
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import altcraft
from altcraft import Client, HttpRequest, HttpResponse
from altcraft.schema import SegmentsRefreshCounters
from engine.groups import asked, eventually, nothing_is_left, some, worker_threads
from engine.stage import DONE, FOREVER, RUNNING, STARTED, Stage, is_scheduled, outcome

# An iteration ends.


def left_by_break(iteration: Any) -> None:
    for _ in iteration:
        break


def left_by_close(iteration: Any) -> None:
    next(iteration)
    iteration.close()


def left_by_error(iteration: Any) -> None:
    with pytest.raises(LookupError):  # noqa: PT012  # the loop is what is left
        for _ in iteration:
            raise LookupError


def left_to_the_garbage_collector(iteration: Any) -> None:
    next(iteration)
    loop: list[Any] = [iteration]
    loop.append(loop)
    del loop, iteration


@pytest.mark.parametrize(
    "leave",
    [left_by_break, left_by_close, left_by_error, left_to_the_garbage_collector],
    ids=lambda leave: leave.__name__,
)
@pytest.mark.parametrize("workers", [1, 2, 32])
def test_an_iteration_left_half_way_leaves_nothing_behind(
    client: Client, stage: Stage, pool: ThreadPoolExecutor, leave: Callable[[Any], None], workers: int
) -> None:
    tasks = some(client, 40)

    def consume() -> None:
        leave(client.tasks.as_completed(tasks, max_in_flight=workers))
        gc.collect()

    consuming = pool.submit(consume)
    first = [stage.next() for _ in range(workers)]
    first[0].answer(DONE)
    if workers < 40:
        first.append(stage.next())  # the turn that follows, lest there be no more of them
    eventually(lambda: client._engine._signals == ())  # closing waits for the exchanges under way
    for call in first[1:]:
        call.answer(RUNNING)
    outcome(consuming)
    nothing_is_left(client, tasks, stage, pool)


def test_an_iteration_that_never_began_leaves_nothing_behind(
    client: Client, stage: Stage, pool: ThreadPoolExecutor
) -> None:
    tasks = some(client, 3)
    client.tasks.as_completed(tasks)
    assert worker_threads() == []
    nothing_is_left(client, tasks, stage, pool)


def test_an_iteration_may_be_closed_by_a_thread_that_holds_the_lock(
    client: Client, stage: Stage, pool: ThreadPoolExecutor
) -> None:
    """As the garbage collector does, when it comes at a bad moment: waiting for the workers would wait for ever."""
    tasks = some(client, 4)
    iteration = client.tasks.as_completed(tasks, max_in_flight=2)
    first = pool.submit(next, iteration)
    one, other = stage.next(), stage.next()
    one.answer(DONE)
    outcome(first)
    third = stage.next()
    with client._engine.lock:
        other.answer(RUNNING)
        iteration.close()
    third.answer(RUNNING)
    nothing_is_left(client, tasks, stage, pool)


def test_a_callback_may_close_the_iteration_that_waits_for_it(
    client: Client, stage: Stage, pool: ThreadPoolExecutor
) -> None:
    """In the worker's own thread, which can't wait for itself."""
    tasks = some(client, 3)
    iteration: Any = client.tasks.as_completed(tasks, max_in_flight=1)
    first = pool.submit(next, iteration)
    tasks[1].add_done_callback(lambda _: iteration.close())
    stage.next().answer(DONE)
    assert outcome(first) is tasks[0]
    stage.next().answer(DONE)
    nothing_is_left(client, tasks, stage, pool)


def test_sleepers_leave_when_the_iteration_does(client: Client, stage: Stage, pool: ThreadPoolExecutor) -> None:
    tasks = some(client, 3)
    iteration = client.tasks.as_completed([*tasks, client.tasks.resume("quick")], max_in_flight=8)
    first = pool.submit(next, iteration)
    calls = asked(stage, 4)
    for name, call in calls.items():
        call.answer(DONE if name == "quick" else RUNNING)
    outcome(first)
    assert stage.asleep() > 900
    began = time.monotonic()
    iteration.close()  # type: ignore[attr-defined]
    assert time.monotonic() - began < 10
    nothing_is_left(client, tasks, stage, pool)


class Drowsy:
    """A transport with the three required methods: it has no `wake`, so its sleeps run to their end."""

    def __init__(self) -> None:
        self.naps: list[float] = []

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        return DONE if b'"quick"' in request.body else RUNNING

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        threading.Event().wait(seconds)

    def close(self) -> None: ...


def test_an_iteration_ends_soon_also_where_sleeps_cannot_be_cut_short() -> None:
    drowsy = Drowsy()
    with Client("https://example.com", token="t", transport=drowsy, polling=FOREVER) as client:
        for task in client.tasks.as_completed([client.tasks.resume("slow"), client.tasks.resume("quick")]):
            assert task.id == "quick"
            eventually(lambda: drowsy.naps)
            break
        assert worker_threads() == []
    assert max(drowsy.naps) <= 0.5


def interrupt_main_thread(stage: Stage, interrupted: threading.Event) -> list[Any]:
    """Ctrl-C once two exchanges hang; those two. One that comes just before a lock is waited for goes unheard."""
    calls = [stage.next() for _ in range(2)]
    main = threading.main_thread().ident
    assert main is not None
    while True:
        signal.pthread_kill(main, signal.SIGINT)
        if interrupted.wait(5):
            return calls


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_an_interrupt_reaches_the_consumer_though_exchanges_hang(stage: Stage, pool: ThreadPoolExecutor) -> None:
    client = Client("https://example.com", token="t", transport=stage, polling=FOREVER)
    tasks = some(client, 4)
    interrupted = threading.Event()
    interrupting = pool.submit(interrupt_main_thread, stage, interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(client.tasks.as_completed(tasks, max_in_flight=2))
    interrupted.set()
    for call in outcome(interrupting):
        call.answer(RUNNING)
    nothing_is_left(client, tasks, stage, pool)
    client.close()


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_an_interrupt_ends_the_submissions_that_have_not_begun(stage: Stage, pool: ThreadPoolExecutor) -> None:
    client = Client("https://example.com", token="t", transport=stage)
    interrupted = threading.Event()
    interrupting = pool.submit(interrupt_main_thread, stage, interrupted)
    with pytest.raises(KeyboardInterrupt):
        client.submit_many([SegmentsRefreshCounters(number, 24) for number in range(50)], max_in_flight=2)
    interrupted.set()
    for call in outcome(interrupting):
        call.answer(STARTED)
    eventually(lambda: not worker_threads())
    assert stage.idle()
    client.close()


# Others.


@pytest.mark.usefixtures("restless")
def test_when_the_group_that_leads_a_task_stops_between_polls_a_single_wait_takes_over_at_once(
    client: Client, stage: Stage, pool: ThreadPoolExecutor
) -> None:
    task, ended = some(client, 2)
    iteration = client.tasks.as_completed([task, ended], max_in_flight=2)
    first = pool.submit(next, iteration)
    calls = asked(stage, 2)
    calls["t-0"].answer(RUNNING)
    calls["t-1"].answer(DONE)
    assert outcome(first) is ended
    seen: list[str] = []
    single = pool.submit(task.result, None, lambda status: seen.append(status.status))
    while not seen:  # the single wait follows as soon as it hears of a poll of the group's
        task.notify()
        stage.next().answer(RUNNING)
    eventually(lambda: task._followed.leader is not None and is_scheduled(task))
    iteration.close()
    stage.next().answer(DONE)
    assert outcome(single) == []


def test_what_an_observer_raises_harms_no_group(client: Client, stage: Stage, pool: ThreadPoolExecutor) -> None:
    class Broken:
        @altcraft.hookimpl
        def altcraft_task_progress(self) -> None:
            raise ZeroDivisionError

    def fail(task: object) -> None:
        raise ZeroDivisionError

    client.hooks.register(Broken())
    tasks = some(client, 3)
    for task in tasks:
        task.add_done_callback(fail)
    waiting = pool.submit(lambda: list(client.tasks.as_completed(tasks, max_in_flight=2)))
    for _ in tasks:
        stage.next().answer(DONE)
    assert set(outcome(waiting)) == set(tasks)


@pytest.mark.parametrize("error", [ZeroDivisionError("oops"), SystemExit(3)])
def test_what_a_transport_should_not_raise_reaches_the_consumer(
    client: Client, stage: Stage, pool: ThreadPoolExecutor, error: BaseException
) -> None:
    tasks = some(client, 5)

    def consume() -> BaseException | None:
        try:
            list(client.tasks.as_completed(tasks, max_in_flight=2))
        except BaseException as raised:
            return raised
        return None

    waiting = pool.submit(consume)
    calls = [stage.next() for _ in range(2)]
    calls[0].answer(error)
    assert outcome(waiting) is error
    calls[1].answer(RUNNING)
    nothing_is_left(client, tasks, stage, pool)


def test_what_a_transport_should_not_raise_ends_the_submissions(
    client: Client, stage: Stage, pool: ThreadPoolExecutor
) -> None:
    def submit() -> BaseException | None:
        try:
            client.submit_many([SegmentsRefreshCounters(number, 24) for number in range(9)], max_in_flight=1)
        except BaseException as raised:
            return raised
        return None

    error = SystemExit(3)
    waiting = pool.submit(submit)
    stage.next().answer(error)
    assert outcome(waiting) is error
    assert stage.idle()


def test_the_threads_that_there_are_do_where_no_more_can_be_had(
    client: Client, stage: Stage, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, started = threading.Thread.start, []

    def stingy(thread: threading.Thread) -> None:
        if thread.name.startswith("altcraft"):
            if len(started) == 2:
                raise RuntimeError("can't start new thread")
            started.append(thread)
        start(thread)

    tasks = some(client, 5)
    waiting = pool.submit(lambda: list(client.tasks.as_completed(tasks, max_in_flight=4)))
    monkeypatch.setattr(threading.Thread, "start", stingy)
    for _ in tasks:
        stage.next().answer(DONE)
    assert set(outcome(waiting)) == set(tasks)


def test_many_iterations_leave_no_groups_with_their_client() -> None:
    with Client("https://example.com", token="t", transport=Drowsy()) as client:
        for _ in range(20):
            assert len(list(client.tasks.as_completed([client.tasks.resume("quick")]))) == 1
        assert not client._runner._groups
