"""`Client`: the library's front, for code that waits in threads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from altcraft.engine.build import Kind, build
from altcraft.engine.environment import from_environment
from altcraft.engine.group import Group, Waited
from altcraft.engine.submissions import Submissions
from altcraft.engine.threads import ThreadRunner, Workers
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
from altcraft.task import Task
from altcraft.tasks.polling import Polling
from altcraft.tasks.retry import Retry
from altcraft.wire.secret import Auth, Secret
from altcraft.wire.transport import Transport, TransportRegistry, TransportSettings

if TYPE_CHECKING:
    from typing_extensions import Self

    from altcraft.hooks import Plugin

__all__ = ["Client"]

R = TypeVar("R")

_PATIENCE = 0.25
"""Seconds in which exchanges under way may end before an iteration that failed raises its error."""

_KIND = Kind(TransportRegistry.create, ThreadRunner, Task)


class Client:
    """Asks one installation to recount, follows its tasks, hands the numbers over. Threads may share it.

    * `url` is the installation's, "https://your.host", or "sandbox:" for the embedded service. A URL without a path
      gets the API's path.
    * `token` is kept as a secret; `auth` sends it in the body, as documented, or as a "bearer".
    * `codec` names the format that is spoken.
    * `transport` is a registered name, or an object with the Transport protocol, which the client then owns and closes.
      `settings` are for a transport given by name: proxy, certificates, connections.
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
        self.segments = Segments(self)
        self.databases = Databases(self)
        self.resources = Resources(self)
        self.tasks = Tasks(self)

    @classmethod
    def from_env(cls, **settings: Any) -> Self:
        """A client of the environment's settings: ALTCRAFT_URL, ALTCRAFT_TOKEN (or ALTCRAFT_TOKEN_FILE, the path of a
        file that holds it), ALTCRAFT_CODEC, ALTCRAFT_AUTH. Keywords are those of the constructor, and override them.

        Raises ValueError for a missing URL, and for what the constructor refuses.
        """
        return cls(**from_environment(settings))

    def check(self) -> None:
        """One harmless exchange, which shows that the URL is right, the platform reachable and the token accepted.

        Raises what is wrong: Unauthorized, Forbidden, ConnectError, RequestTimeout, or another ApiError or DecodeError
        where no such API answers.
        """
        self._runner.run(self._engine.check())

    def submit(self, request: TaskRequest[R], *, key: str | None = None, note: str = "") -> Task[R]:
        """Starts a task, and returns at once with a handle on it. Any declared task operation will do.

        Sent again only where nothing can have been sent before: a lost answer is ConnectionLost or RequestTimeout, and
        the task may or may not have been started. Raises ApiError, TransportError, DecodeError; TypeError for a field
        of the wrong type; LookupError for an operation that is not declared.
        """
        return cast("Task[R]", self._runner.run(self._engine.submit(self.operations.of(request), request, key, note)))

    def call(self, request: PlainRequest[R]) -> R:
        """The answer of a plain operation. Raises as `submit` does."""
        return self._runner.run(self._engine.call(self.operations.of(request), request))

    def submit_many(self, requests: Iterable[TaskRequest[R]], *, max_in_flight: int = 16) -> list[Task[R]]:
        """Submits them all, at most so many at once; the tasks come in the order of their requests.

        Where some fail, SubmissionsFailed holds their errors and all the other tasks.
        """
        submissions = Submissions(self._engine, requests, self.operations.of)
        workers = self._runner.workers(max_in_flight)
        try:
            for _ in range(min(submissions.size, max_in_flight)):
                workers.spawn(submissions.work, submissions.failed)
            workers.join()
        finally:
            submissions.stop()
        return cast("list[Task[R]]", submissions.tasks())

    def plugins(self) -> tuple[Plugin, ...]:
        """What is loaded, from which distribution and with which hooks, and what could not be loaded and why."""
        return self.hooks.plugins()

    @property
    def host(self) -> str:
        """The installation's host, as in error messages."""
        return self._engine.host

    def close(self) -> None:
        """Ends all waits with ClientClosed, and closes the connections. May be called twice."""
        self._engine.close()
        self._runner.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        engine = getattr(self, "_engine", None)  # absent when the constructor has failed
        return f"<Client of {engine.host}{', closed' if engine.closed else ''}>" if engine else "<Client, not made>"


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

        At most `max_in_flight` exchanges are under way at once, each in a worker's thread; the workers run while the
        iteration lasts; none starts within less than 1 / `max_polls_per_second` s of another. When the platform
        refuses (429, 503), all of them hold back together. The iteration may be left half-way: closing it, which
        `break` does, waits for the exchanges under way, and lets go of the tasks.

        Raises WaitTimeout when some are not done after `timeout` seconds, ClientClosed, ValueError for settings that
        make no sense.
        """
        client = self._client
        workers = client._runner.workers(max_in_flight)
        group: Group[Task[R]] = Group(
            client._engine, tasks, timeout, max_polls_per_second, lambda: workers.spawn(group.work, group.failed)
        )
        return self._finished(group, workers)

    def wait(
        self,
        tasks: Iterable[Task[R]],
        timeout: float | None = None,
        *,
        max_in_flight: int = 32,
        max_polls_per_second: float | None = None,
    ) -> Waited[Task[R]]:
        """Waits until all are done, or the time is up: which are, and which are not. Otherwise as `as_completed`."""
        waited = Waited(set[Task[R]](), set(tasks))
        finished = self.as_completed(
            tuple(waited.not_done),
            timeout,
            max_in_flight=max_in_flight,
            max_polls_per_second=max_polls_per_second,
        )
        try:
            for task in finished:
                if task.done():
                    waited.note(task)
        except WaitTimeout:
            return waited
        return waited

    def _finished(self, group: Group[Task[R]], workers: Workers) -> Iterator[Task[R]]:
        client = self._client
        patience: float | None = None
        ended_by: BaseException | None = None
        try:
            group.begin()
            while (task := client._runner.run(group.finished())) is not None:
                yield task
        except GeneratorExit as error:
            ended_by = error
            raise
        except BaseException as error:
            ended_by = error
            patience = _PATIENCE  # the consumer gets the error now, even while an exchange hangs
            raise
        finally:
            group.stop()
            group.end_waits(ended_by)
            if not client._engine.is_locked_here():  # the garbage collector may close an iteration under the lock
                workers.join(patience)

    def status(self, task_id: str) -> TaskStatus[object]:
        """How far a task is: one exchange, never retried. Plugins do not hear of it as progress.

        Statistics in its result come typed, the rest untyped.
        """
        client = self._client
        return client._runner.run(client._engine.status(self.resume(task_id)))

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
        token, operation = self._client.operations.resumed(task_id_or_token, request)
        return cast("Task[R]", self._client._engine.resume(token, operation))
