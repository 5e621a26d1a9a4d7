"""`AsyncClient` and `AsyncTask`: the same surface as `Client` and `Task`, awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from altcraft.errors import TaskFailed, WaitTimeout
from altcraft.handle import Context, OnProgress, TaskBase
from altcraft.operations import Operation
from altcraft.polling import Polling
from altcraft.ports import AsyncTransport
from altcraft.retry import Retry
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
from altcraft.secret import Auth, Secret

if TYPE_CHECKING:
    from altcraft.aio_driver import AsyncCrew, AsyncDriver
    from altcraft.fleet import Fleet, Waited
    from altcraft.machine import TaskMachine

__all__ = ["AsyncClient", "AsyncTask"]

R = TypeVar("R")


class AsyncTask(TaskBase[R]):
    """A `Task` whose `poll`, `result` and `exception` are awaited; awaiting the task itself gives its result.

    Belongs to the event loop that it was made in; `notify` may be called from any thread. Cancelling whoever waits
    ends the wait and nothing else: the task can be waited for again.
    """

    __slots__ = ("_driver",)

    def __init__(self, driver: AsyncDriver, declared: Operation[R], machine: TaskMachine) -> None:
        super().__init__(declared, machine)
        self._driver = driver

    @property
    def _context(self) -> Context:
        return self._driver.conductor.context

    async def poll(self) -> TaskStatus[R]:
        """As `Task.poll`."""
        return await self._driver.run(self._driver.conductor.poll(self))

    async def result(self, timeout: float | None = None, on_progress: OnProgress[R] | None = None) -> R:
        """As `Task.result`."""
        finish = await self._driver.run(self._driver.conductor.wait(self, timeout, on_progress))
        if finish.error is not None:
            raise finish.error
        return cast(R, finish.result)

    async def exception(self, timeout: float | None = None) -> TaskFailed | None:
        """As `Task.exception`."""
        error = (await self._driver.run(self._driver.conductor.wait(self, timeout, None))).error
        if error is None or isinstance(error, TaskFailed):
            return error
        raise error

    def __await__(self) -> Generator[Any, None, R]:
        return self.result().__await__()


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
        auth: Auth = "body",
        polling: Polling | None = None,
        retry: Retry | None = None,
        request_timeout: float = 10.0,
        plugins: Sequence[object] = (),
        load_entry_points: bool = False,
    ) -> None:
        # As for Client: the machinery comes with the first.
        from altcraft.aio_driver import AsyncDriver
        from altcraft.assembly import assemble
        from altcraft.conduct import Conductor
        from altcraft.driver import monotonic

        name = transport if isinstance(transport, str) else "threads"
        secret, token = Secret.of(token), None  # from here on, no frame of a traceback shows it
        parts = assemble(url, secret, codec, name, auth, plugins, load_entry_points)
        self.hooks = parts.hooks
        self.codecs = parts.codecs
        self.operations = parts.operations
        port = parts.transports.create_async(parts.transport, url) if isinstance(transport, str) else transport
        self._conductor = Conductor(
            parts.exchange, self.hooks, polling or Polling(), retry or Retry(), request_timeout, monotonic(port)
        )
        self._driver = AsyncDriver(port, self._conductor)
        self.segments = AsyncSegments(self)
        self.databases = AsyncDatabases(self)
        self.resources = AsyncResources(self)
        self.tasks = AsyncTasks(self)

    async def submit(self, request: TaskRequest[R]) -> AsyncTask[R]:
        """As `Client.submit`."""
        operation = self.operations.of(request)
        task_id = await self._driver.run(self._conductor.submit(operation, request))
        task = self._task(task_id, operation, request)
        self._conductor.submitted(task)
        return task

    async def call(self, request: PlainRequest[R]) -> R:
        """As `Client.call`."""
        operation = self.operations.of(request)
        return await self._driver.run(self._conductor.plain(operation, request))

    async def submit_many(self, requests: Iterable[TaskRequest[R]], *, max_in_flight: int = 16) -> list[AsyncTask[R]]:
        """As `Client.submit_many`. Needs asyncio."""
        from altcraft.aio_driver import AsyncCrew
        from altcraft.batch import Batch  # many tasks at once are for those who have them

        batch: Batch[AsyncTask[R]] = Batch(self._conductor, requests, self.operations.of, self._task)
        crew = AsyncCrew(self._driver, max_in_flight)
        try:
            for _ in range(min(batch.size, max_in_flight)):
                crew.hire(batch.work, batch.failed)
            await crew.join(cancel=False)
        finally:
            batch.stop()
            await crew.join(cancel=True)
        return batch.tasks()

    async def close(self) -> None:
        """As `Client.close`."""
        await self._driver.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        conductor = getattr(self, "_conductor", None)  # not there yet, should the making of it fail
        return (
            f"<AsyncClient of {conductor.exchange.host}{', closed' if conductor.closed else ''}>"
            if conductor
            else "<AsyncClient, not made>"
        )

    def _task(self, task_id: str, operation: Operation[R], request: TaskRequest[R] | None = None) -> AsyncTask[R]:
        machine = self._conductor.machine(task_id, operation.path, request)
        return AsyncTask(self._driver, operation, machine)


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

        Whoever leaves the iteration half-way closes it with `aclose`, as for any asynchronous generator (or has
        `contextlib.aclosing` do it): that breaks off the exchanges under way, and lets go of the tasks.
        """
        from altcraft.aio_driver import AsyncCrew
        from altcraft.fleet import Fleet

        client = self._client
        crew = AsyncCrew(client._driver, max_in_flight)
        fleet: Fleet[AsyncTask[R]] = Fleet(
            client._conductor, tasks, timeout, max_polls_per_second, lambda: crew.hire(fleet.work, fleet.failed)
        )
        return self._finished(fleet, crew)

    async def wait(
        self,
        tasks: Iterable[AsyncTask[R]],
        timeout: float | None = None,
        *,
        max_in_flight: int = 32,
        max_polls_per_second: float | None = None,
    ) -> Waited[AsyncTask[R]]:
        """As `Tasks.wait`. Needs asyncio."""
        from altcraft.fleet import Waited

        waited = Waited(set[AsyncTask[R]](), set(tasks))
        finished = self.as_completed(
            tuple(waited.not_done),
            timeout,
            max_in_flight=max_in_flight,
            max_polls_per_second=max_polls_per_second,
        )
        try:
            async for task in finished:
                waited.note(task)
        except WaitTimeout:
            return waited
        return waited

    async def _finished(self, fleet: Fleet[AsyncTask[R]], crew: AsyncCrew) -> AsyncIterator[AsyncTask[R]]:
        driver = self._client._driver
        try:
            fleet.begin()
            while (task := await driver.run(fleet.finished())) is not None:
                yield task
        finally:
            fleet.stop()
            await crew.join(cancel=True)

    async def status(self, task_id: str) -> TaskStatus[object]:
        """As `Tasks.status`."""
        client = self._client
        seen = await client._driver.run(client._conductor.look(self.resume(task_id)))
        return cast("TaskStatus[object]", seen.answer)

    @overload
    def resume(self, task_id_or_token: str) -> AsyncTask[object]: ...

    @overload
    def resume(self, task_id_or_token: str, request: type[TaskRequest[R]]) -> AsyncTask[R]: ...

    def resume(
        self, task_id_or_token: str, request: type[TaskRequest[R]] | None = None
    ) -> AsyncTask[R] | AsyncTask[object]:
        """As `Tasks.resume`."""
        task_id, operation = self._client.operations.resumed(task_id_or_token, request)
        return self._client._task(task_id, operation)
