"""An outage of ten minutes with 1,000 outstanding tasks: what is sent, and how soon the first success comes after it.

    python -m tests.benchmarks.outage [--tasks 1000] [--minutes 10]

Simulated time, single waits and one group, with the retry budget and without. A thread for each single wait would be
the machine's limit, not the library's: the waits are stepped by `task.step()`, which keeps to the same schedule.
"""

from __future__ import annotations

import argparse
import heapq
from typing import NamedTuple

from altcraft import Client, ConnectError, HttpRequest, HttpResponse, Polling, Retry, RetryBudget
from altcraft.testing import FakeClock, reply

DONE = reply({"status": "completed", "progress": 100, "result": []})
RUNNING = reply({"status": "running"})
BEGIN = 60.0


class Seen(NamedTuple):
    """What the platform has seen, and what became of the tasks."""

    during: int
    first_after: float
    most_in_a_second: int
    lost: int


class Platform:
    """A transport whose platform is away from `BEGIN` for `seconds`. Its tasks end while it is away."""

    def __init__(self, clock: FakeClock, seconds: float) -> None:
        self.clock = clock
        self.end = BEGIN + seconds
        self.during: list[float] = []
        self.successes: list[float] = []

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        if self.clock.now < BEGIN:
            return RUNNING
        if self.clock.now < self.end:
            self.during.append(self.clock.now)
            raise ConnectError("refused")
        self.successes.append(self.clock.now)
        return DONE

    def sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds)

    def wake(self) -> None: ...

    def close(self) -> None: ...

    def monotonic(self) -> float:
        return self.clock.monotonic()

    def seen(self, lost: int) -> Seen:
        seconds = [int(at) for at in self.during]
        most = max((seconds.count(second) for second in set(seconds)), default=0)
        return Seen(len(self.during), min(self.successes) - self.end, most, lost)


def made(platform: Platform, budget: RetryBudget | None) -> Client:
    retry = Retry(patience=3600, budget=budget)
    return Client("https://example.com", "t", transport=platform, polling=Polling(), retry=retry)


def in_single_waits(tasks: int, seconds: float, budget: RetryBudget | None) -> Seen:
    """Each task by itself: a heap of steps stands for the threads that would sleep."""
    platform = Platform(FakeClock(), seconds)
    with made(platform, budget) as client:
        handles = [client.tasks.resume(f"t-{number}") for number in range(tasks)]
        due = [(0.0, number) for number in range(tasks)]
        while due:
            at, number = heapq.heappop(due)
            platform.clock.now = max(platform.clock.now, at)
            step = handles[number].step()
            if step.delay is not None:
                heapq.heappush(due, (platform.clock.now + step.delay, number))
        return platform.seen(sum(not task.done() for task in handles))


def in_a_group(tasks: int, seconds: float, budget: RetryBudget | None) -> Seen:
    """All of them by `client.tasks.wait`, whose polls hold back together."""
    platform = Platform(FakeClock(), seconds)
    with made(platform, budget) as client:
        handles = [client.tasks.resume(f"t-{number}") for number in range(tasks)]
        _, not_done = client.tasks.wait(handles, timeout=7200, max_in_flight=1)
        return platform.seen(len(not_done))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    print(
        "| | sent during the outage | most in a second | first success after it, s | lost |\n|---|---:|---:|---:|---:|"
    )
    for name, run in (("single waits", in_single_waits), ("one group", in_a_group)):
        for budget in (None, RetryBudget()):
            seen = run(options.tasks, 60 * options.minutes, budget)
            print(
                f"| {name}, {'with' if budget else 'without'} the budget | {seen.during:,} | {seen.most_in_a_second} "
                f"| {seen.first_after:.1f} | {seen.lost} |"
            )


if __name__ == "__main__":
    main()
