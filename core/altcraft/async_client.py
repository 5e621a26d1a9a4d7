"""`AsyncClient`: the same surface as `Client`, awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from altcraft.engine.build import Kind, build
from altcraft.engine.environment import from_environment
from altcraft.engine.eventloop import LoopRunner, LoopWorkers
from altcraft.engine.group import Group, Waited
from altcraft.engine.submissions import Submissions
from altcraft.errors import WaitTimeout
from altcraft.hooks import Plugin
from altcraft.schema import (
    ChannelStatistics,
    DatabasesGetCounters,
    DatabasesRefreshCounters,
    DatabaseStatistics,
    Feedback,
    PlainRequest,
    ResourcesRefreshCounters,
    ResourceStatistics,
    SegmentsGetCounters,
    SegmentsRefreshCounters,
    SegmentStatistics,
    TaskRequest,
    TaskStatus,
)
from altcraft.task import AsyncTask
from altcraft.tasks.polling import Polling
from altcraft.tasks.retry import Retry
from altcraft.wire.secret import Auth, Secret
from altcraft.wire.transport import AsyncTransport, TransportRegistry, TransportSettings

if TYPE_CHECKING:
    from typing_extensions import Self

    from altcraft.hooks import Plugin

__all__ = ["AsyncClient"]

R = TypeVar("R")

_KIND = Kind(TransportRegistry.create_async, LoopRunner, AsyncTask)


class AsyncClient:
    """A `Client` for one event loop: the same parameters, the same names, the same meaning; its methods are awaited.

    `transport` is a registered name or an object with the AsyncTransport protocol. The default runs urllib3 in worker
    threads, so that it needs no extra.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        codec: str = "json",
        transport: str | AsyncTransport = "threads",
        settings: TransportSettings | None = None,
        auth: Auth = "body",
        polling: Polling | None = None,
        retry: Retry | None = None,
        request_timeout: float = 10.0,
        plugins: Sequence[object] = (),
        load_entry_points: bool = False,
    ) -> None:
        secret, token = Secret.of(token), None  # from here on, no frame of a traceback shows it
        built = build(
            _KIND,
            url,
            secret,
            codec,
            transport,
            settings,
            auth,
            polling,
            retry,
            request_timeout,
            plugins,
            load_entry_points,
        )
        self.hooks = built.engine.hooks
        self.polling = built.engine.policies.polling
        self.retry = built.engine.policies.retry
        self.settings = settings if settings is not None else TransportSettings()
        self.codecs = built.codecs
        self.operations = built.operations
        self._engine = built.engine
        self._runner = built.runner
        self.segments = AsyncSegments(self)
        self.databases = AsyncDatabases(self)
        self.resources = AsyncResources(self)
        self.tasks = AsyncTasks(self)

    @classmethod
    def from_env(cls, **settings: Any) -> Self:
        """As `Client.from_env`."""
        return cls(**from_environment(settings))

    async def check(self) -> None:
        """As `Client.check`."""
        await self._runner.run(self._engine.check())

    async def submit(self, request: TaskRequest[R], *, key: str | None = None, note: str = "") -> AsyncTask[R]:
        """As `Client.submit`."""
        return cast(
            "AsyncTask[R]", await self._runner.run(self._engine.submit(self.operations.of(request), request, key, note))
        )

    async def call(self, request: PlainRequest[R]) -> R:
        """As `Client.call`."""
        return await self._runner.run(self._engine.call(self.operations.of(request), request))

    async def submit_many(self, requests: Iterable[TaskRequest[R]], *, max_in_flight: int = 16) -> list[AsyncTask[R]]:
        """As `Client.submit_many`. Needs asyncio."""
        submissions = Submissions(self._engine, requests, self.operations.of)
        workers = self._runner.workers(max_in_flight)
        try:
            for _ in range(min(submissions.size, max_in_flight)):
                workers.spawn(submissions.work, submissions.failed)
            await workers.join(cancel=False)
        finally:
            submissions.stop()
            await workers.join(cancel=True)
        return cast("list[AsyncTask[R]]", submissions.tasks())

    def plugins(self) -> tuple[Plugin, ...]:
        """As `Client.plugins`."""
        return self.hooks.plugins()

    @property
    def host(self) -> str:
        """As `Client.host`."""
        return self._engine.host

    async def close(self) -> None:
        """As `Client.close`."""
        self._engine.close()
        await self._runner.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        engine = getattr(self, "_engine", None)  # absent when the constructor has failed
        closed = ", closed" if engine and engine.closed else ""
        return f"<AsyncClient of {engine.host}{closed}>" if engine else "<AsyncClient, not made>"


class AsyncSegments:
    """`client.segments`, awaited."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def refresh_counters(
        self, id: int, *, resource_id: int, db_id: int | None = None, list_id: int | None = None
    ) -> AsyncTask[list[SegmentStatistics]]:
        """As `Segments.refresh_counters`."""
        return await self._client.submit(SegmentsRefreshCounters(id, resource_id, db_id, list_id))

    async def get_counters(
        self, id: int, *, resource_id: int, list_id: int | None = None, db_id: int | None = None
    ) -> list[ChannelStatistics]:
        """As `Segments.get_counters`."""
        return await self._client.call(SegmentsGetCounters(id, resource_id, list_id, db_id))


class AsyncDatabases:
    """`client.databases`, awaited."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def refresh_counters(
        self, id: int, *, resource_id: int, feedback: Feedback | None = None
    ) -> AsyncTask[list[DatabaseStatistics]]:
        """As `Databases.refresh_counters`."""
        return await self._client.submit(DatabasesRefreshCounters(id, resource_id, feedback))

    async def get_counters(self, id: int, *, resource_id: int) -> list[ChannelStatistics]:
        """As `Databases.get_counters`."""
        return await self._client.call(DatabasesGetCounters(id, resource_id))


class AsyncResources:
    """`client.resources`, awaited."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def refresh_counters(
        self, id: int, *, list_id: int | None = None, feedback: Feedback | None = None
    ) -> AsyncTask[list[ResourceStatistics]]:
        """As `Resources.refresh_counters`."""
        return await self._client.submit(ResourcesRefreshCounters(id, list_id, feedback))


class AsyncTasks:
    """`client.tasks`, awaited; `resume` does no I/O and is called as it is."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    def as_completed(
        self,
        tasks: Iterable[AsyncTask[R]],
        timeout: float | None = None,
        *,
        max_in_flight: int = 32,
        max_polls_per_second: float | None = None,
    ) -> AsyncIterator[AsyncTask[R]]:
        """As `Tasks.as_completed`, to be used with `async for`. Needs asyncio.

        Close an iteration that you leave half-way with `aclose`, as any asynchronous generator (`contextlib.aclosing`
        does it): that breaks off the exchanges under way, and releases the tasks.
        """
        client = self._client
        workers = client._runner.workers(max_in_flight)
        group: Group[AsyncTask[R]] = Group(
            client._engine, tasks, timeout, max_polls_per_second, lambda: workers.spawn(group.work, group.failed)
        )
        return self._finished(group, workers)

    async def wait(
        self,
        tasks: Iterable[AsyncTask[R]],
        timeout: float | None = None,
        *,
        max_in_flight: int = 32,
        max_polls_per_second: float | None = None,
    ) -> Waited[AsyncTask[R]]:
        """As `Tasks.wait`. Needs asyncio."""
        waited = Waited(set[AsyncTask[R]](), set(tasks))
        finished = self.as_completed(
            tuple(waited.not_done),
            timeout,
            max_in_flight=max_in_flight,
            max_polls_per_second=max_polls_per_second,
        )
        try:
            async for task in finished:
                if task.done():
                    waited.note(task)
        except WaitTimeout:
            return waited
        return waited

    async def _finished(self, group: Group[AsyncTask[R]], workers: LoopWorkers) -> AsyncIterator[AsyncTask[R]]:
        runner = self._client._runner
        ended_by: BaseException | None = None
        try:
            group.begin()
            while (task := await runner.run(group.finished())) is not None:
                yield task
        except BaseException as error:
            ended_by = error
            raise
        finally:
            group.stop()
            group.end_waits(ended_by)
            await workers.join(cancel=True)

    async def status(self, task_id: str) -> TaskStatus[object]:
        """As `Tasks.status`."""
        client = self._client
        return await client._runner.run(client._engine.status(self.resume(task_id)))

    @overload
    def resume(self, task_id_or_token: str) -> AsyncTask[object]: ...

    @overload
    def resume(self, task_id_or_token: str, request: type[TaskRequest[R]]) -> AsyncTask[R]: ...

    def resume(
        self, task_id_or_token: str, request: type[TaskRequest[R]] | None = None
    ) -> AsyncTask[R] | AsyncTask[object]:
        """As `Tasks.resume`."""
        token, operation = self._client.operations.resumed(task_id_or_token, request)
        return cast("AsyncTask[R]", self._client._engine.resume(token, operation))
