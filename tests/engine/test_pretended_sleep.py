"""A transport of three methods, as a test writes one: its sleep notes the seconds and returns at once."""

from __future__ import annotations

import time
from typing import Any

import pytest

from altcraft import HttpRequest, HttpResponse, Polling, WaitTimeout
from altcraft.testing import reply
from both_clients import World

RUNNING = {"status": "working"}
DONE = {"status": "completed", "result": []}


class Noting:
    """Answers from a list, whose last entry stays; says how long it was asked to sleep."""

    def __init__(self, *answers: Any) -> None:
        self.answers = [reply({"task_id": "a-task"}), *map(reply, answers)]
        self.slept: list[float] = []
        self.timeouts: list[float] = []

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        self.timeouts.append(timeout)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def close(self) -> None:
        pass


class AsyncNoting(Noting):
    async def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:  # type: ignore[override]  # awaited
        return super().send(request, timeout=timeout)

    async def sleep(self, seconds: float) -> None:  # type: ignore[override]  # awaited
        super().sleep(seconds)

    async def close(self) -> None:  # type: ignore[override]  # awaited
        pass


def started(world: World, *answers: Any, **settings: Any) -> tuple[Any, Noting]:
    """A task that was just submitted, and the transport it is followed over."""
    transport = (AsyncNoting if world.is_async else Noting)(*answers)
    client = world.client(transport=transport, **settings)
    return world.do(client.segments.refresh_counters(7, resource_id=24)), transport


def test_hours_of_polling_pass_in_no_time(world: World) -> None:
    polling = Polling(initial=600, maximum=3600, jitter=False)
    task, transport = started(world, RUNNING, RUNNING, RUNNING, DONE, polling=polling)
    began = time.monotonic()
    assert world.do(task.result()) == []
    assert sum(transport.slept) > 3 * 600 / 2
    assert time.monotonic() - began < 30


def test_no_sleep_is_asked_for_twice(world: World) -> None:
    task, transport = started(world, RUNNING, RUNNING, DONE, polling=Polling(initial=0.4, jitter=False))
    world.do(task.result())
    assert len(transport.slept) == 2
    assert transport.slept[0] < transport.slept[1]


def test_the_deadline_is_kept_in_the_time_that_was_slept(world: World) -> None:
    task, transport = started(world, RUNNING)
    with pytest.raises(WaitTimeout):
        world.do(task.result(timeout=120))
    assert sum(transport.slept) == pytest.approx(120, abs=1)
    assert max(transport.timeouts) <= 10


def test_a_retry_waits_its_time_too(world: World) -> None:
    task, transport = started(world)
    transport.answers = [reply(status=429, headers={"Retry-After": "7"}), reply(DONE)]
    world.do(task.result())
    assert sum(transport.slept) == pytest.approx(7, abs=0.1)
