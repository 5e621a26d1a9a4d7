"""What a caller does with an AsyncClient, one scenario each; and clients on a stage, with waits that follow others."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from altcraft import AsyncClient, AsyncTask, ConnectError, ConnectionLost, HttpRequest, HttpResponse
from altcraft.schema import SegmentsRefreshCounters
from altcraft.testing import reply
from engine.loops import AsyncStage
from engine.stage import DONE, FOREVER, RUNNING, STARTED

TaskOf = AsyncTask[Any]
SCENARIOS: dict[str, Callable[[AsyncClient, TaskOf], Awaitable[Any]]] = {
    "submit": lambda client, _: client.segments.refresh_counters(7, resource_id=24),
    "call": lambda client, _: client.segments.get_counters(7, resource_id=24),
    "status": lambda client, _: client.tasks.status("t-1"),
    "poll": lambda _, task: task.poll(),
    "result": lambda _, task: task.result(),
    "exception": lambda _, task: task.exception(timeout=1000),
    "await": lambda _, task: _awaited(task),
    "as_completed": lambda client, task: _all(client, task),
    "wait": lambda client, task: client.tasks.wait([task, client.tasks.resume("t-2")], max_in_flight=2),
    "submit_many": lambda client, _: client.submit_many(
        [SegmentsRefreshCounters(number, 24) for number in range(3)], max_in_flight=2
    ),
    "close": lambda client, _: client.close(),
}


async def _awaited(task: TaskOf) -> Any:
    return await task


async def _all(client: AsyncClient, task: TaskOf) -> list[TaskOf]:
    tasks = [task, *(client.tasks.resume(f"t-{number}") for number in range(2, 4))]
    async with contextlib.aclosing(client.tasks.as_completed(tasks, max_in_flight=2)) as iteration:
        return [each async for each in iteration]


class Platform:
    """Everything fails once before it works, so that every path has its retry; a task takes three polls."""

    def __init__(self) -> None:
        self.asked: Counter[bytes] = Counter()

    def __call__(self, request: HttpRequest) -> HttpResponse | BaseException:
        self.asked[request.url.encode() + request.body] += 1
        time = self.asked[request.url.encode() + request.body]
        if request.url.endswith("tasks/status"):
            return (RUNNING, ConnectionLost("reset"), RUNNING, DONE)[min(time, 4) - 1]
        if time == 1:
            return ConnectError("refused")
        return STARTED if request.url.endswith("refresh_counters") else reply([])


@contextlib.asynccontextmanager
async def on_stage(**settings: Any) -> Any:
    """A client on a stage."""
    stage = AsyncStage()
    settings.setdefault("polling", FOREVER)
    async with AsyncClient("https://example.com", "a-token", transport=stage, **settings) as client:
        yield client, stage
    assert not stage.under_way


async def outcome(awaitable: Awaitable[Any]) -> Any:
    """What it comes to, be it an error."""
    try:
        return await awaitable
    except Exception as error:
        return error


async def follow(
    task: AsyncTask[Any], stage: AsyncStage, count: int
) -> tuple[asyncio.Task[Any], list[asyncio.Task[Any]]]:
    """A leader, asleep until it is woken, and so many followers."""
    leader = asyncio.ensure_future(task.result())
    (await stage.next()).answer(RUNNING)
    await stage.asleep()
    followers = [asyncio.ensure_future(task.result()) for _ in range(count)]
    await asyncio.sleep(0)
    return leader, followers
