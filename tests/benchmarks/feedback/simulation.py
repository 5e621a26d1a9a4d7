"""What it saves and costs to leave a task with feedback alone, in simulated time.

    python -m tests.benchmarks.feedback.simulation [--runs N] [--tasks N] [--at-once N] [--shortest S] [--longest S]

For some settings of `Polling` it prints the polls a task where all deliveries come, and the lag of the tasks whose
delivery is lost where a fifth of them is: means over the runs. The task machines and the polling are the client's own;
only the time, the platform and the deliveries are simulated. Each run starts with a new client.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

import msgspec

from altcraft import Feedback, Polling, Retry, TaskStatus
from altcraft.tasks.events import Began, Event, Finish, Notified, Responded, Send, Woke
from altcraft.tasks.hints import HintBreaker
from altcraft.tasks.machine import Policies, TaskMachine

from .__main__ import share

ROUND_TRIP, DELIVERY = 0.003, 0.002
"""Seconds that a poll takes, and from a task's end until its delivery."""
SETTINGS = {
    "hint_checks=0": Polling(hint_checks=0),
    "the defaults": Polling(),
    "hint_checks=20": Polling(hint_checks=20),
    "hint_checks=40": Polling(hint_checks=40),
    "hint_patience=0": Polling(hint_patience=0.0),
}


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """How many tasks there are, how many run at once, and how many seconds one takes."""

    tasks: int = 200
    at_once: int = 20
    shortest: float = 0.5
    longest: float = 5.0


class Ended(msgspec.Struct, frozen=True):
    """A task's lag in seconds, its polls, and whether its delivery was lost."""

    lag: float
    polls: int
    lost: bool


class _Task:
    def __init__(self, at: float, duration: float, lost: bool, machine: TaskMachine) -> None:
        self.ends, self.begun, self.duration, self.lost, self.machine = at + duration, at, duration, lost, machine
        self.polls = 0
        self.turn = 0
        self.sending = False

    def status(self, at: float) -> TaskStatus[object]:
        if at >= self.ends:
            return TaskStatus("completed", 100)
        return TaskStatus("running", min(99, int(100 * (at - self.begun) / self.duration)))


def simulate(polling: Polling, field: Field, loss: float, seed: int, *, feedback: bool = True) -> list[Ended]:
    """The ended tasks, in the order in which the client learnt of their ends."""
    chance = random.Random(seed)
    policies, hints = Policies(polling, Retry(), 30.0), HintBreaker()
    due: list[tuple[float, int, Callable[[float], None]]] = []
    number, left, ended = count(), count(field.tasks, -1), list[Ended]()

    def later(at: float, what: Callable[[float], None]) -> None:
        heappush(due, (at, next(number), what))

    def submit(at: float) -> None:
        if next(left) <= 0:
            return
        duration, lost = chance.uniform(field.shortest, field.longest), chance.random() < loss
        told = Feedback("http://me") if feedback else None
        task_id = f"{chance.getrandbits(128):032x}"
        machine = TaskMachine(task_id, "refresh", policies, at=at, submitted=True, feedback=told, hints=hints)
        task = _Task(at, duration, lost, machine)
        feed(task, Began(at))
        if feedback and not lost:
            later(task.ends + DELIVERY, lambda at: deliver(task, at))

    def feed(task: _Task, event: Event) -> None:
        command = task.machine.handle(event)[-1]
        task.turn += 1
        task.sending = isinstance(command, Send)
        if isinstance(command, Finish):
            ended.append(Ended(event.at - task.ends, task.polls, task.lost))
            later(event.at, submit)
        elif isinstance(command, Send):
            task.polls += 1
            status = task.status(event.at)
            later(event.at + ROUND_TRIP, lambda at: feed(task, Responded(at, status)))
        else:
            turn = task.turn
            later(task.machine.due, lambda at: feed(task, Woke(at)) if task.turn == turn else None)

    def deliver(task: _Task, at: float) -> None:
        if task.sending:
            task.machine.handle(Notified(at))
        elif task.machine.outcome is None:
            feed(task, Notified(at))

    for place in range(field.at_once):
        later(0.001 * place, submit)
    while due:
        at, _, what = heappop(due)
        what(at)
    return ended


def summary(polling: Polling, field: Field, runs: int) -> dict[str, float]:
    """A line of the table, as means over the runs."""
    sums = dict.fromkeys(("polls", "mean", "p50", "p99", "unreachable"), 0.0)
    for seed in range(runs):
        sums["polls"] += _mean([one.polls for one in simulate(polling, field, 0.0, seed)])
        lost = sorted(one.lag for one in simulate(polling, field, 0.2, seed + runs) if one.lost)
        sums["mean"] += _mean(lost)
        sums["p50"] += share(lost, 0.5)
        sums["p99"] += share(lost, 0.99)
        sums["unreachable"] += _mean([one.lag for one in simulate(polling, field, 1.0, seed + 2 * runs)])
    return {name: total / runs for name, total in sums.items()}


def _mean(figures: list[float]) -> float:
    return sum(figures) / len(figures) if figures else 0.0


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=20)
    parser.add_argument("--shortest", type=float, default=0.5)
    parser.add_argument("--longest", type=float, default=5.0)
    asked = parser.parse_args()
    field = Field(tasks=asked.tasks, at_once=asked.at_once, shortest=asked.shortest, longest=asked.longest)
    print(f"{'':20}{'polls':>8}{'lost: mean':>12}{'p50':>8}{'p99':>8}{'all lost: mean':>16}")
    for name, polling in SETTINGS.items():
        row = summary(polling, field, asked.runs)
        print(
            f"{name:20}{row['polls']:8.3f}{row['mean']:12.3f}{row['p50']:8.3f}{row['p99']:8.3f}{row['unreachable']:16.3f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
