"""The reporter of `--json`: one object a line, in ASCII. Page: docs/reference/command-line.md."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from altcraft_plugins.cli.output.destination import Destination
from altcraft_plugins.cli.output.reporter import Exchanged, Follow, Result
from altcraft_plugins.cli.output.streams import write_line
from altcraft_plugins.cli.problems import Problem
from altcraft_plugins.cli.subjects import Subject, subject_of

if TYPE_CHECKING:
    from altcraft import Delivery, Plugin, TaskHandle, TaskStatus
    from altcraft_plugins.history import Imported, Item, Series
    from altcraft_plugins.journal import Entry

__all__ = ["JsonReporter"]


class JsonReporter:
    """Writes results to the destination and every other line to stdout."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination

    def say(self, text: str) -> None:
        """Nothing: prose is for people."""

    def heading(self, task: TaskHandle) -> None:
        """Nothing: every line says which task it is about."""

    def submitted(self, task: TaskHandle, *, waits: bool, resumable: bool) -> None:
        """A "submitted" line."""
        about: dict[str, object] = {
            "task_id": task.id,
            "operation": task.operation,
            **_request(subject_of(task.request)),
        }
        self._write("submitted", about | {"resume_token": task.resume_token})

    @contextmanager
    def following(self, tasks: Sequence[TaskHandle]) -> Iterator[Follow]:
        """A "progress" line for every status."""
        yield self._progress

    def status(self, task: TaskHandle, status: TaskStatus[object]) -> None:
        """A "progress" line."""
        self._progress(task, status.status, status.progress)

    def result(self, result: Result) -> None:
        """A "result" line."""
        from altcraft_plugins.cli.output.sheets import as_json

        about: dict[str, object] = {"event": "result"}
        if result.task_id is not None:
            about["task_id"] = result.task_id
        about |= {"operation": result.operation, **_request(result.subject)}
        if result.read_at is not None:
            about["read_at"] = msgspec.to_builtins(result.read_at)
        self._destination.write(as_json(result.value, about) + "\n")

    def exchanged(self, exchanged: Exchanged) -> None:
        """An "exchange" line."""
        self._write("exchange", msgspec.to_builtins(exchanged))

    def polled(self, task: TaskHandle, status: TaskStatus[object]) -> None:
        """Nothing: there is a "progress" line."""

    def warning(self, text: str) -> None:
        """A "warning" line."""
        self._write("warning", {"message": text})

    def serving(self, what: str, url: str) -> None:
        """A "serving" line."""
        self._write("serving", {"url": url, "message": f"{what} at {url}"})

    def handed_out(self, url: str) -> None:
        """A "feedback_url" line."""
        self._write("feedback_url", {"url": url})

    def delivery(self, delivery: Delivery) -> None:
        """A "delivery" line; its body as text, where it is text."""
        about = {"key": delivery.key, "task_id": delivery.task_id, "content_type": delivery.content_type}
        self._write("delivery", about | {"size": len(delivery.body), "body": _text(delivery.body)})

    def plugin(self, plugin: Plugin) -> None:
        """A "plugin" line."""
        self._write("plugin", msgspec.to_builtins(plugin))

    def entries(self, entries: Sequence[Entry]) -> None:
        """An "entry" line for each."""
        for entry in entries:
            self._write("entry", msgspec.to_builtins(entry))

    def items(self, items: Sequence[Item]) -> None:
        """An "item" line for each."""
        for item in items:
            self._result("item", msgspec.to_builtins(item))

    def trends(self, series: Sequence[Series]) -> None:
        """A "count" line for each count and channel, the oldest first."""
        for row in sorted((row for each in series for row in each.rows), key=lambda row: row.at):
            self._result("count", msgspec.to_builtins(row))

    def imported(self, file: str, imported: Imported) -> None:
        """An "imported" line."""
        broken = [{"line": number, "message": reason} for number, reason in imported.broken]
        self._write("imported", {"file": file, **msgspec.to_builtins(imported), "broken": broken})

    def problem(self, problem: Problem, subject: Subject | None = None, *, named: bool = False) -> None:
        """An "error" line."""
        self._write("error", {**msgspec.to_builtins(problem), **_request(subject)})

    def finish(self) -> None:
        """Completes the destination."""
        self._destination.finish()

    def _progress(self, task: TaskHandle, status: str, progress: int | float | None) -> None:
        self._write("progress", {"task_id": task.id, "status": status, "progress": progress})

    def _result(self, event: str, fields: Mapping[str, object]) -> None:
        self._destination.write(json.dumps({"event": event, **fields}) + "\n")

    def _write(self, event: str, fields: Mapping[str, object]) -> None:
        write_line(json.dumps({"event": event, **fields}))


def _text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _request(subject: Subject | None) -> dict[str, object]:
    return {} if subject is None else {"request": subject.parameters}
