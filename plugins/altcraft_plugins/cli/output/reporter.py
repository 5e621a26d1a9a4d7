"""What a command reports: the protocol of the reporters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeAlias

from msgspec import Struct

from altcraft_plugins.cli.problems import Problem
from altcraft_plugins.cli.subjects import Subject

if TYPE_CHECKING:
    from altcraft import Delivery, Plugin, TaskHandle, TaskStatus
    from altcraft_plugins.cli.planned.carrying_out import Ended
    from altcraft_plugins.cli.planned.group import Event
    from altcraft_plugins.cli.planned.runs import Run
    from altcraft_plugins.history import Imported, Item, Series
    from altcraft_plugins.journal import Entry
    from altcraft_plugins.plan import Plan

__all__ = ["Exchanged", "Follow", "Reporter", "Result"]

Follow: TypeAlias = "Callable[[TaskHandle, str, int | float | None], None]"
"""Called with a task, its status and its progress."""


class Result(Struct, frozen=True):
    """A result, and what it is of. A field is None where it is not known or does not apply.

    `read_at` is when the command read counters: the platform's reply has no time of its own. `about` is what a plan
    says of it: the section and the name.
    """

    operation: str
    value: object
    subject: Subject | None = None
    task_id: str | None = None
    read_at: datetime | None = None
    about: Mapping[str, str] = {}


class Exchanged(Struct, frozen=True, omit_defaults=True):
    """An HTTP exchange that is over. `elapsed` and `retry_in` are seconds; a field is None where it does not apply."""

    operation: str
    attempt: int
    elapsed: float
    task_id: str | None = None
    http_status: int | None = None
    error: str | None = None
    message: str | None = None
    retry_in: float | None = None


class Reporter(Protocol):
    """Reports as the command goes on. Raises the OSError of a stream that can't be written, which ends the command."""

    def say(self, text: str) -> None:
        """Prose, for people only."""
        ...

    def heading(self, task: TaskHandle) -> None:
        """The next result is this task's. For people, who see no other sign of it."""
        ...

    def submitted(self, task: TaskHandle, *, waits: bool, resumable: bool) -> None:
        """The platform has started the task. `waits`: the command now waits for it. `resumable`: another one can."""
        ...

    def following(self, tasks: Sequence[TaskHandle]) -> AbstractContextManager[Follow]:
        """Shows the progress of the tasks while the block lasts, as far as the given function is told of it.

        One thread at a time calls that function. There may be several such blocks, one after the other, each with those
        tasks that are left.
        """
        ...

    def status(self, task: TaskHandle, status: TaskStatus[object]) -> None:
        """How far a task is."""
        ...

    def result(self, result: Result) -> None:
        """A result."""
        ...

    def event(self, text: str, exchanged: Exchanged | None) -> None:
        """With -v: an exchange is over, or a poll was answered. Lines for machines say the latter anyway."""
        ...

    def warning(self, text: str) -> None:
        """The library warns of something."""
        ...

    def serving(self, what: str, url: str) -> None:
        """A server of this command listens at `url`; `what` begins the sentence that says so."""
        ...

    def handed_out(self, url: str) -> None:
        """A URL for feedback."""
        ...

    def delivery(self, delivery: Delivery) -> None:
        """Feedback has come in."""
        ...

    def plugin(self, plugin: Plugin) -> None:
        """A plugin that is loaded, or one that failed to load."""
        ...

    def entries(self, entries: Sequence[Entry]) -> None:
        """What a journal holds, in the order of submission."""
        ...

    def items(self, items: Sequence[Item]) -> None:
        """The names that a history knows."""
        ...

    def trends(self, series: Sequence[Series]) -> None:
        """How the channels of one name have changed."""
        ...

    def imported(self, file: str, imported: Imported) -> None:
        """What became of a file of JSON lines."""
        ...

    def planned(self, plan: Plan) -> None:
        """What a run of the plan would ask."""
        ...

    def run_begun(self, run: Run, size: int) -> None:
        """A run of `size` recounts begins, or goes on where an earlier one has stopped."""
        ...

    def running(self, plan: Plan) -> AbstractContextManager[Callable[[Event], None]]:
        """Shows the progress of the run while the block lasts, as far as the given function is told of it."""
        ...

    def run_ended(self, ended: Ended) -> None:
        """A run has ended: its counts, what has changed, and what failed."""
        ...

    def problem(self, problem: Problem, subject: Subject | None = None, *, named: bool = False) -> None:
        """What went wrong, and the resume token of a task that may still run.

        `named`: the command is about several subjects, so that people must be told which one this is.
        """
        ...

    def finish(self) -> None:
        """The command has ended: writes what is still to be written."""
        ...
