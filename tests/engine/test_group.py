"""Many tasks at once, on both clients.

A worker that starts late finds that the fake clock has run ahead of it. So tests that look at times have one worker.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

import altcraft
from altcraft import ClientClosed, HttpRequest, HttpResponse, NotFound, Polling, Retry, SubmissionsFailed, WaitTimeout
from altcraft.engine.schedule import Schedule
from altcraft.schema import DatabasesGetCounters, SegmentsRefreshCounters
from altcraft.testing import FakeClock, reply
from both_clients import World

DONE = reply({"status": "completed", "progress": 100, "result": []})
RUNNING = reply({"status": "running"})


def task_id(request: HttpRequest) -> str:
    return request.body.split(b'"task_id":"')[1].split(b'"')[0].decode()


class Platform:
    """Tasks "0", "1", … that take as many seconds as `length` says, by the world's clock."""

    def __init__(self, world: World, length: Callable[[int], float]) -> None:
        self.world = world
        self.length = length
        self.begun: dict[str, float] = {}
        self.polls: Counter[str] = Counter()
        self.times: list[float] = []
        self._lock = threading.Lock()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        name = task_id(request)
        now = self.world.clock.now
        with self._lock:
            self.polls[name] += 1
            self.times.append(now)
            begun = self.begun.setdefault(name, now)
        return DONE if now - begun >= self.length(int(name)) else RUNNING

    def client(self, **settings: Any) -> Any:
        return self.world.client([self], repeat=True, **settings)

    def tasks(self, client: Any, count: int) -> list[Any]:
        return [client.tasks.resume(str(number)) for number in range(count)]


def test_tasks_come_in_the_order_in_which_they_are_done(world: World) -> None:
    platform = Platform(world, lambda number: 10.0 * (5 - number))
    client = platform.client(polling=Polling(initial=1, maximum=1, jitter=False))
    done = world.do(client.tasks.as_completed(platform.tasks(client, 5), max_in_flight=1))
    assert [task.id for task in done] == ["4", "3", "2", "1", "0"]
    assert all(task.done() for task in done)
    assert world.do(done[0].result()) == []


@pytest.mark.slow
def test_hundreds_of_tasks_are_all_delivered_once(world: World) -> None:
    platform = Platform(world, lambda number: number % 60)
    client = platform.client()
    done = world.do(client.tasks.as_completed(platform.tasks(client, 500)))
    assert sorted(int(task.id) for task in done) == list(range(500))


def test_the_same_task_twice_is_delivered_once(world: World) -> None:
    platform = Platform(world, lambda number: 5)
    client = platform.client()
    (task,) = platform.tasks(client, 1)
    assert world.do(client.tasks.as_completed([task, task])) == [task]


def test_a_task_that_is_done_already_costs_nothing(world: World) -> None:
    platform = Platform(world, lambda number: 0)
    client = platform.client()
    (task,) = platform.tasks(client, 1)
    world.do(task.result())
    assert world.do(client.tasks.as_completed([task])) == [task]
    assert platform.polls["0"] == 1


def test_no_tasks_are_done_at_once(world: World) -> None:
    assert world.do(world.client().tasks.as_completed([])) == []
    assert world.do(world.client().submit_many([])) == []


def test_a_slow_task_starves_no_other(world: World) -> None:
    platform = Platform(world, lambda number: 1000 if number == 0 else 30)
    client = platform.client(polling=Polling(initial=1, maximum=5, jitter=False, factor=1))
    done = world.do(client.tasks.as_completed(platform.tasks(client, 50), max_in_flight=1))
    assert done[-1].id == "0"
    others = [platform.polls[str(number)] for number in range(1, 50)]
    assert max(others) - min(others) <= 1


def test_polls_keep_to_the_rate_limit(world: World) -> None:
    platform = Platform(world, lambda number: 20)
    client = platform.client()
    world.do(client.tasks.as_completed(platform.tasks(client, 30), max_in_flight=1, max_polls_per_second=10))
    gaps = [later - earlier for earlier, later in zip(platform.times, platform.times[1:], strict=False)]
    assert min(gaps) >= 0.0999


def test_a_hint_between_an_answer_and_the_next_place_in_the_schedule_leads_to_a_poll_at_once(world: World) -> None:
    class Hinting:
        @altcraft.hookimpl
        def altcraft_task_progress(self, task: Any, status: Any) -> None:
            if status.status == "running":
                task.notify()

    times: list[float] = []
    answers = iter([RUNNING, DONE])

    def answer(request: HttpRequest) -> HttpResponse:
        times.append(world.clock.now)
        return next(answers)

    client = world.client([answer], repeat=True, plugins=[Hinting()])
    task = client.tasks.resume("t-1")
    assert world.do(client.tasks.as_completed([task])) == [task]
    assert times[1] == times[0]


@pytest.mark.parametrize(("status", "retry"), [(429, Retry()), (418, Retry(statuses=frozenset({418})))])
def test_all_hold_back_together_when_the_platform_refuses(world: World, status: int, retry: Retry) -> None:
    refused = reply(error=status, status=status, headers={"Retry-After": "30"})
    times: list[float] = []

    def answer(request: HttpRequest) -> HttpResponse:
        times.append(world.clock.now)
        return refused if len(times) == 1 else DONE

    client = world.client([answer], repeat=True, retry=retry)
    tasks = [client.tasks.resume(str(number)) for number in range(20)]
    world.do(client.tasks.as_completed(tasks, max_in_flight=1))
    after = sorted(times)[1:]
    assert min(after) >= 30
    assert max(after) - min(after) >= 20, "what had become due meanwhile falls upon the server at once"


class Suspended(FakeClock):
    """Sleeps for an hour once, as a process does that is stopped, or a laptop that is shut."""

    hours = 0

    def sleep(self, seconds: float) -> None:
        late = self.now > 100 and not self.hours
        self.hours += late
        super().sleep(seconds + 3600 * late)


@pytest.mark.slow
def test_after_the_process_was_stopped_polls_are_spread(world: World) -> None:
    world.clock = Suspended()
    platform = Platform(world, lambda number: 5000)
    client = platform.client(polling=Polling(initial=1, maximum=30))
    tasks = platform.tasks(client, 600)
    world.do(client.tasks.wait(tasks, timeout=4000, max_in_flight=1))
    resumed = min(at for at in platform.times if at > 3600)
    polls = Counter(int(at - resumed) for at in platform.times if at >= resumed)
    assert max(polls[second] for second in range(10)) <= 60, "600 were due at once, and a second brings 40 otherwise"


def test_a_server_that_is_down_for_a_while_is_asked_ever_more_seldom(world: World) -> None:
    refused = reply(error=503, status=503)
    times: list[float] = []

    def answer(request: HttpRequest) -> HttpResponse:
        times.append(world.clock.now)
        return refused if world.clock.now < 120 else DONE

    client = world.client([answer], repeat=True, retry=Retry(attempts=100))
    tasks = [client.tasks.resume(str(number)) for number in range(1000)]
    assert len(world.do(client.tasks.as_completed(tasks, max_in_flight=1))) == 1000
    assert sum(at < 120 for at in times) <= 12
    assert all(task.done() for task in tasks)


def test_the_time_for_all_of_them_is_kept(world: World) -> None:
    platform = Platform(world, lambda number: 5 if number < 3 else 1e9)
    client = platform.client()
    tasks = platform.tasks(client, 6)
    iterator = client.tasks.as_completed(tasks, timeout=60, max_in_flight=1)
    with pytest.raises(WaitTimeout, match="3 of 6 tasks") as caught:
        world.do(iterator)
    assert world.clock.now == pytest.approx(60, abs=0.5)
    assert client.tasks.resume(caught.value.resume_token).id in {"3", "4", "5"}
    assert sum(task.done() for task in tasks) == 3


def test_wait_tells_those_that_are_done_from_those_that_are_not(world: World) -> None:
    platform = Platform(world, lambda number: 5 if number < 3 else 1e9)
    client = platform.client()
    tasks = platform.tasks(client, 6)
    done, not_done = world.do(client.tasks.wait(tasks, timeout=60, max_in_flight=1))
    assert done == set(tasks[:3])
    assert not_done == set(tasks[3:])


def test_a_task_that_was_let_go_can_be_followed_again(world: World) -> None:
    platform = Platform(world, lambda number: 100)
    client = platform.client()
    tasks = platform.tasks(client, 4)
    world.do(client.tasks.wait(tasks, timeout=10, max_in_flight=1))
    assert world.do(tasks[0].result()) == []
    assert len(world.do(client.tasks.as_completed(tasks))) == 4


def test_a_task_that_cannot_be_followed_is_delivered_and_says_why(world: World) -> None:
    def answer(request: HttpRequest) -> HttpResponse:
        return reply(error=404, error_text="no such task") if task_id(request) == "1" else DONE

    client = world.client([answer], repeat=True)
    tasks = [client.tasks.resume(str(number)) for number in range(3)]
    done = world.do(client.tasks.as_completed(tasks))
    assert set(done) == set(tasks)
    assert not tasks[1].done()
    with pytest.raises(NotFound):
        world.do(tasks[1].result())


def test_a_mistake_in_a_transport_reaches_the_consumer(world: World) -> None:
    client = world.client([ZeroDivisionError("oops")], repeat=True)
    with pytest.raises(ZeroDivisionError):
        world.do(client.tasks.as_completed([client.tasks.resume("0")]))


def test_closing_the_client_ends_the_iteration(world: World) -> None:
    platform = Platform(world, lambda number: 1e9)
    client = platform.client()
    world.do(client.close())
    with pytest.raises(ClientClosed):
        world.do(client.tasks.as_completed(platform.tasks(client, 3)))


def test_a_task_of_another_client_is_refused(world: World) -> None:
    stranger = world.client().tasks.resume("0")
    with pytest.raises(ValueError, match="another client"):
        world.client().tasks.as_completed([stranger])


@pytest.mark.parametrize("settings", [{"max_in_flight": 0}, {"max_polls_per_second": 0}])
def test_limits_that_let_nothing_through_are_refused(world: World, settings: Any) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        world.client().tasks.as_completed([], **settings)


def test_many_submissions_give_their_tasks_in_order(world: World) -> None:
    def answer(request: HttpRequest) -> HttpResponse:
        return reply({"task_id": "t" + request.body.split(b'"id":')[1].split(b",")[0].decode()})

    client = world.client([answer], repeat=True)
    tasks = world.do(client.submit_many([SegmentsRefreshCounters(n, 24) for n in range(50)], max_in_flight=8))
    assert [task.id for task in tasks] == [f"t{n}" for n in range(50)]


def test_of_many_submissions_nothing_is_lost_when_some_fail(world: World) -> None:
    def answer(request: HttpRequest) -> HttpResponse:
        return reply(error=404, error_text="no such segment") if b'"id":3,' in request.body else reply({"task_id": "t"})

    client = world.client([answer], repeat=True)
    with pytest.raises(SubmissionsFailed, match="1 of 5 submissions failed; request 3") as caught:
        world.do(client.submit_many([SegmentsRefreshCounters(n, 24) for n in range(5)]))
    assert sorted(caught.value.tasks) == [0, 1, 2, 4]
    assert isinstance(caught.value.errors[3], NotFound)


def test_many_submissions_of_what_starts_no_task_are_refused(world: World) -> None:
    with pytest.raises(TypeError, match=r"client\.call"):
        world.do(world.client().submit_many([DatabasesGetCounters(1, 2)]))


def test_a_schedule_gives_the_entry_that_is_due_longest() -> None:
    schedule: Schedule[str] = Schedule()
    for name, due in (("late", 5.0), ("early", 1.0), ("less early", 1.5)):
        schedule.add(name, due)
    assert schedule.next_start() == 1.0
    assert [schedule.take() for _ in range(3)] == ["early", "less early", "late"]
    assert schedule.next_start() == math.inf


def test_groups_and_single_waits_can_share_a_task() -> None:
    client = altcraft.Client("https://example.com", token="t", transport=_Patient())
    task = client.tasks.resume("0")
    alone = threading.Thread(target=task.result)
    alone.start()
    assert list(client.tasks.as_completed([task])) == [task]
    alone.join()
    client.close()


class _Patient:
    """Answers the third poll with done; sleeps a real, short while."""

    def __init__(self) -> None:
        self.polls = 0

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        self.polls += 1
        return DONE if self.polls > 2 else RUNNING

    def sleep(self, seconds: float) -> None:
        threading.Event().wait(0.01)

    def close(self) -> None:
        pass
