"""The API's methods: for each path, its parameters and its reply."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Generic, NamedTuple, TypeVar

from msgspec import Struct

from altcraft.codecs import Codec, make_ready
from altcraft_plugins.sandbox.counting.conditions import InvalidCondition
from altcraft_plugins.sandbox.counting.slices import count_all
from altcraft_plugins.sandbox.counting.statistics import Channel, channels_of, read_entry, read_result
from altcraft_plugins.sandbox.counting.targets import Target, database_targets, resource_targets, segment_targets
from altcraft_plugins.sandbox.data.store import Store
from altcraft_plugins.sandbox.feedback.sender import DeliverySender
from altcraft_plugins.sandbox.refusal import Refusal
from altcraft_plugins.sandbox.schema.replies import Started, StartedReply, StatisticsReply, StatusReply, TaskState
from altcraft_plugins.sandbox.schema.requests import (
    CountDatabase,
    CountResource,
    CountSegment,
    Feedback,
    Parameters,
    Status,
)
from altcraft_plugins.sandbox.tasks.table import Submission, TaskTable
from altcraft_plugins.sandbox.tasks.worker import TaskWorker

__all__ = ["Call", "Method", "Methods"]

P = TypeVar("P", bound=Parameters)


class Call(NamedTuple):
    """A request whose parameters have been read. `run` carries it out and returns the reply's envelope."""

    parameters: Parameters
    run: Callable[[], Struct]


class Method(Generic[P]):
    """One method: the type of its parameters, and the function that turns them into the reply's envelope."""

    def __init__(self, parameters: type[P], run: Callable[[P], Struct]) -> None:
        make_ready(parameters)
        self._parameters = parameters
        self._run = run

    def read(self, codec: Codec, body: bytes) -> Call:
        """The call in a request's body. Raises DecodeError where a parameter is missing or has the wrong type."""
        parameters = codec.decode(body, self._parameters)
        return Call(parameters, partial(self._run, parameters))


class Methods:
    """All methods of one sandbox. A method raises Refusal where it refuses. Thread-safe."""

    def __init__(self, store: Store, tasks: TaskTable, worker: TaskWorker, sender: DeliverySender) -> None:
        self._store = store
        self._tasks = tasks
        self._worker = worker
        self._sender = sender

    def by_path(self) -> dict[str, Callable[[Codec, bytes], Call]]:
        """The functions that read a body into a call, by the method's path below the API's root."""
        return {
            "segments/refresh_counters": Method(CountSegment, self.refresh_segment).read,
            "databases/refresh_counters": Method(CountDatabase, self.refresh_database).read,
            "resources/refresh_counters": Method(CountResource, self.refresh_resource).read,
            "segments/get_counters": Method(CountSegment, self.get_segment).read,
            "databases/get_counters": Method(CountDatabase, self.get_database).read,
            "tasks/status": Method(Status, self.status).read,
        }

    def refresh_segment(self, asked: CountSegment) -> StartedReply:
        with self._store.transaction() as connection:
            targets = segment_targets(connection, asked.id, asked.resource_id, asked.database())
            return self._start(asked, targets, "segment", None)

    def refresh_database(self, asked: CountDatabase) -> StartedReply:
        feedback = asked.feedback.checked() if asked.feedback else None
        with self._store.transaction() as connection:
            targets = database_targets(connection, asked.id, asked.resource_id)
            return self._start(asked, targets, "database", feedback)

    def refresh_resource(self, asked: CountResource) -> StartedReply:
        feedback = asked.feedback.checked() if asked.feedback else None
        with self._store.transaction() as connection:
            targets = resource_targets(connection, asked.id, asked.list_id)
            return self._start(asked, targets, "resource", feedback)

    def get_segment(self, asked: CountSegment) -> StatisticsReply:
        with self._store.transaction() as connection:
            (target,) = segment_targets(connection, asked.id, asked.resource_id, asked.database())
            return StatisticsReply(self._counters(target))

    def get_database(self, asked: CountDatabase) -> StatisticsReply:
        with self._store.transaction() as connection:
            (target,) = database_targets(connection, asked.id, asked.resource_id)
            return StatisticsReply(self._counters(target))

    def status(self, asked: Status) -> StatusReply:
        row = self._tasks.find(asked.task_id)
        if row is None:
            raise Refusal(404, "no such task")
        result = None if row.result is None else read_result(row.kind, row.result)
        return StatusReply(TaskState(row.status, row.progress, result))

    def _start(self, asked: Parameters, targets: list[Target], kind: str, feedback: Feedback | None) -> StartedReply:
        submission = Submission(f"{kind}s/refresh_counters", asked.as_json())
        task_id = self._tasks.add(submission, targets, kind, feedback)
        self._worker.add(task_id)
        if feedback is not None:
            self._sender.schedule(task_id)
        return StartedReply(Started(task_id))

    def _counters(self, target: Target) -> list[Channel]:
        """The counters of the last refresh. Before the first refresh they are counted now."""
        with self._store.transaction() as connection:
            row = connection.execute(
                "SELECT entry FROM statistics WHERE kind = ? AND id = ? AND list_id = ? AND resource_id = ?",
                (target.kind, target.id, target.list_id, target.resource_id),
            ).fetchone()
            if row is not None:
                return read_entry(target.kind, row[0]).channels
            try:
                tally = count_all(connection, target)
            except InvalidCondition as error:
                raise Refusal(400, f"segment {target.id} can't be counted: {error}") from None
            return channels_of(target, tally)
