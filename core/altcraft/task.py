"""`Task`: a handle on a task of the platform, after the fashion of `concurrent.futures`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar, cast

from altcraft.driver import Driver, OnProgress
from altcraft.errors import AltcraftError, TaskFailed
from altcraft.hooks import guarded
from altcraft.machine import Emit, TaskMachine
from altcraft.operations import Operation
from altcraft.resume import resume_token
from altcraft.schema import TaskStatus

__all__ = ["Task"]

R = TypeVar("R")


class Task(Generic[R]):
    """A task that the platform works on, whose result is an `R`. Made by a client; may be shared by threads.

    Nothing happens in the background: a task is looked at while somebody waits for it, or when `poll` is called.
    """

    __slots__ = (
        "__weakref__",
        "_callbacks",
        "_declared",
        "_driver",
        "_has_leader",
        "_hinted",
        "_machine",
        "_watchers",
    )

    def __init__(self, driver: Driver, declared: Operation[R], machine: TaskMachine) -> None:
        self._driver = driver
        self._callbacks: list[Callable[[Task[R]], object]] = []
        self._hinted = False
        self._declared = declared
        self._machine = machine
        self._has_leader = False
        self._watchers: list[OnProgress[R]] = []

    @property
    def id(self) -> str:
        """The platform's id of the task: an opaque string."""
        return self._machine.task_id

    @property
    def operation(self) -> str:
        """The path that started the task, or "tasks/status" where that is not known."""
        return self._machine.operation

    @property
    def resume_token(self) -> str:
        """Versioned JSON that leads back to this task, in any process. There is no secret in it."""
        return resume_token(self.id, self.operation)

    def poll(self) -> TaskStatus[R]:
        """Looks at the task: exactly one exchange, never retried. Raises the error of the exchange."""
        return self._driver.poll(self)

    def done(self) -> bool:
        """Whether the outcome is known here. No I/O: the platform may know more."""
        return self._machine.outcome is not None

    def result(self, timeout: float | None = None, on_progress: OnProgress[R] | None = None) -> R:
        """The final data, waited for at most `timeout` seconds.

        `on_progress` is called with every `TaskStatus` seen meanwhile, the terminal one too, in the thread that polls;
        what it raises is logged. Raises TaskFailed; WaitTimeout, and under it TaskStalled; ClientClosed; or the error
        of the exchange. After each of them but TaskFailed, the task can be waited for again.
        """
        finish = self._driver.wait(self, timeout, on_progress)
        if finish.error is not None:
            raise finish.error
        return cast(R, finish.result)

    def exception(self, timeout: float | None = None) -> TaskFailed | None:
        """The failure that the task ended with, or None after success. Waits, and raises, as `result` does."""
        error = self._driver.wait(self, timeout, None).error
        if error is None or isinstance(error, TaskFailed):
            return error
        raise error

    def add_done_callback(self, fn: Callable[[Task[R]], object]) -> None:
        """Has `fn(task)` called once the outcome is known: by the thread that learns it, or at once if that has been.

        What `fn` raises is logged.
        """
        with self._driver.changed:
            if not self.done():
                self._callbacks.append(fn)
                return
        guarded(fn, self)

    def notify(self) -> None:
        """A hint, from any thread, that there may be news: whoever waits for the task looks now. It is not believed."""
        self._hinted = True
        self._driver.wake(self)

    def _take_hint(self) -> bool:
        """Whether there was a hint since the last call. For the driver."""
        hinted, self._hinted = self._hinted, False
        return hinted

    def _tell(self, emitted: Emit) -> None:
        """Passes on what the machine emits, to hooks, watchers and callbacks. For the driver."""
        hooks = self._driver.hooks
        if emitted.what == "progress":
            for watcher in tuple(self._watchers):
                guarded(watcher, cast("TaskStatus[R]", emitted.value))
            if "altcraft_task_progress" in hooks.heard:
                hooks.fire("altcraft_task_progress", task=self, status=emitted.value)
            return
        if isinstance(emitted.value, AltcraftError) and emitted.what == "failed":
            emitted.value.locate(None, self._driver.exchange.host)
            hooks.fire("altcraft_task_failed", task=self, error=emitted.value)
        else:
            hooks.fire("altcraft_task_completed", task=self, result=emitted.value)
        with self._driver.changed:
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            guarded(callback, self)

    def __repr__(self) -> str:
        status = self._machine.status
        return f"<Task {self.id} of {self.operation}: {status.status if status else 'not looked at yet'}>"
