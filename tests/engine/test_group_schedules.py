"""A group's workers, its consumer and single waits take turns in any order: the effects alone, no thread, no loop.

An actor that sends, sleeps or waits stands still until its time has come; dice choose the one that goes on.
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

from altcraft import ClientClosed, ConnectionLost, HttpRequest, HttpResponse, Polling, Retry, Task, WaitTimeout
from altcraft.codecs import default_registry
from altcraft.engine.effects import Effects, SendRequest, SleepFor, WaitFor
from altcraft.engine.engine import Engine
from altcraft.engine.group import Group
from altcraft.exchange import Exchange
from altcraft.hooks import Hooks
from altcraft.operations import unknown_task
from altcraft.tasks.machine import Policies
from altcraft.tasks.resume import ResumeToken
from altcraft.testing import reply
from altcraft.wire.secret import Secret
from engine.stage import is_scheduled

DONE = reply({"status": "completed", "progress": 100, "result": []})
RUNNING = reply({"status": "running"})
BUSY = reply(error=503, status=503)


class CountingSignal:
    """The smallest Signal: it counts."""

    def __init__(self) -> None:
        self.version = 0

    def notify(self, count: int | None = None) -> None:
        self.version += 1


class Actor:
    """A worker, a consumer or a single wait: its effects, and the effect that it waits for."""

    def __init__(self, effects: Generator[Any, Any, Any]) -> None:
        self.effects = effects
        self.effect: Any = None
        self.until = -math.inf
        self.woken = False
        self.answer: HttpResponse | Exception | None = None
        self.result: Any = None
        self.is_over = False

    def may_go_on(self, now: float) -> bool:
        if isinstance(self.effect, WaitFor) and self.effect.signal.version != self.effect.seen:
            return True
        return now >= self.until or (isinstance(self.effect, SleepFor) and self.woken)


class Simulation:
    """One group, its workers and what disturbs them. It is the engine's actor, in a time of its own."""

    longest_sleep = math.inf

    def __init__(
        self, dice: random.Random, tasks: int, workers: int, limit: float | None, timeout: float | None
    ) -> None:
        self.dice = dice
        self.time = 0.0
        self.actors: list[Actor] = []
        self.polls: Counter[str] = Counter()
        self.length = {f"t-{number}": dice.randint(1, 5) for number in range(tasks)}
        self.under_way: set[str] = set()
        self.starts: list[float] = []
        self.workers = workers
        self.spawned = 0
        self.last_polls = False  # whether there are single waits whose time may be up: each polls once more, by itself
        codecs = default_registry()
        exchange = Exchange("https://example.com", "example.com", Secret("t"), codecs.by_name("json"), codecs)
        polling = Polling(initial=dice.choice([0.5, 5.0]), maximum=30)
        self.engine = Engine(exchange, Hooks(), Policies(polling, Retry(patience=1e6, budget=None), 10.0), self, Task)
        self.tasks: list[Any] = [self.engine.resume(ResumeToken(task_id=name), unknown_task()) for name in self.length]
        self.group: Group[Task[object]] = Group(self.engine, self.tasks, timeout, limit, self.spawn)
        self.group.begin()
        self.delivered: list[Task[object]] = []
        self.ended: BaseException | None = None
        self.consumer = self.start(self.consume())

    def spawn(self) -> bool:
        if self.spawned == self.workers:
            return False
        self.spawned += 1
        self.start(self.group.work())
        return True

    def now(self) -> float:
        return self.time

    def wall(self, at: float) -> float:
        return at

    def after_fork(self) -> None:
        raise NotImplementedError("nothing forks here")

    def signal(self) -> CountingSignal:
        return CountingSignal()

    def run(self, effects: Effects[Any]) -> Any:
        raise NotImplementedError("the actors are run by `play`")

    def start(self, effects: Generator[Any, Any, Any]) -> Actor:
        self.actors.append(Actor(effects))
        return self.actors[-1]

    def wake(self, key: object) -> None:
        for actor in self.actors:
            actor.woken = actor.woken or isinstance(actor.effect, SleepFor)

    def consume(self) -> Generator[Any, Any, None]:
        try:
            while (task := (yield from self.group.finished())) is not None:
                self.delivered.append(task)
        except (WaitTimeout, ClientClosed) as ended:
            self.ended = ended
        finally:
            self.group.stop()

    def play(self, *, hints: float = 0.0, closing: float = 0.0) -> None:
        for _ in range(20_000):
            if self.dice.random() < hints:
                self.dice.choice(self.tasks).notify()
            if self.dice.random() < closing:
                self.engine.close()
            ready = [actor for actor in self.actors if actor.may_go_on(self.time)]
            if ready:
                self.go_on(self.dice.choice(ready))
                continue
            if not self.actors:
                return
            self.time = min(actor.until for actor in self.actors)
            assert self.time < math.inf, "every actor waits for another one"
        raise AssertionError("it never ends")

    def go_on(self, actor: Actor) -> None:
        answer, actor.answer, actor.woken = actor.answer, None, False
        was = actor.effect
        if isinstance(was, SendRequest):
            self.under_way.discard(_task(was.request))
        try:
            effect = actor.effects.throw(answer) if isinstance(answer, Exception) else actor.effects.send(answer)
        except StopIteration:
            self.actors.remove(actor)
            return
        actor.effect = effect
        if isinstance(effect, SendRequest):
            actor.answer = self.send(_task(effect.request))
            actor.until = self.time + self.dice.choice([0.0, 0.01, 2.0])
        else:
            actor.until = math.inf if effect.seconds is None else self.time + effect.seconds

    def send(self, name: str) -> HttpResponse | Exception:
        if not self.last_polls:
            assert name not in self.under_way, "two polls of the same task"
            assert len(self.under_way) < self.workers
        self.under_way.add(name)
        self.starts.append(self.time)
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


def all_is_released(simulation: Simulation) -> None:
    assert all(task._followed.leader is None and not is_scheduled(task) for task in simulation.tasks)
    assert simulation.engine._signals == ()
    assert len(simulation.group._schedule) == 0
    assert not simulation.group._turns


@settings(max_examples=settings.default.max_examples * 3 // 2)
@given(dice, st.integers(1, 12), workers, st.sampled_from([None, 1.0, 20.0]), st.sampled_from([0.0, 0.3]))
def test_each_task_is_delivered_once_by_bounded_workers_within_the_limit(
    dice: random.Random, tasks: int, workers: int, limit: float | None, hints: float
) -> None:
    simulation = Simulation(dice, tasks, workers, limit, None)
    simulation.play(hints=hints)
    assert simulation.ended is None
    assert Counter(simulation.delivered) == dict.fromkeys(simulation.tasks, 1)
    assert simulation.spawned <= workers
    if limit is not None:
        starts = simulation.starts
        assert all(later - earlier >= 1 / limit - 1e-9 for earlier, later in zip(starts, starts[1:]))  # noqa: B905, RUF007
    if not hints:
        assert simulation.polls == simulation.length, "no poll more than it takes"
    all_is_released(simulation)


@given(dice, st.integers(1, 12), workers, st.floats(0.1, 60))
def test_the_time_is_kept_to_the_moment(dice: random.Random, tasks: int, workers: int, timeout: float) -> None:
    simulation = Simulation(dice, tasks, workers, None, timeout)
    simulation.length = dict.fromkeys(simulation.length, 10_000)
    while simulation.consumer in simulation.actors:
        ready = [actor for actor in simulation.actors if actor.may_go_on(simulation.time)]
        if ready:
            simulation.go_on(dice.choice(ready))
        else:
            simulation.time = min(actor.until for actor in simulation.actors)
    assert isinstance(simulation.ended, WaitTimeout)
    assert simulation.time == pytest.approx(timeout)
    simulation.play()
    all_is_released(simulation)


@given(dice, st.integers(1, 12), workers)
def test_closing_at_any_step_ends_everything(dice: random.Random, tasks: int, workers: int) -> None:
    simulation = Simulation(dice, tasks, workers, None, None)
    simulation.play(closing=0.02, hints=0.1)
    assert isinstance(simulation.ended, ClientClosed) or len(simulation.delivered) == tasks
    all_is_released(simulation)


@given(dice, st.integers(1, 8), workers, st.sampled_from([None, 3.0]))
def test_single_waits_beside_a_group_change_nothing_for_it(
    dice: random.Random, tasks: int, workers: int, timeout: float | None
) -> None:
    simulation = Simulation(dice, tasks, workers, None, None)
    simulation.workers += tasks  # the single waiters send too
    simulation.last_polls = timeout is not None
    for task in dice.sample(simulation.tasks, dice.randint(1, tasks)):
        simulation.start(simulation.engine.wait(task, timeout, None))
    simulation.play(hints=0.1)
    assert Counter(simulation.delivered) == dict.fromkeys(simulation.tasks, 1)
    all_is_released(simulation)
