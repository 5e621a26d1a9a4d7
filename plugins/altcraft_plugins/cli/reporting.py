"""What a command reports, to whomever: the protocol of the two reporters, and how text reaches a stream."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Protocol, TypeAlias

from altcraft_plugins.cli.outcome import Problem

if TYPE_CHECKING:
    from altcraft import Delivery, TaskHandle, TaskStatus
    from altcraft_plugins.cli.facts import Asked

__all__ = ["Follow", "Reporter", "Show", "forgiving_streams", "printable"]

Show: TypeAlias = Callable[[str, "int | float | None"], None]
"""Called with a status and its progress."""

Follow: TypeAlias = "Callable[[TaskHandle, str, int | float | None], None]"
"""Called with a task, its status and its progress."""


class Reporter(Protocol):
    """Tells what happens. What it raises is the stream's OSError, and ends the command."""

    def say(self, text: str) -> None:
        """Prose, for people alone."""
        ...

    def submitted(self, task: TaskHandle, asked: Asked, *, waits: bool) -> None:
        """The platform has taken the task."""
        ...

    def watching(self, task: TaskHandle, asked: Asked | None) -> AbstractContextManager[Show]:
        """While somebody waits for the task: what is called with each status."""
        ...

    def following(self, tasks: Sequence[TaskHandle]) -> AbstractContextManager[Follow]:
        """While somebody waits for several: what is called, by one thread at a time, with each status of any of them.

        May be called again with those that are left.
        """
        ...

    def status(self, task: TaskHandle, status: TaskStatus[object]) -> None:
        """How far a task is."""
        ...

    def result(self, operation: str, result: object, asked: Asked | None, task: TaskHandle | None = None) -> None:
        """What was asked for."""
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

    def problem(self, problem: Problem) -> None:
        """What went wrong, and the way back to the task."""
        ...


def printable(text: str) -> str:
    """`text` on one line, with whatever could command a terminal made visible: it may come from the other side."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def forgiving_streams() -> None:
    """Has what a stream's encoding lacks written as an escape; a stream that was closed from the start takes all."""
    if sys.stdout is None:
        sys.stdout = io.StringIO()
    if sys.stderr is None:
        sys.stderr = io.StringIO()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with suppress(OSError, ValueError):
                stream.reconfigure(errors="backslashreplace")
