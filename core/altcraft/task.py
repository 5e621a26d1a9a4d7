"""`Task`: a handle on a task of the platform, after the fashion of `concurrent.futures`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from altcraft.errors import TaskFailed
from altcraft.handle import Context, OnProgress, TaskBase
from altcraft.operations import Operation
from altcraft.schema import TaskStatus

if TYPE_CHECKING:
    from altcraft.driver import Driver
    from altcraft.machine import TaskMachine

__all__ = ["Task"]

R = TypeVar("R")


class Task(TaskBase[R]):
    """A task that the platform works on, whose result is an `R`. Made by a `Client`; may be shared by threads.

    Nothing happens in the background: a task is looked at while somebody waits for it, or when `poll` is called.
    """

    __slots__ = ("_driver",)

    def __init__(self, driver: Driver, declared: Operation[R], machine: TaskMachine) -> None:
        super().__init__(declared, machine)
        self._driver = driver

    @property
    def _context(self) -> Context:
        return self._driver.conductor.context

    def poll(self) -> TaskStatus[R]:
        """Looks at the task: exactly one exchange, never retried. Raises the error of the exchange."""
        return self._driver.run(self._driver.conductor.poll(self))

    def result(self, timeout: float | None = None, on_progress: OnProgress[R] | None = None) -> R:
        """The final data, waited for at most `timeout` seconds.

        `on_progress` is called with every `TaskStatus` seen meanwhile, the terminal one too, in the thread that polls;
        what it raises is logged. Raises TaskFailed; WaitTimeout, and under it TaskStalled; ClientClosed; or the error
        of the exchange. After each of them but TaskFailed, the task can be waited for again.
        """
        finish = self._driver.run(self._driver.conductor.wait(self, timeout, on_progress))
        if finish.error is not None:
            raise finish.error
        return cast(R, finish.result)

    def exception(self, timeout: float | None = None) -> TaskFailed | None:
        """The failure that the task ended with, or None after success. Waits, and raises, as `result` does."""
        error = self._driver.run(self._driver.conductor.wait(self, timeout, None)).error
        if error is None or isinstance(error, TaskFailed):
            return error
        raise error
