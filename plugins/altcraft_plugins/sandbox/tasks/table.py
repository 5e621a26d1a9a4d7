"""The table of tasks: a task is added, counted slice by slice, and finished. No thread or clock runs here.

One transaction reads a task, counts a slice, and writes the counts so far, the position and the progress. So a process
that dies loses at most the slice it was counting, and two processes on one file never count the same slice twice.
"""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Final, Literal, NamedTuple

import msgspec

from altcraft_plugins.sandbox.counting import timestamps
from altcraft_plugins.sandbox.counting.slices import FIRST, Tally, count_slice, empty_tally, population
from altcraft_plugins.sandbox.counting.statistics import entry_of
from altcraft_plugins.sandbox.counting.targets import Target
from altcraft_plugins.sandbox.data.store import Store
from altcraft_plugins.sandbox.faults.injection import Faults
from altcraft_plugins.sandbox.faults.plan import (
    AnyTaskFault,
    TaskFails,
    TaskLag,
    TaskStalls,
    TaskVanishes,
)
from altcraft_plugins.sandbox.feedback.table import DeliveryTable
from altcraft_plugins.sandbox.schema.requests import Feedback

__all__ = ["SLICES", "Advance", "CountState", "Submission", "TaskRow", "TaskTable"]

SLICES: Final = 20
"""The number of slices of a count, unless a slice would exceed LARGEST_SLICE."""

LARGEST_SLICE: Final = 5_000
"""Profiles. Every request waits while a slice is counted: some tens of milliseconds at this size."""


class CountState(msgspec.Struct):
    """The state of a count between two slices.

    `current` is the index of the target being counted, `last_id` the last profile visited in it, and `nanoseconds` the
    time spent on it. In all targets together `visited` of `population` profiles have been visited.
    """

    targets: list[Target]
    population: int
    slice_size: int
    current: int = 0
    last_id: int = FIRST
    visited: int = 0
    nanoseconds: int = 0
    tally: Tally | None = None
    entries: list[msgspec.Raw] = []
    taught: list[msgspec.Raw] = []
    """The result, alone in a list, of a task that a plugin's method has started. Such a task counts nothing."""

    @property
    def slices(self) -> int:
        """The expected number of slices."""
        return max(1, -(-self.population // self.slice_size))

    @property
    def is_done(self) -> bool:
        """Whether no slice is left."""
        return self.current >= len(self.targets) and (not self.taught or self.visited >= self.population)

    @property
    def is_last_slice(self) -> bool:
        """Whether the next slice is expected to be the last one."""
        return self.visited + self.slice_size >= self.population


class Submission(NamedTuple):
    """A request that starts a task: its operation, and its parameters as JSON, without the token."""

    operation: str
    parameters: str


class Advance(NamedTuple):
    """What came of a slice.

    "more": slices are left, and the next one is due `pause` seconds later than it would be. "ended": this was the last
    one. "gone": the task is not unfinished, because another process has ended it, or a fault has made it vanish or
    stand still for ever.
    """

    outcome: Literal["more", "ended", "gone"]
    pause: float = 0.0


class TaskRow(msgspec.Struct, frozen=True):
    """A task as tasks/status shows it. `result` is JSON, and None until the task has completed."""

    id: str
    kind: str
    status: str
    progress: int
    result: str | None


class TaskTable:
    """The table of tasks. Thread-safe, because the store is.

    `faults` chooses the faults of tasks; None gives them none.
    """

    def __init__(
        self,
        store: Store,
        deliveries: DeliveryTable,
        *,
        faults: Faults | None = None,
        now: Callable[[], datetime] = timestamps.now,
    ) -> None:
        self._store = store
        self._deliveries = deliveries
        self._faults = faults
        self._now = now
        self._hidden_until: dict[str, float] = {}  # tasks that a fault hides at first, in the time of `faults`

    def add(self, submission: Submission, targets: list[Target], kind: str, feedback: Feedback | None = None) -> str:
        """Queues a count of the targets, and returns the task's id."""
        with self._store.transaction() as connection:
            profiles = sum(population(connection, target) for target in targets)
            slice_size = min(max(1, -(-profiles // SLICES)), LARGEST_SLICE)
            return self._add(connection, submission, CountState(targets, profiles, slice_size), kind, feedback)

    def add_taught(self, submission: Submission, result: object) -> str:
        """Queues a task that ends with the result, and returns the task's id."""
        state = CountState([], SLICES, 1, taught=[msgspec.Raw(msgspec.json.encode(result))])
        with self._store.transaction() as connection:
            return self._add(connection, submission, state, "taught", None)

    def _add(
        self,
        connection: sqlite3.Connection,
        submission: Submission,
        state: CountState,
        kind: str,
        feedback: Feedback | None,
    ) -> str:
        task_id = str(uuid.uuid4())
        connection.execute(
            "INSERT INTO tasks (id, kind, status, progress, work, feedback_type, feedback_url, created)"
            " VALUES (?, ?, 'queued', 0, ?, ?, ?, ?)",
            (
                task_id,
                kind,
                _dump(state),
                feedback.type if feedback else None,
                feedback.url if feedback else None,
                timestamps.milliseconds(self._now()),
            ),
        )
        self._record(connection, task_id, submission)
        self._deliveries.task_started(connection, task_id)
        return task_id

    def submissions(self) -> Counter[Submission]:
        """How often each submission was processed."""
        with self._store.transaction() as connection:
            rows = connection.execute(
                "SELECT operation, parameters, count(*) FROM submissions GROUP BY operation, parameters"
            ).fetchall()
        return Counter({Submission(operation, parameters): count for operation, parameters, count in rows})

    def request_of(self, task_id: str) -> str:
        """Names the submission that has started the task, and no other. The id itself where it is unknown."""
        with self._store.transaction() as connection:
            row = connection.execute(
                "SELECT operation || ' ' || parameters || ' ' || number FROM submissions WHERE task_id = ?", (task_id,)
            ).fetchone()
        return task_id if row is None else str(row[0])

    def find(self, task_id: str) -> TaskRow | None:
        """The task, or None where no task has the id, or a fault still hides it."""
        if self._faults is not None and self._hidden_until.get(task_id, 0.0) > self._faults.now():
            return None
        with self._store.transaction() as connection:
            row = connection.execute(
                "SELECT id, kind, status, progress, result FROM tasks WHERE id = ?", (task_id,)
            ).fetchone()
        return None if row is None else TaskRow(*row)

    def unfinished(self) -> list[str]:
        """The ids of the tasks that are queued or running, oldest first."""
        with self._store.transaction() as connection:
            rows = connection.execute(
                "SELECT id FROM tasks WHERE status IN ('queued', 'running') ORDER BY number"
            ).fetchall()
        return [task_id for (task_id,) in rows]

    def slices(self, task_id: str) -> int:
        """The expected number of slices of a task, from its beginning to its end."""
        with self._store.transaction() as connection:
            row = connection.execute("SELECT work FROM tasks WHERE id = ?", (task_id,)).fetchone()
        return _load(row[0]).slices if row else 1

    def advance(self, task_id: str) -> Advance:
        """Counts one slice and commits it. When counting raises, nothing of the slice is written."""
        with self._store.transaction() as connection:
            row = connection.execute(
                "SELECT progress, work, fault FROM tasks LEFT JOIN submissions ON task_id = id"
                " WHERE id = ? AND status IN ('queued', 'running')",
                (task_id,),
            ).fetchone()
            if row is None:
                return Advance("gone")
            state = _load(row[1])
            if row[2] is not None:
                fault = msgspec.json.decode(row[2], type=AnyTaskFault)
                if not isinstance(fault, TaskLag) and (row[0] >= fault.at or state.is_last_slice):
                    return self._misbehave(connection, task_id, fault, state)
            self._count_slice(connection, state)
            if not state.is_done:
                self._save(connection, task_id, state)
                return Advance("more")
            connection.execute(
                "UPDATE tasks SET status = 'completed', progress = 100, work = ?, result = ?, finished = ?"
                " WHERE id = ?",
                (
                    _dump(msgspec.structs.replace(state, entries=[], taught=[])),
                    msgspec.json.encode(state.taught[0] if state.taught else state.entries).decode(),
                    timestamps.milliseconds(self._now()),
                    task_id,
                ),
            )
            self._deliveries.task_ended(connection, task_id)
            return Advance("ended")

    def fail(self, task_id: str, reason: str, result: str | None = None) -> None:
        """Ends the task as failed, at its present progress.

        `reason` is kept in the table, and not in any reply. `result` is what tasks/status shows as the result.
        """
        with self._store.transaction() as connection:
            connection.execute(
                "UPDATE tasks SET status = 'failed', failure = ?, result = ?, finished = ?"
                " WHERE id = ? AND status IN ('queued', 'running')",
                (
                    reason,
                    None if result is None else msgspec.json.encode(result).decode(),
                    timestamps.milliseconds(self._now()),
                    task_id,
                ),
            )
            self._deliveries.task_ended(connection, task_id)

    def _record(self, connection: sqlite3.Connection, task_id: str, submission: Submission) -> None:
        """Records the submission, and the fault of its task."""
        (before,) = connection.execute(
            "SELECT count(*) FROM submissions WHERE operation = ? AND parameters = ?", submission
        ).fetchone()
        number, fault = int(before) + 1, None
        if self._faults is not None:
            fault = self._faults.task(submission.operation, f"{submission.parameters} {number}")
            if isinstance(fault, TaskLag):
                self._hidden_until[task_id] = self._faults.now() + fault.seconds
        connection.execute(
            "INSERT INTO submissions VALUES (?, ?, ?, ?, ?)",
            (task_id, *submission, number, None if fault is None else msgspec.json.encode(fault).decode()),
        )

    def _misbehave(
        self, connection: sqlite3.Connection, task_id: str, fault: AnyTaskFault, state: CountState
    ) -> Advance:
        """The task has reached the progress at which its fault happens."""
        if isinstance(fault, TaskStalls) and fault.seconds is None:
            return Advance("gone")
        connection.execute("UPDATE submissions SET fault = NULL WHERE task_id = ?", (task_id,))
        if isinstance(fault, TaskStalls):
            return Advance("more", fault.seconds or 0.0)
        if isinstance(fault, TaskFails):
            self.fail(task_id, "by the fault plan", fault.reason)
            return Advance("ended")
        if isinstance(fault, TaskVanishes):
            connection.execute("DELETE FROM tasks WHERE id = ?", (task_id,))
            return Advance("gone")
        fresh = CountState(state.targets, state.population, state.slice_size, taught=state.taught)
        self._save(connection, task_id, fresh)
        return Advance("more")

    def _save(self, connection: sqlite3.Connection, task_id: str, state: CountState) -> None:
        """Saves an unfinished count. Its progress stays below 100, also where profiles were added since it began."""
        progress = min(99, 100 * state.visited // max(1, state.population))
        connection.execute(
            "UPDATE tasks SET status = 'running', progress = ?, work = ? WHERE id = ?",
            (progress, _dump(state), task_id),
        )

    def _count_slice(self, connection: sqlite3.Connection, state: CountState) -> None:
        """Counts one slice of the current target. Moves on to the next target where no profile is left in this one."""
        if state.taught:
            state.visited += state.slice_size
        if state.current >= len(state.targets):
            return
        target = state.targets[state.current]
        began = time.perf_counter_ns()
        if state.tally is None:
            state.tally = empty_tally(connection, target)
        visited, state.last_id = count_slice(connection, target, state.tally, state.last_id, state.slice_size)
        state.nanoseconds += time.perf_counter_ns() - began
        state.visited += visited
        if visited == state.slice_size:
            return
        entry = msgspec.json.encode(entry_of(target, state.tally, self._now(), state.nanoseconds))
        connection.execute(
            "INSERT OR REPLACE INTO statistics VALUES (?, ?, ?, ?, ?)",
            (target.kind, target.id, target.list_id, target.resource_id, entry.decode()),
        )
        state.entries = [*state.entries, msgspec.Raw(entry)]
        state.current, state.last_id, state.tally, state.nanoseconds = state.current + 1, FIRST, None, 0


def _dump(state: CountState) -> str:
    return msgspec.json.encode(state).decode()


def _load(text: str) -> CountState:
    return msgspec.json.decode(text, type=CountState)
