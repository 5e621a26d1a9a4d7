"""The table of tasks: a task is added, counted slice by slice, and finished. No thread or clock runs here.

One transaction reads a task, counts a slice, and writes the counts so far, the position and the progress. So a process
that dies loses at most the slice it was counting, and two processes on one file never count the same slice twice.
"""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Final, Literal

import msgspec

from altcraft_plugins.sandbox.counting import timestamps
from altcraft_plugins.sandbox.counting.slices import FIRST, Tally, count_slice, empty_tally, population
from altcraft_plugins.sandbox.counting.statistics import entry_of
from altcraft_plugins.sandbox.counting.targets import Target
from altcraft_plugins.sandbox.data.store import Store
from altcraft_plugins.sandbox.feedback.table import DeliveryTable
from altcraft_plugins.sandbox.schema.requests import Feedback

__all__ = ["SLICES", "CountState", "TaskRow", "TaskTable"]

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

    @property
    def slices(self) -> int:
        """The expected number of slices."""
        return max(1, -(-self.population // self.slice_size))


class TaskRow(msgspec.Struct, frozen=True):
    """A task as tasks/status shows it. `result` is JSON, and None until the task has completed."""

    id: str
    kind: str
    status: str
    progress: int
    result: str | None


class TaskTable:
    """The table of tasks. Thread-safe, because the store is."""

    def __init__(self, store: Store, deliveries: DeliveryTable, now: Callable[[], datetime] = timestamps.now) -> None:
        self._store = store
        self._deliveries = deliveries
        self._now = now

    def add(self, targets: list[Target], kind: str, feedback: Feedback | None = None) -> str:
        """Queues a count of the targets, and returns the task's id."""
        with self._store.transaction() as connection:
            profiles = sum(population(connection, target) for target in targets)
            slice_size = min(max(1, -(-profiles // SLICES)), LARGEST_SLICE)
            task_id = str(uuid.uuid4())
            connection.execute(
                "INSERT INTO tasks (id, kind, status, progress, work, feedback_type, feedback_url, created)"
                " VALUES (?, ?, 'queued', 0, ?, ?, ?, ?)",
                (
                    task_id,
                    kind,
                    _dump(CountState(targets, profiles, slice_size)),
                    feedback.type if feedback else None,
                    feedback.url if feedback else None,
                    timestamps.milliseconds(self._now()),
                ),
            )
            self._deliveries.task_started(connection, task_id)
        return task_id

    def find(self, task_id: str) -> TaskRow | None:
        """The task, or None where no task has the id."""
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

    def advance(self, task_id: str) -> Literal["more", "ended", "gone"]:
        """Counts one slice and commits it.

        "more" says that slices are left, "ended" that this was the last one, "gone" that the task is not unfinished:
        another process has ended it. When counting raises, nothing of the slice is written.
        """
        with self._store.transaction() as connection:
            row = connection.execute(
                "SELECT work FROM tasks WHERE id = ? AND status IN ('queued', 'running')", (task_id,)
            ).fetchone()
            if row is None:
                return "gone"
            state = _load(row[0])
            self._count_slice(connection, state)
            if state.current < len(state.targets):
                # 100 is reserved for the end. Profiles may have been added since the count began.
                progress = min(99, 100 * state.visited // max(1, state.population))
                connection.execute(
                    "UPDATE tasks SET status = 'running', progress = ?, work = ? WHERE id = ?",
                    (progress, _dump(state), task_id),
                )
                return "more"
            connection.execute(
                "UPDATE tasks SET status = 'completed', progress = 100, work = ?, result = ?, finished = ?"
                " WHERE id = ?",
                (
                    _dump(msgspec.structs.replace(state, entries=[])),
                    msgspec.json.encode(state.entries).decode(),
                    timestamps.milliseconds(self._now()),
                    task_id,
                ),
            )
            self._deliveries.task_ended(connection, task_id)
            return "ended"

    def fail(self, task_id: str, reason: str) -> None:
        """Ends the task as failed, at its present progress. `reason` is kept in the table, and not in any reply."""
        with self._store.transaction() as connection:
            connection.execute(
                "UPDATE tasks SET status = 'failed', failure = ?, finished = ?"
                " WHERE id = ? AND status IN ('queued', 'running')",
                (reason, timestamps.milliseconds(self._now()), task_id),
            )
            self._deliveries.task_ended(connection, task_id)

    def _count_slice(self, connection: sqlite3.Connection, state: CountState) -> None:
        """Counts one slice of the current target. Moves on to the next target where no profile is left in this one."""
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
