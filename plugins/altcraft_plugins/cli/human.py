"""The reporter for people: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from altcraft.errors import at_progress
from altcraft_plugins.cli.outcome import Problem
from altcraft_plugins.cli.reporting import Follow, Show, printable

if TYPE_CHECKING:
    from altcraft import Delivery, TaskHandle, TaskStatus
    from altcraft_plugins.cli.facts import Asked

__all__ = ["HumanReporter"]


class HumanReporter:
    """Draws a bar while it waits, when somebody is there to see it; a table per result; a token alone on its line."""

    def say(self, text: str) -> None:
        """On stdout."""
        _out(text)

    def __init__(self) -> None:
        self._seen: dict[TaskHandle, tuple[str, int | float | None]] = {}

    def submitted(self, task: TaskHandle, asked: Asked, *, waits: bool) -> None:
        """The way back to the task, where nobody waits: the bar says the rest."""
        if not waits:
            if sys.stderr.isatty():
                _err(f"task {printable(task.id)} is submitted; wait for it with: {_command(task.resume_token)}")
            _out(task.resume_token)

    @contextmanager
    def watching(self, task: TaskHandle, asked: Asked | None) -> Iterator[Show]:
        """A progress bar on stderr, if that and stdout are terminals."""
        if not _is_watched():
            yield lambda status, progress: None
            return
        from altcraft_plugins.cli.bar import progress_bar

        with progress_bar(printable(asked.name if asked else f"task {task.id}")) as show:
            yield show

    @contextmanager
    def following(self, tasks: Sequence[TaskHandle]) -> Iterator[Follow]:
        """A progress bar for each, as far as there is room, which go when the block ends."""
        if not _is_watched():
            yield lambda task, status, progress: None
            return
        from altcraft_plugins.cli.bar import progress_bars

        with progress_bars({task: printable(f"task {task.id}") for task in tasks}) as show:
            for task in tasks:
                if task in self._seen:
                    show(task, *self._seen[task])

            def follow(task: TaskHandle, status: str, progress: int | float | None) -> None:
                self._seen[task] = (status, progress)
                show(task, status, progress)

            yield follow

    def status(self, task: TaskHandle, status: TaskStatus[object]) -> None:
        """A line, and the result where there is one."""
        progress = at_progress(status.progress).replace(" at", ",", 1)
        _out(f"task {printable(task.id)}: {printable(status.status)}{progress}")
        if status.result is not None:
            _out("")
            self.result(task.operation, status.result, None, task)

    def result(self, operation: str, result: object, asked: Asked | None, task: TaskHandle | None = None) -> None:
        """Tables of statistics; any other result as JSON."""
        from altcraft_plugins.cli.facts import plain, sheets

        tables = sheets(result, asked)
        if tables is None:
            _out(json.dumps(plain(result), indent=2))
        elif not tables:
            _out(f"{asked.name if asked else 'the task'}: a result without statistics")
        else:
            from altcraft_plugins.cli.tables import print_sheet

            for sheet in tables:
                print_sheet(sheet)
        sys.stdout.flush()

    def serving(self, what: str, url: str) -> None:
        """A line on stdout."""
        _out(f"{what} at {url} (Ctrl-C stops it)")

    def handed_out(self, url: str) -> None:
        """Alone on its line."""
        _out(url)

    def delivery(self, delivery: Delivery) -> None:
        """A line: which URL, what came, and how it begins."""
        kind = printable(delivery.content_type) or "no type"
        begin = printable(delivery.body[:60].decode("utf-8", "replace"))
        _out(f"delivery {delivery.key}: {kind}, {len(delivery.body)} bytes: {begin}")

    def problem(self, problem: Problem) -> None:
        """One line, perhaps with a hint below it; then the resume token, alone, on stdout."""
        _err(f"altcraft: {printable(problem.message)}")
        if problem.hint:
            _err(f"  {problem.hint}")
        if problem.resume_token:
            _err(f"  go on with: {_command(problem.resume_token)}")
            _out(problem.resume_token)


def _is_watched() -> bool:
    return sys.stdout.isatty() and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def _command(token: str) -> str:
    return f"altcraft tasks wait {shlex.quote(token)}"


def _out(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _err(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
