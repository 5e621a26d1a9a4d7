"""`AsyncClient`: the same surface as `Client`, awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar, cast, overload

from altcraft.errors import WaitTimeout
from altcraft.operations import Operation
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
from altcraft.wire.transport import AsyncTransport

if TYPE_CHECKING:
    from altcraft.engine.eventloop import LoopWorkers
    from altcraft.engine.group import Group, Waited

__all__ = ["AsyncClient"]

R = TypeVar("R")


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
        from altcraft.engine.build import assemble
        from altcraft.engine.engine import Engine
        from altcraft.engine.eventloop import LoopRunner
        from altcraft.engine.threads import monotonic

        name = transport if isinstance(transport, str) else "threads"
        secret, token = Secret.of(token), None  # from here on, no frame of a traceback shows it
        parts = assemble(url, secret, codec, name, auth, plugins, load_entry_points)
        self.hooks = parts.hooks
        self.codecs = parts.codecs
        self.operations = parts.operations
        port = parts.transports.create_async(parts.transport, url) if isinstance(transport, str) else transport
        self._conductor = Engine(
            parts.exchange, self.hooks, polling or Polling(), retry or Retry(), request_timeout, monotonic(port)
        )
        self._driver = LoopRunner(port, self._conductor)
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
        from altcraft.engine.eventloop import LoopWorkers
        from altcraft.engine.submissions import Submissions  # many tasks at once are for those who have them

        batch: Submissions[AsyncTask[R]] = Submissions(self._conductor, requests, self.operations.of, self._task)
        crew = LoopWorkers(self._driver, max_in_flight)
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
        engine = getattr(self, "_conductor", None)  # not there yet, should the making of it fail
        return (
            f"<AsyncClient of {engine.exchange.host}{', closed' if engine.closed else ''}>"
            if engine
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
        from altcraft.engine.eventloop import LoopWorkers
        from altcraft.engine.group import Group

        client = self._client
        crew = LoopWorkers(client._driver, max_in_flight)
        fleet: Group[AsyncTask[R]] = Group(
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
        from altcraft.engine.group import Waited

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

    async def _finished(self, fleet: Group[AsyncTask[R]], crew: LoopWorkers) -> AsyncIterator[AsyncTask[R]]:
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
