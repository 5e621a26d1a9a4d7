"""The methods: what each path takes, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Generic, NamedTuple, TypeVar

from msgspec import Struct

from altcraft.codecs import Codec, make_ready
from altcraft_plugins.sandbox.conditions import BrokenCondition
from altcraft_plugins.sandbox.counting import count_all
from altcraft_plugins.sandbox.courier import Courier
from altcraft_plugins.sandbox.engine import Engine
from altcraft_plugins.sandbox.faults import Fault
from altcraft_plugins.sandbox.replies import (
    Channel,
    Feedback,
    Started,
    StartedReply,
    StatisticsReply,
    StatusReply,
    TaskState,
    channels_of,
    read_entries,
    read_entry,
)
from altcraft_plugins.sandbox.requests import (
    CountDatabase,
    CountResource,
    CountSegment,
    Parameters,
    Status,
    check_feedback,
)
from altcraft_plugins.sandbox.store import Store
from altcraft_plugins.sandbox.targets import Target, database_targets, resource_targets, segment_targets
from altcraft_plugins.sandbox.tasks import Tasks

__all__ = ["Call", "Method", "Methods"]

P = TypeVar("P", bound=Parameters)


class Call(NamedTuple):
    """A request whose parameters have been read. `run` does what was asked, and returns the envelope."""

    token: str | None
    format: str | None
    run: Callable[[], Struct]


class Method(Generic[P]):
    """One path's method: the type of its parameters, and the function from them to the reply's envelope."""

    def __init__(self, parameters: type[P], run: Callable[[P], Struct]) -> None:
        make_ready(parameters)
        self._parameters = parameters
        self._run = run

    def read(self, codec: Codec, body: bytes) -> Call:
        """The call that the body makes. Raises DecodeError where its parameters are missing or mistyped."""
        parameters = codec.decode(body, self._parameters)
        return Call(parameters.token, parameters.format, partial(self._run, parameters))


class Methods:
    """All the methods over one store. Each raises Fault where it refuses. Thread-safe."""

    def __init__(self, store: Store, tasks: Tasks, engine: Engine, courier: Courier) -> None:
        self._store = store
        self._tasks = tasks
        self._engine = engine
        self._courier = courier

    def by_path(self) -> dict[str, Callable[[Codec, bytes], Call]]:
        """What reads a body into a call, by the method's path below the API's root."""
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
            return self._start(targets, "segment", None)

    def refresh_database(self, asked: CountDatabase) -> StartedReply:
        feedback = check_feedback(asked.feedback)
        with self._store.transaction() as connection:
            return self._start(database_targets(connection, asked.id, asked.resource_id), "database", feedback)

    def refresh_resource(self, asked: CountResource) -> StartedReply:
        feedback = check_feedback(asked.feedback)
        with self._store.transaction() as connection:
            return self._start(resource_targets(connection, asked.id, asked.list_id), "resource", feedback)

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
            raise Fault(404, "no such task")
        result = None if row.result is None else read_entries(row.kind, row.result)
        return StatusReply(TaskState(row.status, row.progress, result))

    def _start(self, targets: list[Target], kind: str, feedback: Feedback | None) -> StartedReply:
        task_id = self._tasks.begin(targets, kind, feedback)
        self._engine.submit(task_id)
        if feedback is not None:
            self._courier.look(task_id)
        return StartedReply(Started(task_id))

    def _counters(self, target: Target) -> list[Channel]:
        """What the last refresh found; where there has been none, what there is to find now."""
        with self._store.transaction() as connection:
            row = connection.execute(
                "SELECT entry FROM statistics WHERE kind = ? AND id = ? AND list_id = ? AND resource_id = ?",
                (target.kind, target.id, target.list_id, target.resource_id),
            ).fetchone()
            if row is not None:
                return read_entry(target.kind, row[0]).channels
            try:
                tally = count_all(connection, target)
            except BrokenCondition as error:
                raise Fault(400, f"segment {target.id} cannot be counted: {error}") from None
            return channels_of(target, tally)
