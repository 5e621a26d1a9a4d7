"""Waiting for several tasks at once: each is told of as soon as it is done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from contextlib import ExitStack, closing
from time import monotonic
from typing import TYPE_CHECKING, TypeVar, cast

from altcraft import AltcraftError, Client, ClientClosed, Task, WaitTimeout, hookimpl

if TYPE_CHECKING:
    from collections.abc import Generator

    from altcraft import TaskHandle, TaskStatus
    from altcraft_plugins.cli.reporting import Follow, Reporter

__all__ = ["wait_for_all"]

R = TypeVar("R")


def wait_for_all(
    client: Client,
    reporter: Reporter,
    pending: dict[Task[R], None],
    tell: Callable[[Task[R], float | None], int],
    fail: Callable[[Task[R], AltcraftError], int],
    *,
    timeout: float | None,
) -> list[int]:
    """The exit codes of all tasks that are `pending`, which they are no longer once they have been told of.

    `tell` waits at most so many seconds for a task, and reports on it; `fail` reports why it can't be waited for. When
    the time is up, each of the rest is looked at once: it may be done already.
    """
    deadline = None if timeout is None else monotonic() + timeout
    codes: list[int] = []
    progress = _Progress(client, reporter, pending)
    client.hooks.register(progress)
    try:
        # An iteration of a generator's, so that it can be closed.
        finished = cast("Generator[Task[R]]", client.tasks.as_completed(tuple(pending), timeout))
        with closing(finished):
            for task in finished:
                error = None if task.done() else _why(task)
                if not task.done() and error is None:
                    continue  # whatever kept it from being followed is over: its turn comes again below
                with progress.held_back():
                    codes.append(tell(task, 0.0) if error is None else fail(task, error))
                    del pending[task]
    except (WaitTimeout, ClientClosed):
        if progress.unwritable:
            raise progress.unwritable[0] from None
    finally:
        client.hooks.unregister(progress)
        progress.end()
    for task in tuple(pending):
        codes.append(tell(task, None if deadline is None else max(0.0, deadline - monotonic())))
        del pending[task]
    return codes


def _why(task: Task[R]) -> AltcraftError | None:
    """What stands in the way of following a task; None where it is not in the way any more."""
    try:
        task.poll()
    except AltcraftError as error:
        return error
    return None


class _Progress:
    """A plugin that shows how far the tasks are, whichever thread learns of it, but while something else is written."""

    def __init__(self, client: Client, reporter: Reporter, pending: Collection[Task[R]]) -> None:
        self.unwritable: list[OSError] = []
        self._client = client
        self._reporter = reporter
        self._pending: Collection[object] = pending
        self._lock = threading.RLock()
        self._shown = ExitStack()
        self._show: Follow | None = None
        self._begin()

    @hookimpl
    def altcraft_task_progress(self, task: TaskHandle, status: TaskStatus[object]) -> None:
        """Shows it."""
        with self._lock:
            if self._show is None or self.unwritable or task not in self._pending:
                return
            try:
                self._show(task, status.status, status.progress)
            except OSError as error:  # raised, it would be logged and the wait go on for nobody
                self.unwritable.append(error)
        if self.unwritable:
            self._client.close()

    def held_back(self) -> ExitStack:
        """While the block lasts, nothing is shown: it writes something itself."""
        stack = ExitStack()
        stack.enter_context(self._lock)
        self.end()
        stack.callback(self._begin)
        return stack

    def end(self) -> None:
        """Nothing is shown any more."""
        with self._lock:
            self._show = None
            self._shown.close()

    def _begin(self) -> None:
        if self._pending:
            tasks = cast("tuple[TaskHandle, ...]", tuple(self._pending))
            self._show = self._shown.enter_context(self._reporter.following(tasks))
