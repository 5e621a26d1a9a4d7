"""`Journal`: a plugin that writes submissions and tasks down before they matter, and leads back to them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec

from altcraft import AltcraftError, Submission, TaskHandle, TaskStatus, hookimpl
from altcraft_plugins._sqlite import SqliteFile
from altcraft_plugins.journal.entries import Entry, Outstanding
from altcraft_plugins.journal.file import KIND, JournalError
from altcraft_plugins.journal.owners import is_alive, name_owner, retire

if TYPE_CHECKING:
    import sqlite3

    from altcraft import AsyncClient, AsyncTask, Client, Task

__all__ = ["Journal"]

_DAY = 86400.0


class Journal:
    """A plugin for `Client(..., plugins=[journal])`. Threads and clients of one process may share it.

    * The intent of a submission is on the disk before anything is sent, and the task id before `submit` returns. A
      journal that can't write ends the submission with JournalError.
    * The outcome of a task is on the disk before other plugins hear of it, and stays until it is acknowledged.
    * Several processes may share the file. Each task has one owner. A dead owner's tasks are taken over by `resume`:
      on the same machine at once, else when the lease of `lease` seconds has run out.
    * Acknowledged outcomes are deleted after `keep_days`, and the oldest of more than `keep_outcomes`.

    The journal holds no token and no feedback URL. Raises JournalError for a file that is damaged, locked, no journal,
    or of a newer version; such a file is left as it is.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        lease: float = 120.0,
        keep_days: float = 30.0,
        keep_outcomes: int = 10_000,
    ) -> None:
        self._lease = lease
        self._keep = keep_days * _DAY
        self._keep_outcomes = keep_outcomes
        self._file = SqliteFile(Path(path), KIND)
        self._process = os.getpid()
        self._name = name_owner()
        self._closed = False
        self._begun: set[str] = set()  # keys whose intent this object has written
        self._prune()

    @property
    def path(self) -> Path:
        """The journal's file."""
        return self._file.path

    def close(self) -> None:
        """Closes the file, and gives its tasks up. May be called twice."""
        if not self._closed:
            self._closed = True
            retire(self._name)
            self._file.write("UPDATE entries SET lease = 0 WHERE owner = ? AND ended_at IS NULL", self._name)
            self._file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What it tells.

    def entries(self) -> list[Entry]:
        """All that the journal holds, in the order of submission."""
        now = time.time()
        return [_entry(row, now) for row in self._file.query("SELECT * FROM entries ORDER BY submitted_at, rowid")]

    def outstanding(self) -> Outstanding:
        """The tasks without an outcome, and the submissions that are in doubt. Nothing is sent.

        A submission is in doubt when its process ended, or its answer got lost, between the sending and the task id.
        """
        found = self.entries()
        return Outstanding(
            [entry for entry in found if entry.state == "running"],
            [entry for entry in found if entry.state == "in doubt"],
        )

    def outcomes(self) -> list[Entry]:
        """The outcomes that were not acknowledged."""
        return [entry for entry in self.entries() if entry.ended_at is not None and not entry.is_acknowledged]

    def acknowledge(self, *keys: str) -> None:
        """The outcomes of these submissions have been dealt with, or the doubts about them: all of them, or none.

        LookupError for an unknown key.
        """
        with self._file.transaction():
            for key in keys:
                touched = self._file.write(
                    "UPDATE entries SET acknowledged = 1 WHERE key = ? AND ended_at IS NOT NULL", key
                ) or self._file.write("DELETE FROM entries WHERE key = ? AND state IN ('submitting', 'in doubt')", key)
                if not touched:
                    raise LookupError(f"the journal has no outcome and no doubt with the key {key!r}")

    def give_up(self, key: str, reason: str) -> None:
        """Notes a failure for a task whose outcome will never be known: the platform has lost it, say.

        A task that has an outcome keeps it.
        """
        self._file.write(
            "UPDATE entries SET state = 'failed', error = ?, ended_at = ?, status = NULL, progress = NULL "
            "WHERE key = ? AND state = 'running'",
            reason,
            time.time(),
            key,
        )

    def resume(self, client: Client, keys: Collection[str] | None = None) -> list[Task[object]]:
        """Handles on the tasks of the client's installation that no living process follows, on their schedule.

        `keys` are those of the submissions that are wanted; None stands for all. This process is the tasks' owner from
        now on. The client should have this journal among its plugins.
        """
        return [client.tasks.resume(token) for token in self._take_over(client.host, keys)]

    def resume_async(self, client: AsyncClient, keys: Collection[str] | None = None) -> list[AsyncTask[object]]:
        """As `resume`, for an AsyncClient."""
        return [client.tasks.resume(token) for token in self._take_over(client.host, keys)]

    def _take_over(self, host: str, keys: Collection[str] | None) -> list[str]:
        now, tokens = time.time(), []
        for row in self._file.query("SELECT * FROM entries WHERE state = 'running' AND host = ?", host):
            if (keys is None or row["key"] in keys) and not _is_owned(row, now):
                taken = self._file.write(
                    "UPDATE entries SET owner = ?, lease = ? WHERE key = ? AND owner = ? AND state = 'running'",
                    self._owner(),
                    now + self._lease,
                    row["key"],
                    row["owner"],  # only one process succeeds
                )
                if taken:
                    tokens.append(row["token"])
        return tokens

    # What it hears.

    @hookimpl(tryfirst=True)
    def altcraft_submitting(self, submission: Submission) -> None:
        """Writes the intent down. JournalError ends the submission before it is sent.

        It does so for a key that the journal knows, too: the task was submitted, or that is in doubt.
        """
        now = time.time()
        written = self._file.write(
            "INSERT INTO entries (key, state, host, operation, request, note, submitted_at, owner, lease) "
            "VALUES (?, 'submitting', ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (key) DO NOTHING",
            submission.key,
            submission.host,
            submission.operation,
            _as_json(submission.fields),
            submission.note,
            submission.submitted_at.timestamp(),
            self._owner(),
            now + self._lease,
        )
        if not written:
            raise self._known_already(submission.key)
        self._begun.add(submission.key)

    @hookimpl(tryfirst=True)
    def altcraft_task_submitted(self, task: TaskHandle, submission: Submission) -> None:
        """Writes the task's id down, before `submit` returns."""
        self._begun.discard(submission.key)
        self._file.write(
            "UPDATE entries SET state = 'running', task_id = ?, token = ?, lease = ? WHERE key = ?",
            task.id,
            task.resume_token,
            time.time() + self._lease,
            submission.key,
        )

    @hookimpl(tryfirst=True)
    def altcraft_submission_failed(self, submission: Submission, in_doubt: bool) -> None:
        """Forgets the intent, or notes that it is in doubt."""
        if submission.key not in self._begun:
            return  # another plugin, or this one, has refused it
        self._begun.discard(submission.key)
        if in_doubt:
            self._file.write("UPDATE entries SET state = 'in doubt' WHERE key = ?", submission.key)
        else:
            self._file.write("DELETE FROM entries WHERE key = ? AND task_id IS NULL", submission.key)

    @hookimpl(tryfirst=True)
    def altcraft_task_progress(self, task: TaskHandle, status: TaskStatus[object]) -> None:
        """Keeps the state of the schedule."""
        if task.key is not None and not task.done():
            self._file.write(
                "UPDATE entries SET token = ?, status = ?, progress = ?, owner = ?, lease = ? "
                "WHERE key = ? AND state = 'running'",
                task.resume_token,
                status.status,
                status.progress,
                self._owner(),
                time.time() + self._lease,
                task.key,
                durable=False,
            )

    @hookimpl(tryfirst=True)
    def altcraft_task_completed(self, task: TaskHandle, result: object) -> None:
        """Keeps the outcome, before other plugins hear of it."""
        self._end(task, "completed", _as_json(result), None)

    @hookimpl(tryfirst=True)
    def altcraft_task_failed(self, task: TaskHandle, error: AltcraftError) -> None:
        """Keeps the failure, likewise."""
        self._end(task, "failed", None, error.message())

    def _end(self, task: TaskHandle, state: str, result: str | None, error: str | None) -> None:
        if task.key is not None:
            self._file.write(
                "UPDATE entries SET state = ?, result = ?, error = ?, ended_at = ?, status = NULL, progress = NULL "
                "WHERE key = ? AND ended_at IS NULL",
                state,
                result,
                error,
                time.time(),
                task.key,
            )

    def _known_already(self, key: str) -> JournalError:
        (row,) = self._file.query("SELECT * FROM entries WHERE key = ?", key)
        entry = _entry(row, time.time())
        if entry.task_id is None:
            text = "and its outcome is in doubt: acknowledge the key to submit it again"
        else:
            text = f"as task {entry.task_id}, {entry.state}: resume that one"
        error = JournalError(f"a submission with the key {key!r} was made at {entry.submitted_at:%F %T} UTC, {text}")
        error.resume_token = entry.resume_token
        return error

    def _owner(self) -> str:
        if self._process != os.getpid():  # after a fork
            self._process = os.getpid()
            self._name = name_owner()
        return self._name

    def _prune(self) -> None:
        self._file.write(
            "DELETE FROM entries WHERE acknowledged = 1 AND (ended_at < ? OR rowid NOT IN ("
            "SELECT rowid FROM entries WHERE acknowledged = 1 ORDER BY ended_at DESC LIMIT ?))",
            time.time() - self._keep,
            self._keep_outcomes,
            durable=False,
        )

    def __repr__(self) -> str:
        return f"Journal({str(self.path)!r})"


def _entry(row: sqlite3.Row, now: float) -> Entry:
    is_owned = _is_owned(row, now)
    state = row["state"]
    if state == "submitting" and not is_owned:
        state = "in doubt"  # its process ended before the task id was written
    return Entry(
        key=row["key"],
        state=state,
        host=row["host"],
        operation=row["operation"],
        request=json.loads(row["request"]),
        note=row["note"],
        submitted_at=_moment(row["submitted_at"]),
        task_id=row["task_id"],
        resume_token=row["token"],
        status=row["status"],
        progress=row["progress"],
        ended_at=None if row["ended_at"] is None else _moment(row["ended_at"]),
        result=None if row["result"] is None else json.loads(row["result"]),
        error=row["error"],
        is_acknowledged=bool(row["acknowledged"]),
        is_owned=is_owned and row["ended_at"] is None,
    )


def _is_owned(row: sqlite3.Row, now: float) -> bool:
    alive = is_alive(row["owner"])
    if row["state"] == "submitting" and alive:  # repetitions may take longer than a lease
        return True
    return alive is not False and now < cast(float, row["lease"])


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def _as_json(value: object) -> str:
    """A value as JSON; what JSON can't say is written as its text."""
    return msgspec.json.encode(value, enc_hook=_described).decode()


def _described(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
