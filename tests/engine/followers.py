"""Threads that follow a wait which leads: a leader that sleeps, and waits of which the test knows that they wait."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from altcraft import Task
from engine.stage import PATIENCE, RUNNING, Stage


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
