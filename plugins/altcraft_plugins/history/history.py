"""`History`: a plugin that keeps every completed count, and tells what it has kept."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from msgspec import Struct

from altcraft import TaskHandle, hookimpl
from altcraft.schema import Request
from altcraft.tasks.resume import parse_resume_token
from altcraft_plugins._sqlite import SqliteFile
from altcraft_plugins.history.collected import Imported, collected
from altcraft_plugins.history.counts import Counted, counts_of, name_of, source_of
from altcraft_plugins.history.entries import Failure, Item, Row
from altcraft_plugins.history.file import KIND
from altcraft_plugins.history.trends import natural

if TYPE_CHECKING:
    import sqlite3

    from altcraft import AltcraftError, ObservedExchange, Submission

__all__ = ["History"]

_DAY = 86400.0
_BATCH = 500
"""Lines that are imported in one transaction."""
_HOSTS = 10_000
"""Hosts of tasks under way that are kept in memory."""


class History:
    """A plugin for `Client(..., plugins=[history])`. Threads, clients and processes may share the file.

    The history records every result that is statistics, under the task's note, or else under a name such as
    "segment 7, database 1, resource 24"; and every task and submission that fails. A count that it knows already, from
    another handle or another process, is not recorded twice.

    Counts and failures older than `keep_days` are deleted, and all but the newest `keep_counts` of each name. By
    default everything is kept.

    Raises HistoryError for a file that is damaged, locked, no history, or of a newer version; such a file is left as it
    is. A hook that can't write is logged, and ends no wait.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, keep_days: float | None = None, keep_counts: int | None = None
    ) -> None:
        if keep_days is not None and not keep_days > 0:
            raise ValueError("keep_days: give more than 0 days, or None to keep everything")
        if keep_counts is not None and keep_counts < 1:
            raise ValueError("keep_counts: give at least 1, or None to keep everything")
        self._keep_days = keep_days
        self._keep_counts = keep_counts
        self._hosts: dict[str, str] = {}
        self._file = SqliteFile(Path(path), KIND)
        if keep_days is not None or keep_counts is not None:
            with self._file.transaction():
                self._prune()

    @property
    def path(self) -> Path:
        """The history's file."""
        return self._file.path

    def close(self) -> None:
        """Closes the file. May be called twice."""
        self._file.close()

    def __enter__(self) -> History:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What it is told.

    def record(
        self,
        name: str | None,
        result: object,
        task: Counted | Request[Any] | None = None,
        *,
        at: datetime | None = None,
        took: float | None = None,
        host: str = "",
    ) -> int:
        """Records a result of refresh_counters or get_counters. Returns how many counts are new.

        `name` None stands for the task's note, or a name made from the request. A name that is given replaces that of a
        count that was recorded before. `at` is the time of a count that has none of its own, now by default. `took` is
        in seconds. TypeError where the result is no statistics.
        """
        with self._file.transaction():
            about, new = self._record(name, result, task, at, took, host)
            self._prune(about.name)
        return new

    def _record(
        self,
        name: str | None,
        result: object,
        task: Counted | Request[Any] | None,
        at: datetime | None,
        took: float | None,
        host: str,
    ) -> tuple[_About, int]:
        about = _About.of(name, task)
        ended_at = time.time() if at is None else _aware(at, "at").timestamp()
        new = 0
        for count in counts_of(
            result, about.request, name=about.name, task_id=about.task_id, operation=about.operation, ended_at=ended_at
        ):
            content = {
                **count.ids,
                "took": took,
                "count_seconds": count.count_seconds,
                "total_count": count.total_count,
                "operation": about.operation,
                "host": host,
                "task_id": about.task_id,
                "channels": count.channels,
            }
            written = self._file.write(
                "INSERT INTO counts (source, name, at, content) VALUES (?, ?, ?, ?) ON CONFLICT (source) DO NOTHING",
                count.source,
                about.name,
                count.at,
                json.dumps(content),
            )
            if not written and name:
                self._file.write("UPDATE counts SET name = ? WHERE source = ?", about.name, count.source)
            new += written
        return about, new

    def record_failure(
        self,
        name: str | None,
        error: BaseException,
        task: Counted | Request[Any] | None = None,
        *,
        at: datetime | None = None,
    ) -> bool:
        """Records that a count has failed. Returns whether that is news: a task fails once."""
        about = _About.of(name, task)
        failed_at = time.time() if at is None else _aware(at, "at").timestamp()
        return self._fail(about, error, failed_at)

    def import_lines(self, lines: Iterable[str], *, name: str | None = None, host: str = "") -> Imported:
        """Records the counts in JSON lines, as the command line's `--json` prints them.

        `name` is the name of all of them; None stands for the "name" of each line, or a name made from its request.
        Lines that are no results are passed over. A count that the history knows is not recorded again.
        """
        numbered = enumerate(lines, 1)
        new = known = passed_over = 0
        broken: list[tuple[int, str]] = []
        while batch := list(islice(numbered, _BATCH)):
            with self._file.transaction():  # one for many lines: each one is a write to the disk
                for number, line in batch:
                    try:
                        found = collected(line)
                    except ValueError as error:
                        broken.append((number, str(error)))
                        continue
                    if found is None:
                        passed_over += 1
                        continue
                    _, recorded = self._record(name or found.name, found.result, found, found.read_at, None, host)
                    new += recorded
                    known += not recorded
                self._prune()
        return Imported(new, known, passed_over, broken)

    def rename(self, old: str, new: str) -> int:
        """Gives all counts and failures of a name another one. Returns how many counts there were."""
        with self._file.transaction():
            self._file.write("UPDATE failures SET name = ? WHERE name = ?", _stored(new), old)
            return self._file.write("UPDATE counts SET name = ? WHERE name = ?", _stored(new), old)

    # What it tells.

    def rows(self, name: str | None = None, since: datetime | None = None, channel: str | None = None) -> list[Row]:
        """A row for each count and channel, the oldest first. `since` is an aware time."""
        return [
            row
            for record in self._records("counts", name, since)
            for row in _rows(record)
            if channel is None or row.channel == channel
        ]

    def items(self) -> list[Item]:
        """The names that the history knows, sorted."""
        found = self._file.query(
            "SELECT name, count(*) AS counts, min(at) AS first, max(at) AS last FROM counts GROUP BY name"
        )
        items = [Item(row["name"], row["counts"], _moment(row["first"]), _moment(row["last"])) for row in found]
        return sorted(items, key=lambda item: natural(item.name))

    def failures(self, name: str | None = None, since: datetime | None = None) -> list[Failure]:
        """What failed, the oldest first: of that name, since that (aware) time."""
        return [
            Failure(name=record["name"], at=_moment(record["at"]), **json.loads(record["content"]))
            for record in self._records("failures", name, since)
        ]

    # What it hears.

    @hookimpl
    def altcraft_exchange_started(self, exchange: ObservedExchange) -> None:
        """Keeps the host of a task: the poll's URL names it, and the task does not."""
        if exchange.task_id is not None:
            self._hosts[exchange.task_id] = (
                urlsplit(exchange.request.url).hostname or exchange.request.url.split(":")[0]
            )
            while len(self._hosts) > _HOSTS:  # of tasks that were given up
                del self._hosts[next(iter(self._hosts))]

    @hookimpl
    def altcraft_task_completed(self, task: TaskHandle, result: object) -> None:
        """Records the count, if the result is one."""
        host = self._hosts.pop(task.id, "")
        token = parse_resume_token(task.resume_token)
        took = None if token.submitted_at is None else token.saved_at - token.submitted_at
        try:
            self.record(None, result, task, took=took, host=host)
        except TypeError:  # no statistics
            return

    @hookimpl
    def altcraft_task_failed(self, task: TaskHandle, error: AltcraftError) -> None:
        """Records the failure."""
        self._hosts.pop(task.id, None)
        self.record_failure(None, error, task)

    @hookimpl
    def altcraft_submission_failed(self, submission: Submission, error: BaseException) -> None:
        """Records the failure."""
        name = _stored(submission.note or name_of(submission.request, submission.operation))
        self._fail(_About(name, submission.request, submission.operation, None), error, time.time())

    def _fail(self, about: _About, error: BaseException, at: float) -> bool:
        content = {
            "error": type(error).__name__,
            "message": str(error),
            "operation": about.operation or getattr(error, "operation", None) or "",
            "host": getattr(error, "host", None) or "",
            "task_id": about.task_id,
        }
        with self._file.transaction():
            written = self._file.write(
                "INSERT INTO failures (source, name, at, content) VALUES (?, ?, ?, ?) ON CONFLICT (source) DO NOTHING",
                source_of(about.task_id) if about.task_id else source_of(about.name, at, content),
                about.name,
                at,
                json.dumps(content),
            )
            self._prune()
        return bool(written)

    def _records(self, table: str, name: str | None, since: datetime | None) -> list[sqlite3.Row]:
        wanted = {"name = ?": name, "at >= ?": None if since is None else _aware(since, "since").timestamp()}
        given = {condition: value for condition, value in wanted.items() if value is not None}
        where = f"WHERE {' AND '.join(given)}" if given else ""
        return self._file.query(f"SELECT * FROM {table} {where} ORDER BY at, id", *given.values())  # noqa: S608  # constants

    def _prune(self, name: str | None = None) -> None:
        """Deletes what is too old; of `name`, or of all, what is too much."""
        if self._keep_days is not None:
            oldest = time.time() - self._keep_days * _DAY
            self._file.write("DELETE FROM counts WHERE at < ?", oldest)
            self._file.write("DELETE FROM failures WHERE at < ?", oldest)
        if self._keep_counts is not None:
            self._file.write(
                "DELETE FROM counts WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER ("
                "PARTITION BY name ORDER BY at DESC, id DESC) AS place FROM counts WHERE ?1 IS NULL OR name = ?1) "
                "WHERE place > ?2)",
                name,
                self._keep_counts,
            )

    def __repr__(self) -> str:
        return f"History({str(self.path)!r})"


class _About(Struct, frozen=True):
    """What a count, or a failure, is of."""

    name: str
    request: Request[Any] | None
    operation: str
    task_id: str | None

    @classmethod
    def of(cls, name: str | None, task: Counted | Request[Any] | None) -> _About:
        """`name` None stands for the note, or a name made from the request."""
        if task is None or isinstance(task, Request):
            return cls(_stored(name or name_of(task, "")), task, "", None)
        called = name or task.note or name_of(task.request, task.operation)
        return cls(_stored(called), task.request, task.operation, task.id)


def _rows(record: sqlite3.Row) -> list[Row]:
    content: dict[str, Any] = json.loads(record["content"])
    channels: list[tuple[str, dict[str, object]]] = content.pop("channels")
    about: dict[str, Any] = {"name": record["name"], "at": _moment(record["at"]), **content}
    return [Row(channel=channel, counters=counters, **about) for channel, counters in channels]


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def _aware(moment: datetime, argument: str) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"{argument}: give an aware time, such as datetime.now(timezone.utc)")
    return moment


def _stored(name: str) -> str:
    """A name that SQLite can hold: a lone surrogate becomes an escape."""
    return name.encode("utf-8", "backslashreplace").decode()
