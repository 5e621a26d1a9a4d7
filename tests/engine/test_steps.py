"""`task.step()`: a task that is parked as text after every poll is polled at the times of one that stayed."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

import altcraft
from altcraft import (
    Client,
    ClientClosed,
    Forbidden,
    HttpRequest,
    HttpResponse,
    Polling,
    RequestTimeout,
    Step,
    TaskFailed,
    TaskStalled,
    WaitTimeout,
)
from altcraft.testing import FakeClock, FakeTransport, reply
from both_clients import World

STARTED = reply({"task_id": "t-1"})
RUNNING = reply({"status": "running", "progress": 20})
DONE = reply({"status": "completed", "progress": 100, "result": [{"resource_id": 24, "list_id": 1}]})
FAILED = reply({"status": "failed", "result": "database is locked"})


def begun(world: World, *script: Any, **settings: Any) -> Any:
    client = world.client([STARTED, *script], **settings)
    return world.do(client.segments.refresh_counters(7, resource_id=24, db_id=1))


def step_until_the_end(world: World, task: Any) -> None:
    while not (step := world.do(task.step())).done:
        world.clock.advance(step.delay)


def test_the_first_step_polls_at_once_and_says_when_the_next_one_is_due(world: World) -> None:
    task = begun(world, RUNNING)
    step = world.do(task.step())
    assert not step.done
    assert 0 < step.delay <= 30
    assert world.clock.slept == []
    assert len(world.clients[-1].fake.requests) == 2


def test_a_step_that_comes_too_early_sends_nothing(world: World) -> None:
    task = begun(world, RUNNING)
    first = world.do(task.step())
    second = world.do(task.step())
    assert second.delay == pytest.approx(first.delay)
    world.clock.advance(first.delay / 2)
    assert world.do(task.step()).delay == pytest.approx(first.delay / 2)
    assert len(world.clients[-1].fake.requests) == 2


def test_after_the_last_step_the_result_is_there_without_an_exchange(world: World) -> None:
    task = begun(world, DONE)
    assert world.do(task.step()) == Step(done=True, delay=None)
    assert task.done()
    (statistics,) = world.do(task.result(timeout=0))
    assert statistics.list_id == 1
    assert world.do(task.step()) == Step(done=True, delay=None)
    assert len(world.clients[-1].fake.requests) == 2


def test_a_failed_task_is_done_and_its_result_raises(world: World) -> None:
    task = begun(world, FAILED)
    assert world.do(task.step()).done
    with pytest.raises(TaskFailed, match="database is locked"):
        world.do(task.result(timeout=0))


def test_a_hint_brings_the_next_step_forward(world: World) -> None:
    task = begun(world, RUNNING, DONE)
    world.do(task.step())
    task.notify()
    assert world.do(task.step()).done


def test_a_failed_exchange_that_time_may_cure_is_a_later_step(world: World) -> None:
    task = begun(world, RequestTimeout("slow"), DONE)
    step = world.do(task.step())
    assert not step.done
    assert 0 < step.delay <= 1
    world.clock.advance(step.delay)
    assert world.do(task.step()).done


def test_a_refusal_ends_the_steps_with_its_error_and_the_resume_token(world: World) -> None:
    task = begun(world, reply(error=403))
    with pytest.raises(Forbidden) as raised:
        world.do(task.step())
    assert raised.value.resume_token
    assert raised.value.host == "example.com"


def test_a_deadline_of_polling_ends_the_steps(world: World) -> None:
    task = begun(world, *[RUNNING] * 9, polling=Polling(deadline=20))
    with pytest.raises(WaitTimeout):
        step_until_the_end(world, task)
    assert world.clock.now == pytest.approx(20)


def test_a_stall_ends_the_steps(world: World) -> None:
    task = begun(world, *[RUNNING] * 30, polling=Polling(stall_after=25))
    with pytest.raises(TaskStalled):
        step_until_the_end(world, task)


def test_a_step_on_a_closed_client_says_so(world: World) -> None:
    task = begun(world)
    world.do(world.clients[-1].close())
    with pytest.raises(ClientClosed):
        world.do(task.step())


def test_a_wait_after_some_steps_polls_at_once(world: World) -> None:
    task = begun(world, RUNNING, DONE)
    world.do(task.step())
    assert world.do(task.result())
    assert world.clock.slept == []


def test_a_group_keeps_to_the_schedule_of_resumed_tasks(world: World) -> None:
    task = begun(world, RUNNING)
    delay = world.do(task.step()).delay
    client = world.client([DONE])
    resumed = client.tasks.resume(task.resume_token)
    assert world.do(client.tasks.as_completed([resumed])) == [resumed]
    assert world.clock.now == pytest.approx(delay, abs=0.01)


def test_a_token_goes_on_in_a_client_whose_clock_began_anew(world: World) -> None:
    task = begun(world, RUNNING)
    delay = world.do(task.step()).delay
    elsewhere = Client("https://example.com", "t", transport=FakeTransport([DONE], clock=FakeClock(1e6)))
    resumed = elsewhere.tasks.resume(task.resume_token)
    assert resumed.step().delay is None or resumed.step().delay == pytest.approx(delay, abs=0.01)


# Made-up tasks, parked after every step and taken up by a new client, beside the same in one wait.


def platform(seed: int, clock: FakeClock, polls: list[float]) -> Callable[[HttpRequest], HttpResponse]:
    dice = random.Random(seed)
    duration, steps, fails = dice.lognormvariate(3.4, 1), dice.choice([0, 4, 20, 100]), dice.random() < 0.3
    chance = random.Random(seed)

    def answer(request: HttpRequest) -> HttpResponse:
        polls.append(clock.now)
        if "refresh" in request.url:
            return reply({"task_id": f"task-{seed}"})
        drawn = chance.random()
        if drawn < 0.08:
            raise RequestTimeout("late")
        if drawn < 0.12:
            return reply(error=503, error_text="busy", status=503, headers={"Retry-After": "7"})
        if clock.now >= duration:
            return reply({"status": "failed" if fails else "completed", "result": []})
        progress = int(steps * clock.now / duration) * 100 // steps if steps else None
        return reply({"status": "running", "progress": progress})

    return answer


def how_it_ended(work: Callable[[], Any]) -> tuple[str, Any]:
    try:
        return "result", work()
    except altcraft.AltcraftError as error:
        return type(error).__name__, None


def in_one_wait(seed: int, polling: Polling) -> tuple[list[float], tuple[str, Any]]:
    clock, polls = FakeClock(), list[float]()
    fake = FakeTransport([platform(seed, clock, polls)], clock=clock, repeat=True)
    with Client("https://a.example", "t", transport=fake, polling=polling) as client:
        return polls, how_it_ended(client.segments.refresh_counters(7, resource_id=24).result)


def parked(seed: int, polling: Polling, *, forgetful: bool = False) -> tuple[list[float], tuple[str, Any]]:
    clock, polls = FakeClock(), list[float]()
    answer = platform(seed, clock, polls)

    def process() -> Client:
        fake = FakeTransport([answer], clock=clock, repeat=True)
        return Client("https://a.example", "t", transport=fake, polling=polling)

    with process() as client:
        task: Any = client.segments.refresh_counters(7, resource_id=24)
        token = task.id if forgetful else task.resume_token
    for _ in range(2000):
        with process() as client:
            task = client.tasks.resume(token)
            try:
                step = task.step()
            except altcraft.AltcraftError as error:
                return polls, (type(error).__name__, None)
            if step.done:
                return polls, how_it_ended(lambda task=task: task.result(timeout=0))
            token = token if forgetful else task.resume_token
        clock.advance(step.delay)
    raise AssertionError("it never ends")


def settings_of(seed: int) -> Polling:
    return Polling(
        stall_after=random.Random(seed).choice([None, None, 25.0]),
        deadline=random.Random(seed + 1).choice([None, None, 40.0]),
    )


@pytest.mark.parametrize("number", [12, pytest.param(100, marks=pytest.mark.slow)])
def test_parked_tasks_are_polled_at_the_times_of_those_that_stayed(number: int) -> None:
    same, more = 0, 0
    for seed in range(number):
        stayed, moved = in_one_wait(seed, settings_of(seed)), parked(seed, settings_of(seed))
        assert moved[1] == stayed[1], f"seed {seed}"
        if len(moved[0]) == len(stayed[0]) and moved[0] == pytest.approx(stayed[0], abs=0.002):
            same += 1
        else:
            more += 1
            assert abs(len(moved[0]) - len(stayed[0])) <= 1, f"seed {seed}"
    assert same >= 0.97 * number - 1


def test_a_bare_id_makes_every_poll_a_first_one() -> None:
    by_token = sum(len(parked(seed, Polling())[0]) for seed in range(4))
    by_id = sum(len(parked(seed, Polling(), forgetful=True)[0]) for seed in range(4))
    assert by_id > 3 * by_token
