"""A fleet's workers, its consumer and strangers take turns in any order there is: the steps alone, no thread, no loop.

Whoever sends, sleeps or waits at a gate stands still until its time has come; dice say who goes on.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from altcraft import Client, ClientClosed, ConnectionLost, HttpRequest, HttpResponse, Polling, Retry, Task, WaitTimeout
from altcraft.engine.effects import SendRequest, SleepFor, WaitFor
from altcraft.engine.group import Group
from altcraft.testing import FakeTransport, reply

DONE = reply({"status": "completed", "progress": 100, "result": []})
RUNNING = reply({"status": "running"})
BUSY = reply(error=503, status=503)


class Signal:
    """As little as a gate can be."""

    def __init__(self) -> None:
        self.version = 0

    def open(self, count: int | None = None) -> None:
        self.version += 1


class Runner:
    """Somebody's steps, and what they wait for."""

    def __init__(self, steps: Generator[Any, Any, Any]) -> None:
        self.steps = steps
        self.step: Any = None
        self.until = -math.inf
        self.woken = False
        self.answer: HttpResponse | Exception | None = None
        self.result: Any = None
        self.is_over = False

    def may_go_on(self, now: float) -> bool:
        if isinstance(self.step, WaitFor) and self.step.gate.version != self.step.seen:
            return True
        return now >= self.until or (isinstance(self.step, SleepFor) and self.woken)


class Theatre:
    """One fleet, its workers and whoever disturbs them, in a time of its own."""

    def __init__(
        self, dice: random.Random, tasks: int, workers: int, limit: float | None, timeout: float | None
    ) -> None:
        self.dice = dice
        self.now = 0.0
        self.runners: list[Runner] = []
        self.polls: Counter[str] = Counter()
        self.length = {f"t-{number}": dice.randint(1, 5) for number in range(tasks)}
        self.under_way: set[str] = set()
        self.starts: list[float] = []
        self.workers = workers
        self.hired = 0
        self.last_looks = False  # whether there are single waits whose time may be up: each looks once more, by itself
        fake = FakeTransport([])
        self.client = Client(
            "https://example.com",
            token="t",
            transport=fake,
            polling=Polling(initial=dice.choice([0.5, 5.0]), maximum=30),
            retry=Retry(attempts=50),
        )
        self.engine: Any = self.client._conductor
        self.engine.gate, self.engine.changed = Signal, Signal()
        self.engine.wake, self.engine.now = self.wake, lambda: self.now
        self.tasks = [self.client.tasks.resume(name) for name in self.length]
        self.fleet: Group[Task[object]] = Group(self.engine, self.tasks, timeout, limit, self.hire)
        self.fleet.begin()
        self.delivered: list[Task[object]] = []
        self.ended: BaseException | None = None
        self.consumer = self.start(self.consume())

    def hire(self) -> None:
        if self.hired < self.workers:
            self.hired += 1
            self.start(self.fleet.work())

    def start(self, steps: Generator[Any, Any, Any]) -> Runner:
        self.runners.append(Runner(steps))
        return self.runners[-1]

    def wake(self, over: object) -> None:
        for runner in self.runners:
            runner.woken = runner.woken or isinstance(runner.step, SleepFor)

    def consume(self) -> Generator[Any, Any, None]:
        try:
            while (task := (yield from self.fleet.finished())) is not None:
                self.delivered.append(task)
        except (WaitTimeout, ClientClosed) as ended:
            self.ended = ended
        finally:
            self.fleet.stop()

    def run(self, *, hints: float = 0.0, closing: float = 0.0) -> None:
        for _ in range(20_000):
            if self.dice.random() < hints:
                self.dice.choice(self.tasks).notify()
            if self.dice.random() < closing:
                self.engine.close()
            ready = [runner for runner in self.runners if runner.may_go_on(self.now)]
            if ready:
                self.go_on(self.dice.choice(ready))
                continue
            if not self.runners:
                return
            self.now = min(runner.until for runner in self.runners)
            assert self.now < math.inf, "everybody waits for somebody else"
        raise AssertionError("it never ends")

    def go_on(self, runner: Runner) -> None:
        answer, runner.answer, runner.woken = runner.answer, None, False
        was = runner.step
        if isinstance(was, SendRequest):
            self.under_way.discard(_task(was.request))
        try:
            step = runner.steps.throw(answer) if isinstance(answer, Exception) else runner.steps.send(answer)
        except StopIteration:
            self.runners.remove(runner)
            return
        runner.step = step
        if isinstance(step, SendRequest):
            runner.answer = self.send(_task(step.request))
            runner.until = self.now + self.dice.choice([0.0, 0.01, 2.0])
        else:
            runner.until = math.inf if step.seconds is None else self.now + step.seconds

    def send(self, name: str) -> HttpResponse | Exception:
        if not self.last_looks:
            assert name not in self.under_way, "two look at the same task"
            assert len(self.under_way) < self.workers
        self.under_way.add(name)
        self.starts.append(self.now)
        chance = self.dice.random()
        if chance < 0.05:
            return BUSY
        if chance < 0.1:
            return ConnectionLost("by chance")
        self.polls[name] += 1
        return DONE if self.polls[name] >= self.length[name] else RUNNING


def _task(request: HttpRequest) -> str:
    return request.body.split(b'"task_id":"')[1].split(b'"')[0].decode()


dice = st.integers(0, 2**32).map(random.Random)
workers = st.sampled_from([1, 2, 3, 8])


def all_is_let_go(theatre: Theatre) -> None:
    assert all(task._leader is None and task._place is None for task in theatre.tasks)
    assert theatre.engine.gates == ()
    assert len(theatre.fleet._agenda) == 0
    assert not theatre.fleet._turns


@settings(max_examples=150)
@given(dice, st.integers(1, 12), workers, st.sampled_from([None, 1.0, 20.0]), st.sampled_from([0.0, 0.3]))
def test_each_task_is_delivered_once_by_bounded_workers_within_the_limit(
    dice: random.Random, tasks: int, workers: int, limit: float | None, hints: float
) -> None:
    theatre = Theatre(dice, tasks, workers, limit, None)
    theatre.run(hints=hints)
    assert theatre.ended is None
    assert Counter(theatre.delivered) == dict.fromkeys(theatre.tasks, 1)
    assert theatre.hired <= workers
    if limit is not None:
        starts = theatre.starts
        assert all(later - earlier >= 1 / limit - 1e-9 for earlier, later in zip(starts, starts[1:]))  # noqa: B905, RUF007
    if not hints:
        assert theatre.polls == theatre.length, "no look more than it takes"
    all_is_let_go(theatre)


@settings(max_examples=100)
@given(dice, st.integers(1, 12), workers, st.floats(0.1, 60))
def test_the_time_is_kept_to_the_moment(dice: random.Random, tasks: int, workers: int, timeout: float) -> None:
    theatre = Theatre(dice, tasks, workers, None, timeout)
    theatre.length = dict.fromkeys(theatre.length, 10_000)
    while theatre.consumer in theatre.runners:
        ready = [runner for runner in theatre.runners if runner.may_go_on(theatre.now)]
        if ready:
            theatre.go_on(dice.choice(ready))
        else:
            theatre.now = min(runner.until for runner in theatre.runners)
    assert isinstance(theatre.ended, WaitTimeout)
    assert theatre.now == pytest.approx(timeout)
    theatre.run()
    all_is_let_go(theatre)


@settings(max_examples=100)
@given(dice, st.integers(1, 12), workers)
def test_closing_at_any_step_ends_everything(dice: random.Random, tasks: int, workers: int) -> None:
    theatre = Theatre(dice, tasks, workers, None, None)
    theatre.run(closing=0.02, hints=0.1)
    assert isinstance(theatre.ended, ClientClosed) or len(theatre.delivered) == tasks
    all_is_let_go(theatre)


@settings(max_examples=100)
@given(dice, st.integers(1, 8), workers, st.sampled_from([None, 3.0]))
def test_single_waits_beside_a_fleet_disturb_nobody(
    dice: random.Random, tasks: int, workers: int, timeout: float | None
) -> None:
    theatre = Theatre(dice, tasks, workers, None, None)
    theatre.workers += tasks  # the single waiters send too
    theatre.last_looks = timeout is not None
    for task in dice.sample(theatre.tasks, dice.randint(1, tasks)):
        theatre.start(theatre.engine.wait(task, timeout, None))
    theatre.run(hints=0.1)
    assert Counter(theatre.delivered) == dict.fromkeys(theatre.tasks, 1)
    all_is_let_go(theatre)
