"""Tasks as rows: begun, advanced by one slice a transaction, finished. No thread and no clock runs in here.

A slice reads its task, counts, and writes the counts so far, the place reached and the progress, all in one
transaction. So a process that dies loses at most the slice it was in, and two processes on one file cannot
count the same slice twice.
"""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Final, Literal

import msgspec

from altcraft_plugins.sandbox import clockwork
from altcraft_plugins.sandbox.counting import Tally, count_slice, empty_tally, population
from altcraft_plugins.sandbox.deliveries import Deliveries
from altcraft_plugins.sandbox.replies import Feedback, entry
from altcraft_plugins.sandbox.store import Store
from altcraft_plugins.sandbox.targets import Target

__all__ = ["SLICES", "TaskRow", "Tasks", "Work"]

SLICES: Final = 20
"""Slices of a count, as long as they stay within LARGEST_SLICE."""

LARGEST_SLICE: Final = 5_000
"""Profiles. A slice keeps every request waiting while it lasts: some tens of milliseconds at this size."""

FIRST: Final = -(2**63)


class Work(msgspec.Struct):
    """A count under way. `at` is the target being counted, `after` the last profile looked at in it.

    `looked` of `population` profiles have been looked at; `spent` is nanoseconds in this target.
    """

    targets: list[Target]
    population: int
    size: int
    at: int = 0
    after: int = FIRST
    looked: int = 0
    spent: int = 0
    tally: Tally | None = None
    entries: list[msgspec.Raw] = []

    @property
    def slices(self) -> int:
        """About how many slices the whole takes."""
        return max(1, -(-self.population // self.size))


class TaskRow(msgspec.Struct, frozen=True):
    """A task as tasks/status tells it. `result` is JSON, None until the task has completed."""

    id: str
    kind: str
    status: str
    progress: int
    result: str | None


class Tasks:
    """The table of tasks. Thread-safe, as the store is."""

    def __init__(self, store: Store, deliveries: Deliveries, now: Callable[[], datetime] = clockwork.now) -> None:
        self._store = store
        self._deliveries = deliveries
        self._now = now

    def begin(self, targets: list[Target], kind: str, feedback: Feedback | None = None) -> str:
        """Queue a count of the targets, and return the task's id."""
        with self._store.transaction() as connection:
            people = sum(population(connection, target) for target in targets)
            size = min(max(1, -(-people // SLICES)), LARGEST_SLICE)
            task_id = str(uuid.uuid4())
            connection.execute(
                "INSERT INTO tasks (id, kind, status, progress, work, feedback_type, feedback_url, created)"
                " VALUES (?, ?, 'queued', 0, ?, ?, ?, ?)",
                (
                    task_id,
                    kind,
                    _dump(Work(targets, people, size)),
                    feedback.type if feedback else None,
                    feedback.url if feedback else None,
                    clockwork.milliseconds(self._now()),
                ),
            )
            self._deliveries.begun(connection, task_id)
        return task_id

    def find(self, task_id: str) -> TaskRow | None:
        """The task, or None where there is no such id."""
        with self._store.transaction() as connection:
            row = connection.execute(
                "SELECT id, kind, status, progress, result FROM tasks WHERE id = ?", (task_id,)
            ).fetchone()
        return None if row is None else TaskRow(*row)

    def unfinished(self) -> list[str]:
        """Ids of the tasks that are queued or running, oldest first."""
        with self._store.transaction() as connection:
            rows = connection.execute(
                "SELECT id FROM tasks WHERE status IN ('queued', 'running') ORDER BY number"
            ).fetchall()
        return [task_id for (task_id,) in rows]

    def slices(self, task_id: str) -> int:
        """About how many slices the task takes from beginning to end."""
        with self._store.transaction() as connection:
            row = connection.execute("SELECT work FROM tasks WHERE id = ?", (task_id,)).fetchone()
        return _load(row[0]).slices if row else 1

    def advance(self, task_id: str) -> Literal["more", "ended", "gone"]:
        """Count one slice and commit it. "ended": it was the last; "gone": another process was faster.

        Whatever the counting raises comes out of here, with nothing of the slice written.
        """
        with self._store.transaction() as connection:
            row = connection.execute(
                "SELECT work FROM tasks WHERE id = ? AND status IN ('queued', 'running')", (task_id,)
            ).fetchone()
            if row is None:
                return "gone"
            work = _load(row[0])
            self._count(connection, work)
            if work.at < len(work.targets):
                # 100 is kept for the end, also where profiles have been added since the beginning.
                progress = min(99, 100 * work.looked // max(1, work.population))
                connection.execute(
                    "UPDATE tasks SET status = 'running', progress = ?, work = ? WHERE id = ?",
                    (progress, _dump(work), task_id),
                )
                return "more"
            connection.execute(
                "UPDATE tasks SET status = 'completed', progress = 100, work = ?, result = ?, finished = ?"
                " WHERE id = ?",
                (
                    _dump(msgspec.structs.replace(work, entries=[])),
                    msgspec.json.encode(work.entries).decode(),
                    clockwork.milliseconds(self._now()),
                    task_id,
                ),
            )
            self._deliveries.ended(connection, task_id)
            return "ended"

    def fail(self, task_id: str, reason: str) -> None:
        """End the task as failed, where it stands. `reason` stays in the table: the wire has no place."""
        with self._store.transaction() as connection:
            connection.execute(
                "UPDATE tasks SET status = 'failed', failure = ?, finished = ?"
                " WHERE id = ? AND status IN ('queued', 'running')",
                (reason, clockwork.milliseconds(self._now()), task_id),
            )
            self._deliveries.ended(connection, task_id)

    def _count(self, connection: sqlite3.Connection, work: Work) -> None:
        """One slice, on to the next target where this one has no profiles left."""
        if work.at >= len(work.targets):
            return
        target = work.targets[work.at]
        began = time.perf_counter_ns()
        if work.tally is None:
            work.tally = empty_tally(connection, target)
        looked, work.after = count_slice(connection, target, work.tally, work.after, work.size)
        work.spent += time.perf_counter_ns() - began
        work.looked += looked
        if looked == work.size:
            return
        finished = entry(target, work.tally, self._now(), work.spent)
        text = msgspec.json.encode(finished)
        connection.execute(
            "INSERT OR REPLACE INTO statistics VALUES (?, ?, ?, ?, ?)",
            (target.kind, target.id, target.list_id, target.resource_id, text.decode()),
        )
        work.entries = [*work.entries, msgspec.Raw(text)]
        work.at, work.after, work.tally, work.spent = work.at + 1, FIRST, None, 0


def _dump(work: Work) -> str:
    return msgspec.json.encode(work).decode()


def _load(text: str) -> Work:
    return msgspec.json.decode(text, type=Work)
