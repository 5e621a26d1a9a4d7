"""The reporter of `--json`: one object a line on stdout, and nothing else there."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from altcraft_plugins.cli.outcome import Problem
from altcraft_plugins.cli.reporting import Follow, Show

if TYPE_CHECKING:
    from altcraft import Delivery, TaskHandle, TaskStatus
    from altcraft_plugins.cli.facts import Asked

__all__ = ["JsonReporter"]


class JsonReporter:
    """Writes the lines that docs/command-line.md describes. ASCII alone, so that any encoding carries them."""

    def say(self, text: str) -> None:
        """Nothing: prose is not for machines."""

    def submitted(self, task: TaskHandle, asked: Asked, *, waits: bool) -> None:
        """A "submitted" line, whether somebody waits or not."""
        self._write("submitted", _about(task, asked) | {"resume_token": task.resume_token})

    @contextmanager
    def watching(self, task: TaskHandle, asked: Asked | None) -> Iterator[Show]:
        """A "progress" line for every status."""
        yield lambda status, progress: self._progress(task, status, progress)

    @contextmanager
    def following(self, tasks: Sequence[TaskHandle]) -> Iterator[Follow]:
        """A "progress" line for every status."""
        yield self._progress

    def status(self, task: TaskHandle, status: TaskStatus[object]) -> None:
        """A "progress" line, and where there is a result a "result" line."""
        self._progress(task, status.status, status.progress)
        if status.result is not None:
            self.result(task.operation, status.result, None, task)

    def result(self, operation: str, result: object, asked: Asked | None, task: TaskHandle | None = None) -> None:
        """A "result" line."""
        from altcraft_plugins.cli.facts import plain

        about = _about(task, asked) if task is not None else {"operation": operation, **_request(asked)}
        self._write("result", about | {"result": plain(result)})

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

    def problem(self, problem: Problem) -> None:
        """An "error" line."""
        self._write("error", msgspec.to_builtins(problem))

    def _progress(self, task: TaskHandle, status: str, progress: int | float | None) -> None:
        self._write("progress", {"task_id": task.id, "status": status, "progress": progress})

    def _write(self, event: str, fields: Mapping[str, object]) -> None:
        sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
        sys.stdout.flush()


def _text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _about(task: TaskHandle, asked: Asked | None) -> dict[str, object]:
    return {"task_id": task.id, "operation": task.operation, **_request(asked)}


def _request(asked: Asked | None) -> dict[str, object]:
    return {"request": dict(asked.request)} if asked is not None else {}
