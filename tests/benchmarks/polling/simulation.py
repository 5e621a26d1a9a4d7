"""Simulated tasks, and the policies that poll them: how many polls a task takes, and how large the lag is.

The lag is the time in seconds from the end of a task to the poll that finds it done. Exchanges take no time here. Every
policy polls at once, then after each of its delays. Equal seeds give equal tasks and equal figures.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import accumulate, repeat
from random import Random

import msgspec

from altcraft.tasks.polling import History, Polling

# The progress that the platform reports so many seconds after the submission. A pattern makes it from a duration.
Progress = Callable[[float], "int | None"]
Pattern = Callable[[float, Random], Progress]
# The number of polls and the lag of a task, from its duration, its progress and its number.
Policy = Callable[[float, Progress, int], "tuple[int, float]"]

STEPS = (4, 5, 10)
UNEVEN = 0.1  # a step takes between 1 - UNEVEN and 1 + UNEVEN of its share


def linear(duration: float, random: Random) -> Progress:
    """Progress follows the time, in whole per cent."""
    return lambda t: int(100 * t / duration)


def stepwise(duration: float, random: Random) -> Progress:
    """Progress moves in 4, 5 or 10 equal steps of slightly different durations."""
    n = random.choice(STEPS)
    shares = [random.uniform(1 - UNEVEN, 1 + UNEVEN) for _ in range(n)]
    ends = [duration * s / sum(shares) for s in accumulate(shares)]
    return lambda t: 100 * min(bisect_right(ends, t), n - 1) // n


def silent(duration: float, random: Random) -> Progress:
    """Progress stays at 0 until the task is done."""
    return lambda t: 0


def unreported(duration: float, random: Random) -> Progress:
    """The platform reports no progress."""
    return lambda t: None


PATTERNS: dict[str, Pattern] = {"linear": linear, "stepwise": stepwise, "silent": silent, "unreported": unreported}


def adaptive(polling: Polling) -> Policy:
    """The library's own schedule: `Polling.next_delay` over a real `History`."""

    def follow(duration: float, progress: Progress, task: int) -> tuple[int, float]:
        now = 0.0
        history = History.begin(now, True, f"task-{task}")
        while now < duration:
            history = history.observed(now, "running", progress(now))
            now += polling.next_delay(history)
        return history.polls + 1, now - duration

    return follow


def blind(delays: Callable[[Random], Iterator[float]]) -> Policy:
    """A schedule that ignores progress."""

    def follow(duration: float, progress: Progress, task: int) -> tuple[int, float]:
        now, polls = 0.0, 1
        steps = delays(Random(task))
        while now < duration:
            now += next(steps)
            polls += 1
        return polls, now - duration

    return follow


def fixed(seconds: float) -> Policy:
    return blind(lambda random: repeat(seconds))


def exponential(initial: float = 1.0, factor: float = 1.5, maximum: float = 20.0) -> Policy:
    """The yardstick: exponential steps with full jitter, each delay uniform between 0 and the step."""

    def delays(random: Random) -> Iterator[float]:
        step = initial
        while True:
            yield random.random() * step
            step = min(step * factor, maximum)

    return blind(delays)


YARDSTICK = "exponential"
OURS: dict[str, Policy] = {"Polling()": adaptive(Polling()), "Polling(maximum=20)": adaptive(Polling(maximum=20))}
POLICIES: dict[str, Policy] = {
    **OURS,
    YARDSTICK: exponential(),
    "fixed 1 s": fixed(1.0),
    "fixed 5 s": fixed(5.0),
    "fixed 30 s": fixed(30.0),
}

# The limits: polls and lag, as a share of the yardstick's.
GOALS = {"linear": (1.0, 1 / 3), "stepwise": (1.0, 1 / 3), "silent": (1.1, 1.1), "unreported": (1.1, 1.1)}


class Row(msgspec.Struct, frozen=True):
    """One policy under one pattern: means over all tasks. The ratios are to the means of the yardstick."""

    sigma: float
    pattern: str
    policy: str
    polls: float
    lag: float
    polls_ratio: float
    lag_ratio: float


class Goal(msgspec.Struct, frozen=True):
    """Whether one of our policies keeps its limits under one pattern."""

    row: Row
    polls_limit: float
    lag_limit: float
    passed: bool


def simulate(tasks: int, seed: int, sigma: float, median: float = 30.0) -> list[Row]:
    """Runs every policy over the same tasks. Durations are lognormal: half are above the median, some far above."""
    random = Random(seed)
    durations = [median * random.lognormvariate(0.0, sigma) for _ in range(tasks)]
    rows: list[Row] = []
    for pattern, shape in PATTERNS.items():
        progress = [shape(duration, random) for duration in durations]
        means: dict[str, tuple[float, float]] = {}
        for name, policy in POLICIES.items():
            seen = [policy(duration, progress[n], seed * tasks + n) for n, duration in enumerate(durations)]
            means[name] = sum(polls for polls, _ in seen) / tasks, sum(lag for _, lag in seen) / tasks
        base = means[YARDSTICK]
        rows += [Row(sigma, pattern, n, p, lag, p / base[0], lag / base[1]) for n, (p, lag) in means.items()]
    return rows


def goals(rows: list[Row]) -> list[Goal]:
    """The goals, each met or missed by one of the rows."""
    found: list[Goal] = []
    for row in rows:
        if row.policy in OURS:
            polls, lag = GOALS[row.pattern]
            found.append(Goal(row, polls, lag, row.polls_ratio <= polls and row.lag_ratio <= lag))
    return found
