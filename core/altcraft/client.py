"""`Client`: the library's front, for code that waits in threads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
from altcraft.task import Task
from altcraft.tasks.polling import Polling
from altcraft.tasks.retry import Retry
from altcraft.wire.secret import Auth, Secret
from altcraft.wire.transport import Transport

if TYPE_CHECKING:
    from altcraft.engine.group import Group, Waited
    from altcraft.engine.threads import Workers

__all__ = ["Client"]

R = TypeVar("R")

_PATIENCE = 0.25
"""Seconds in which exchanges under way may end before an iteration that failed tells so."""


class Client:
    """Asks one installation to recount, follows its tasks, hands the numbers over. Threads may share it.

    * `url` is the installation's, "https://your.host", or "sandbox:" for the embedded service; one without a path
      gets the API's.
    * `token` is kept as a secret; `auth` sends it in the body, as documented, or as a "bearer".
    * `codec` names the format that is spoken.
    * `transport` is a registered name, or an object with the Transport protocol, which the client then owns and closes.
    * `polling` says how a task is followed, `retry` when a failed exchange is repeated, `request_timeout` how many
      seconds one may take.
    * `plugins` are objects or modules with hook implementations; `load_entry_points` takes those of installed
      distributions too.

    Raises ValueError, TypeError or LookupError for settings that make no sense, MissingExtra for a transport whose
    library is not installed.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        codec: str = "json",
        transport: str | Transport = "urllib3",
        auth: Auth = "body",
        polling: Polling | None = None,
        retry: Retry | None = None,
        request_timeout: float = 10.0,
        plugins: Sequence[object] = (),
        load_entry_points: bool = False,
    ) -> None:
        # The machinery comes with the first client, so that whoever only imports the library hardly waits.
        from altcraft.engine.build import assemble
        from altcraft.engine.engine import Engine
        from altcraft.engine.threads import ThreadRunner, monotonic

        name = transport if isinstance(transport, str) else "urllib3"
        secret, token = Secret.of(token), None  # from here on, no frame of a traceback shows it
        parts = assemble(url, secret, codec, name, auth, plugins, load_entry_points)
        self.hooks = parts.hooks
        self.codecs = parts.codecs
        self.operations = parts.operations
        port = parts.transports.create(parts.transport, url) if isinstance(transport, str) else transport
        self._conductor = Engine(
            parts.exchange, self.hooks, polling or Polling(), retry or Retry(), request_timeout, monotonic(port)
        )
        self._driver = ThreadRunner(port, self._conductor)
        self.segments = Segments(self)
        self.databases = Databases(self)
        self.resources = Resources(self)
        self.tasks = Tasks(self)

    def submit(self, request: TaskRequest[R]) -> Task[R]:
        """Starts a task, and returns at once with a handle on it. Any declared task operation will do.

        Sent again only where nothing can have been sent before: a lost answer is ConnectionLost or RequestTimeout, and
        the task may or may not have been started. Raises ApiError, TransportError, DecodeError; TypeError for a field
        of the wrong type; LookupError for an operation that nobody has declared.
        """
        operation = self.operations.of(request)
        task_id = self._driver.run(self._conductor.submit(operation, request))
        task = self._task(task_id, operation, request)
        self._conductor.submitted(task)
        return task

    def call(self, request: PlainRequest[R]) -> R:
        """The answer of a plain operation. Raises as `submit` does."""
        operation = self.operations.of(request)
        return self._driver.run(self._conductor.plain(operation, request))

    def submit_many(self, requests: Iterable[TaskRequest[R]], *, max_in_flight: int = 16) -> list[Task[R]]:
        """Submits them all, at most so many at once; the tasks come in the order of their requests.

        Where some fail, SubmissionsFailed holds their errors and all the other tasks.
        """
        from altcraft.engine.submissions import Submissions  # many tasks at once are for those who have them
        from altcraft.engine.threads import Workers

        batch: Submissions[Task[R]] = Submissions(self._conductor, requests, self.operations.of, self._task)
        crew = Workers(self._driver, max_in_flight)
        try:
            for _ in range(min(batch.size, max_in_flight)):
                crew.hire(batch.work, batch.failed)
            crew.join()
        finally:
            batch.stop()
        return batch.tasks()

    def close(self) -> None:
        """Wakes whoever waits, with ClientClosed, and gives the connections back. May be called twice."""
        self._driver.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        engine = getattr(self, "_conductor", None)  # not there yet, should the making of it fail
        return (
            f"<Client of {engine.exchange.host}{', closed' if engine.closed else ''}>"
            if engine
            else "<Client, not made>"
        )

    def _task(self, task_id: str, operation: Operation[R], request: TaskRequest[R] | None = None) -> Task[R]:
        machine = self._conductor.machine(task_id, operation.path, request)
        return Task(self._driver, operation, machine)


class Segments:
    """`client.segments`. Page: "Update statistics on segment" (v72)."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def refresh_counters(
        self, id: int, *, resource_id: int, db_id: int | None = None, list_id: int | None = None
    ) -> Task[list[SegmentStatistics]]:
        """Has a segment recounted. A dynamic one needs its database: `db_id`, or `list_id` as newer pages call it."""
        return self._client.submit(SegmentsRefreshCounters(id, resource_id, db_id, list_id))

    def get_counters(
        self, id: int, *, resource_id: int, list_id: int | None = None, db_id: int | None = None
    ) -> list[ChannelStatistics]:
        """A segment's counters as they stand, at once."""
        return self._client.call(SegmentsGetCounters(id, resource_id, list_id, db_id))


class Databases:
    """`client.databases`. Page: "Update statistics on database" (v72)."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def refresh_counters(
        self, id: int, *, resource_id: int, feedback: Feedback | None = None
    ) -> Task[list[DatabaseStatistics]]:
        """Has a database recounted. With `feedback` the platform also sends the statistics to a URL."""
        return self._client.submit(DatabasesRefreshCounters(id, resource_id, feedback))

    def get_counters(self, id: int, *, resource_id: int) -> list[ChannelStatistics]:
        """A database's counters as they stand, at once."""
        return self._client.call(DatabasesGetCounters(id, resource_id))


class Resources:
    """`client.resources`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def refresh_counters(
        self, id: int, *, list_id: int | None = None, feedback: Feedback | None = None
    ) -> Task[list[ResourceStatistics]]:
        """Has a resource recounted, in the database `list_id`. With `feedback`, as for databases."""
        return self._client.submit(ResourcesRefreshCounters(id, list_id, feedback))


class Tasks:
    """`client.tasks`: tasks of which only the id, or a resume token, is at hand."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def as_completed(
        self,
        tasks: Iterable[Task[R]],
        timeout: float | None = None,
        *,
        max_in_flight: int = 32,
        max_polls_per_second: float | None = None,
    ) -> Iterator[Task[R]]:
        """The tasks, each as soon as it is done, or can't be followed any further: then its `result` says why.

        At most `max_in_flight` exchanges are under way at once, each in a thread of a small crew that works while the
        iteration lasts; none starts within less than 1 / `max_polls_per_second` s of another. When the platform
        refuses (429, 503), all of them hold back together. The iteration may be left half-way: closing it, which
        `break` does, waits for the exchanges under way, and lets go of the tasks.

        Raises WaitTimeout when some are not done after `timeout` seconds, ClientClosed, ValueError for settings that
        make no sense.
        """
        from altcraft.engine.group import Group
        from altcraft.engine.threads import Workers

        client = self._client
        crew = Workers(client._driver, max_in_flight)
        fleet: Group[Task[R]] = Group(
            client._conductor, tasks, timeout, max_polls_per_second, lambda: crew.hire(fleet.work, fleet.failed)
        )
        return self._finished(fleet, crew)

    def wait(
        self,
        tasks: Iterable[Task[R]],
        timeout: float | None = None,
        *,
        max_in_flight: int = 32,
        max_polls_per_second: float | None = None,
    ) -> Waited[Task[R]]:
        """Waits until all are done, or the time is up: which are, and which are not. Otherwise as `as_completed`."""
        from altcraft.engine.group import Waited

        waited = Waited(set[Task[R]](), set(tasks))
        finished = self.as_completed(
            tuple(waited.not_done),
            timeout,
            max_in_flight=max_in_flight,
            max_polls_per_second=max_polls_per_second,
        )
        try:
            for task in finished:
                waited.note(task)
        except WaitTimeout:
            return waited
        return waited

    def _finished(self, fleet: Group[Task[R]], crew: Workers) -> Iterator[Task[R]]:
        driver = self._client._driver
        patience: float | None = None
        try:
            fleet.begin()
            while (task := driver.run(fleet.finished())) is not None:
                yield task
        except GeneratorExit:
            raise
        except BaseException:
            patience = _PATIENCE  # the consumer is to hear of it now, however long an exchange hangs
            raise
        finally:
            fleet.stop()
            crew.join(patience)

    def status(self, task_id: str) -> TaskStatus[object]:
        """How far a task is: one exchange, never retried, of which no plugin is told as progress.

        Statistics in its result come typed, the rest untyped.
        """
        client = self._client
        seen = client._driver.run(client._conductor.look(self.resume(task_id)))
        return cast("TaskStatus[object]", seen.answer)

    @overload
    def resume(self, task_id_or_token: str) -> Task[object]: ...

    @overload
    def resume(self, task_id_or_token: str, request: type[TaskRequest[R]]) -> Task[R]: ...

    def resume(self, task_id_or_token: str, request: type[TaskRequest[R]] | None = None) -> Task[R] | Task[object]:
        """A handle again, in any process; no I/O. A token knows what started the task, and so what its result is.

        For a bare id say so with `request`, the type of the request; without it, statistics come typed all the same,
        and anything else as the codec gives it without a type. ValueError for a broken token, LookupError for an
        operation that this client does not know.
        """
        task_id, operation = self._client.operations.resumed(task_id_or_token, request)
        return self._client._task(task_id, operation)
