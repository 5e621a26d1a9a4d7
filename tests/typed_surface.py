"""What a type checker must make of the public surface. Never run: mypy and pyright read it, both strict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from altcraft import (
    AsyncClient,
    AsyncTask,
    ChannelStatistics,
    Client,
    DatabaseStatistics,
    HttpRequest,
    HttpResponse,
    PlainRequest,
    ResourceStatistics,
    SegmentStatistics,
    Task,
    TaskFailed,
    TaskRequest,
    TaskStatus,
)
from altcraft.schema import SegmentsRefreshCounters

if TYPE_CHECKING:
    from typing_extensions import assert_type


class Exported(TaskRequest[dict[str, int]], frozen=True):
    """A user's own task operation."""

    source_id: int


class Looked(PlainRequest[list[str]], frozen=True):
    """A user's own plain operation."""

    id: int


class Carrier:
    """A user's own transport: no base class needed."""

    def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        return HttpResponse(200, {"X-Timeout": str(timeout)}, request.body)

    def sleep(self, seconds: float) -> None: ...

    def close(self) -> None: ...


def refreshing(client: Client) -> None:
    segments = client.segments.refresh_counters(7, resource_id=24, db_id=1)
    assert_type(segments, Task[list[SegmentStatistics]])
    assert_type(segments.result(timeout=1), list[SegmentStatistics])
    assert_type(segments.poll(), TaskStatus[list[SegmentStatistics]])
    assert_type(
        client.databases.refresh_counters(5, resource_id=24).result()[0].channels[0].status.subscribed, int | None
    )
    assert_type(client.databases.refresh_counters(5, resource_id=24), Task[list[DatabaseStatistics]])
    assert_type(client.resources.refresh_counters(24, list_id=1), Task[list[ResourceStatistics]])


def reading(client: Client) -> None:
    assert_type(client.segments.get_counters(7, resource_id=24, list_id=1), list[ChannelStatistics])
    assert_type(client.databases.get_counters(5, resource_id=24), list[ChannelStatistics])
    assert_type(client.tasks.status("930bfdb0"), TaskStatus[object])
    assert_type(client.tasks.resume("930bfdb0"), Task[object])
    assert_type(client.tasks.resume("930bfdb0", Exported), Task[dict[str, int]])


def declaring(client: Client) -> None:
    assert_type(client.submit(Exported(source_id=1)), Task[dict[str, int]])
    assert_type(client.submit(Exported(source_id=1)).result(), dict[str, int])
    assert_type(client.call(Looked(id=1)), list[str])
    client.call(Exported(source_id=1))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # a task is submitted
    client.submit(Looked(id=1))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # an answer is called for


def connecting() -> Client:
    return Client("https://your.host", token="…", transport=Carrier())


class AsyncCarrier:
    """A user's own asynchronous transport."""

    async def send(self, request: HttpRequest, *, timeout: float) -> HttpResponse:
        return HttpResponse(200, {"X-Timeout": str(timeout)}, request.body)

    async def sleep(self, seconds: float) -> None: ...

    async def close(self) -> None: ...


def connecting_to_a_loop() -> AsyncClient:
    AsyncClient("https://your.host", token="…", transport=Carrier())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # it is not awaited
    return AsyncClient("https://your.host", token="…", transport=AsyncCarrier())


async def awaiting(client: AsyncClient) -> None:
    segments = await client.segments.refresh_counters(7, resource_id=24, db_id=1)
    assert_type(segments, AsyncTask[list[SegmentStatistics]])
    assert_type(await segments, list[SegmentStatistics])
    assert_type(await segments.result(timeout=1), list[SegmentStatistics])
    assert_type(await segments.poll(), TaskStatus[list[SegmentStatistics]])
    assert_type(await segments.exception(), TaskFailed | None)
    assert_type(await client.databases.refresh_counters(5, resource_id=24), AsyncTask[list[DatabaseStatistics]])
    assert_type(await client.resources.refresh_counters(24, list_id=1), AsyncTask[list[ResourceStatistics]])
    assert_type(await client.segments.get_counters(7, resource_id=24), list[ChannelStatistics])
    assert_type(await client.tasks.status("930bfdb0"), TaskStatus[object])
    assert_type(client.tasks.resume("930bfdb0"), AsyncTask[object])
    assert_type(client.tasks.resume("930bfdb0", Exported), AsyncTask[dict[str, int]])
    assert_type(await client.submit(Exported(source_id=1)), AsyncTask[dict[str, int]])
    assert_type(await client.call(Looked(id=1)), list[str])


async def awaiting_many(client: AsyncClient) -> None:
    tasks = await client.submit_many([SegmentsRefreshCounters(n, 24) for n in range(9)])
    assert_type(tasks, list[AsyncTask[list[SegmentStatistics]]])
    async for task in client.tasks.as_completed(tasks):
        assert_type(task, AsyncTask[list[SegmentStatistics]])
    done, not_done = await client.tasks.wait(tasks)
    assert_type(done, set[AsyncTask[list[SegmentStatistics]]])
    assert_type(not_done, set[AsyncTask[list[SegmentStatistics]]])


def following_many(client: Client) -> None:
    tasks = client.submit_many([SegmentsRefreshCounters(n, 24) for n in range(9)])
    assert_type(tasks, list[Task[list[SegmentStatistics]]])
    for task in client.tasks.as_completed(tasks):
        assert_type(task, Task[list[SegmentStatistics]])
    done, not_done = client.tasks.wait(tasks)
    assert_type(done, set[Task[list[SegmentStatistics]]])
    assert_type(not_done, set[Task[list[SegmentStatistics]]])
