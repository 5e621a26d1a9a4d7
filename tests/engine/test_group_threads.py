"""Groups in real threads: what each way to end an iteration leaves behind, and which threads are woken.

Nothing sleeps to let others get somewhere: each exchange waits on a stage until the test has seen it.
"""

from __future__ import annotations

import gc
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest

import altcraft
from altcraft import Client, ClientClosed, HttpRequest, HttpResponse, Polling, Retry, Task, WaitTimeout
from altcraft.schema import SegmentsRefreshCounters
from altcraft.testing import reply
from engine.stage import DONE, PATIENCE, RUNNING, STARTED, Stage, is_scheduled, outcome

SELDOM = Polling(initial=1000, maximum=1000, jitter=False, predict=False)
QUICK: dict[str, Any] = {
    "polling": Polling(initial=0.002, maximum=0.01),
    "retry": Retry(attempts=20, base=0.001, maximum=0.004),
}
BUSY = reply(error=429, status=429, headers={"Retry-After": "20"})


@pytest.fixture
def client(stage: Stage, pool: ThreadPoolExecutor) -> Iterator[Client]:
    with Client("https://example.com", token="t", transport=stage, polling=SELDOM) as client:
        yield client


def worker_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("altcraft")]


def some(client: Client, count: int) -> list[Task[object]]:
    return [client.tasks.resume(f"t-{number}") for number in range(count)]


def eventually(holds: Callable[[], Any]) -> None:
    """Returns as soon as it holds; for what another thread does without telling."""
    pause = threading.Event()
    for _ in range(int(PATIENCE * 1000)):
        if holds():
            return
        pause.wait(0.001)
    raise AssertionError("it never came to hold")


def asked(stage: Stage, count: int) -> dict[str, Any]:
    """The next exchanges, by the task they ask about."""
    calls = [stage.next() for _ in range(count)]
    return {call.request.body.split(b'"task_id":"')[1].split(b'"')[0].decode(): call for call in calls}


def nothing_is_left(client: Client, tasks: list[Task[object]], stage: Stage, pool: ThreadPoolExecutor) -> None:
    """No thread, leader or signal is left; and the tasks can be followed again, to the end."""
    eventually(lambda: not worker_threads())
    assert client._engine._signals == ()
    assert all(task._followed.leader is None and not is_scheduled(task) for task in tasks)
    again = pool.submit(lambda: list(client.tasks.as_completed(tasks, max_in_flight=2)))
    for _ in range(sum(not task.done() for task in tasks)):
        stage.next().answer(DONE)
    assert set(outcome(again)) == set(tasks)


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
    with Client("https://example.com", token="t", transport=drowsy, polling=SELDOM) as client:
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
    client = Client("https://example.com", token="t", transport=stage, polling=SELDOM)
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


# Time.


def test_the_time_is_up_on_time_though_every_worker_hangs(stage: Stage, pool: ThreadPoolExecutor) -> None:
    client = Client("https://example.com", token="t", transport=stage, polling=SELDOM)
    tasks = some(client, 4)
    began = time.monotonic()
    with pytest.raises(WaitTimeout, match="4 of 4 tasks") as caught:
        list(client.tasks.as_completed(tasks, timeout=0.2, max_in_flight=2))
    assert 0.2 <= time.monotonic() - began < 5
    assert client.tasks.resume(caught.value.resume_token).id in {"t-0", "t-1", "t-2", "t-3"}
    free = [task for task in tasks if task._followed.leader is None]
    assert len(free) == 2, "a task without an exchange under way can be followed by another wait at once"
    for _ in range(2):
        stage.next().answer(RUNNING)
    nothing_is_left(client, tasks, stage, pool)
    client.close()


def test_exchanges_are_given_no_more_time_than_the_group_has(
    client: Client, stage: Stage, pool: ThreadPoolExecutor
) -> None:
    waiting = pool.submit(client.tasks.wait, some(client, 2), 5.0)
    calls = [stage.next() for _ in range(2)]
    assert all(4 < call.timeout <= 5.1 for call in calls)
    for call in calls:
        call.answer(DONE)
    assert not outcome(waiting).not_done


def test_an_exchange_that_the_deadline_cuts_off_says_nothing_of_its_task(stage: Stage) -> None:
    class Cut(Stage):
        def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
            threading.Event().wait(timeout)
            raise altcraft.RequestTimeout("cut")

    with Client("https://example.com", token="t", transport=Cut(), retry=Retry(attempts=1)) as client:
        (task,) = some(client, 1)
        assert client.tasks.wait([task], timeout=0.1).not_done == {task}


def test_a_task_that_is_due_before_the_sleeper_wakes_is_polled_on_time(
    client: Client, stage: Stage, pool: ThreadPoolExecutor
) -> None:
    tasks = some(client, 2)
    waiting = pool.submit(lambda: list(client.tasks.as_completed(tasks, max_in_flight=2)))
    calls = [stage.next() for _ in range(2)]
    calls[0].answer(RUNNING)
    assert stage.asleep() > 900
    calls[1].answer(reply(error=502, status=502))
    assert stage.asleep() <= 0.5
    stage.next().answer(DONE)
    for task in tasks:
        task.notify()
    stage.next().answer(DONE)
    assert set(outcome(waiting)) == set(tasks)


def test_a_refusal_holds_everybody_back(client: Client, stage: Stage, pool: ThreadPoolExecutor) -> None:
    tasks = some(client, 50)
    waiting = pool.submit(lambda: list(client.tasks.as_completed(tasks, max_in_flight=4)))
    for call in [stage.next() for _ in range(4)]:
        call.answer(BUSY)
    assert 19 < stage.asleep() <= 20
    assert stage.idle()
    client.close()
    with pytest.raises(ClientClosed):
        outcome(waiting)


# Hints.


def test_a_hint_wakes_a_group_and_makes_it_poll_once(client: Client, stage: Stage, pool: ThreadPoolExecutor) -> None:
    tasks = some(client, 3)
    waiting = pool.submit(lambda: list(client.tasks.as_completed(tasks, max_in_flight=2)))
    for _ in tasks:
        stage.next().answer(RUNNING)
    stage.asleep()
    for task in tasks:
        pool.submit(task.notify)
        (call,) = asked(stage, 1).items()
        assert call[0] == task.id
        call[1].answer(RUNNING)
        eventually(lambda task=task: is_scheduled(task))  # type: ignore[misc]
        assert stage.idle(), "once"
    client.close()
    with pytest.raises(ClientClosed):
        outcome(waiting)


@pytest.mark.usefixtures("restless")
def test_a_burst_of_hints_makes_a_group_poll_once_more_after_the_poll_under_way(
    client: Client, stage: Stage, pool: ThreadPoolExecutor
) -> None:
    tasks = some(client, 4)
    waiting = pool.submit(lambda: list(client.tasks.as_completed(tasks, max_in_flight=4)))
    calls = [stage.next() for _ in tasks]

    def burst() -> None:
        for number in range(10_000 // 8):
            tasks[number % 4].notify()

    for done in [pool.submit(burst) for _ in range(8)]:
        outcome(done)
    for call in calls:
        call.answer(RUNNING)
    for call in [stage.next() for _ in tasks]:
        call.answer(RUNNING)
    eventually(lambda: all(is_scheduled(task) for task in tasks))
    assert stage.idle()
    client.close()
    with pytest.raises(ClientClosed):
        outcome(waiting)


def test_a_hint_does_not_shorten_a_backoff(client: Client, stage: Stage, pool: ThreadPoolExecutor) -> None:
    (task,) = some(client, 1)
    waiting = pool.submit(lambda: list(client.tasks.as_completed([task])))
    stage.next().answer(BUSY)
    stage.asleep()
    for _ in range(100):
        task.notify()
    threading.Event().wait(0.05)
    assert stage.idle()
    client.close()
    with pytest.raises(ClientClosed):
        outcome(waiting)


def test_polls_that_hints_earn_keep_to_the_rate_limit(stage: Stage, pool: ThreadPoolExecutor) -> None:
    with Client("https://example.com", token="t", transport=stage, polling=SELDOM) as client:
        (task,) = some(client, 1)
        waiting = pool.submit(lambda: list(client.tasks.as_completed([task], max_polls_per_second=5)))
        starts = []
        for _ in range(4):
            call = stage.next()
            starts.append(time.monotonic())
            task.notify()
            call.answer(RUNNING)
        stage.next().answer(DONE)
        assert outcome(waiting) == [task]
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    assert min(gaps) > 0.15


def test_the_group_notices_at_once_that_another_poll_found_a_task_done(
    client: Client, stage: Stage, pool: ThreadPoolExecutor
) -> None:
    (task,) = some(client, 1)
    waiting = pool.submit(lambda: list(client.tasks.as_completed([task])))
    stage.next().answer(RUNNING)
    stage.asleep()
    polling = pool.submit(task.poll)
    stage.next().answer(DONE)
    outcome(polling)
    assert outcome(waiting) == [task]


# Others.


@pytest.mark.usefixtures("restless")
@pytest.mark.parametrize("workers", [1, 3])
def test_a_task_may_be_waited_for_singly_and_in_two_groups_at_the_same_time(
    pool: ThreadPoolExecutor, workers: int
) -> None:
    crowd = Crowd(seed=1, done_after=4)
    polling = Polling(initial=0.01, maximum=0.01)
    with Client("https://example.com", token="t", transport=crowd, polling=polling) as client:
        tasks = some(client, 6)
        groups = [pool.submit(lambda: list(client.tasks.as_completed(tasks, max_in_flight=workers))) for _ in range(2)]
        singles = [pool.submit(task.result) for task in tasks]
        for group in groups:
            assert set(outcome(group)) == set(tasks)
        for single in singles:
            assert outcome(single) == []
        assert all(task._followed.leader is None for task in tasks)
    assert crowd.most_at_once == 1, "one leader a task"


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


# Schedules at random.


class Crowd:
    """Answers as dice tell it to, counts who asks for the same task at the same time; sleeps for real."""

    def __init__(self, seed: int, done_after: int) -> None:
        self.dice = random.Random(seed)
        self.done_after = done_after
        self.polls: Counter[bytes] = Counter()
        self.at_once: Counter[bytes] = Counter()
        self.most_at_once = 0
        self.threads: set[str] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._sleeper = Stage()

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        name = request.body.split(b'"task_id":"')[1].split(b'"')[0]
        with self._lock:
            self.polls[name] += 1
            self.at_once[name] += 1
            self.most_at_once = max(self.most_at_once, self.at_once[name])
            self.threads.add(threading.current_thread().name)
            chance = self.dice.random()
            is_done = self.polls[name] >= self.done_after
        if chance < 0.3:
            threading.Event().wait(chance / 100)
        with self._lock:
            self.at_once[name] -= 1
        if 0.9 < chance < 0.95:
            raise altcraft.ConnectionLost("by chance")
        if chance >= 0.97:
            return reply(error=503, status=503)
        return DONE if is_done else RUNNING

    def sleep(self, seconds: float) -> None:
        self._sleeper.sleep(seconds)

    def wake(self) -> None:
        self._sleeper.wake()

    def close(self) -> None:
        self._sleeper.close()


@pytest.mark.usefixtures("restless")
@pytest.mark.parametrize("seed", range(12))
def test_after_any_events_each_task_is_delivered_once(pool: ThreadPoolExecutor, seed: int) -> None:
    dice = random.Random(seed)
    workers = dice.choice([1, 2, 4, 32])
    crowd = Crowd(seed, done_after=dice.randint(1, 5))
    with Client("https://example.com", token="t", transport=crowd, **QUICK) as client:
        tasks = some(client, 60)

        def pester() -> None:
            for _ in range(300):
                dice.choice(tasks).notify()

        noise = [pool.submit(pester) for _ in range(3)]
        delivered = list(client.tasks.as_completed(tasks, max_in_flight=workers))
        for done in noise:
            outcome(done)
        assert Counter(delivered) == dict.fromkeys(tasks, 1)
        assert all(task.done() and task._followed.leader is None for task in tasks)
        assert len(crowd.threads) <= workers
        assert crowd.most_at_once == 1
        assert worker_threads() == []


@pytest.mark.usefixtures("restless")
@pytest.mark.parametrize("seed", range(6))
def test_a_client_that_is_closed_at_any_moment_leaves_nothing_behind(pool: ThreadPoolExecutor, seed: int) -> None:
    dice = random.Random(seed)
    crowd = Crowd(seed, done_after=10)
    client = Client("https://example.com", token="t", transport=crowd, **QUICK)
    tasks = some(client, 40)
    waiting = pool.submit(lambda: list(client.tasks.as_completed(tasks, max_in_flight=4)))
    asked_for = dice.randint(1, 200)
    eventually(lambda: sum(crowd.polls.values()) >= asked_for)
    client.close()
    with pytest.raises(ClientClosed):
        outcome(waiting)
    assert worker_threads() == []
    assert all(task._followed.leader is None for task in tasks)
