"""`Task` and `AsyncTask`: handles on a task of the platform, after the fashion of `concurrent.futures`."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, TypeVar, cast

from altcraft.engine.followed import Context, OnProgress, TaskBase
from altcraft.errors import TaskFailed
from altcraft.operations import Operation
from altcraft.schema import TaskStatus

if TYPE_CHECKING:
    from altcraft.engine.eventloop import LoopRunner
    from altcraft.engine.threads import ThreadRunner
    from altcraft.tasks.machine import TaskMachine

__all__ = ["AsyncTask", "Task"]

R = TypeVar("R")


class Task(TaskBase[R]):
    """A task that the platform works on, whose result is an `R`. Made by a `Client`; may be shared by threads.

    Nothing happens in the background: a task is looked at while somebody waits for it, or when `poll` is called.
    """

    __slots__ = ("_driver",)

    def __init__(self, driver: ThreadRunner, declared: Operation[R], machine: TaskMachine) -> None:
        super().__init__(declared, machine)
        self._driver = driver

    @property
    def _context(self) -> Context:
        return self._driver.engine.context

    def poll(self) -> TaskStatus[R]:
        """Looks at the task: exactly one exchange, never retried. Raises the error of the exchange."""
        return self._driver.run(self._driver.engine.poll(self))

    def result(self, timeout: float | None = None, on_progress: OnProgress[R] | None = None) -> R:
        """The final data, waited for at most `timeout` seconds.

        `on_progress` is called with every `TaskStatus` seen meanwhile, the terminal one too, in the thread that polls;
        what it raises is logged. Raises TaskFailed; WaitTimeout, and under it TaskStalled; ClientClosed; or the error
        of the exchange. After each of them but TaskFailed, the task can be waited for again.
        """
        finish = self._driver.run(self._driver.engine.wait(self, timeout, on_progress))
        if finish.error is not None:
            raise finish.error
        return cast(R, finish.result)

    def exception(self, timeout: float | None = None) -> TaskFailed | None:
        """The failure that the task ended with, or None after success. Waits, and raises, as `result` does."""
        error = self._driver.run(self._driver.engine.wait(self, timeout, None)).error
        if error is None or isinstance(error, TaskFailed):
            return error
        raise error


class AsyncTask(TaskBase[R]):
    """A `Task` whose `poll`, `result` and `exception` are awaited; awaiting the task itself gives its result.

    Belongs to the event loop that it was made in; `notify` may be called from any thread. Cancelling whoever waits
    ends the wait and nothing else: the task can be waited for again.
    """

    __slots__ = ("_driver",)

    def __init__(self, driver: LoopRunner, declared: Operation[R], machine: TaskMachine) -> None:
        super().__init__(declared, machine)
        self._driver = driver

    @property
    def _context(self) -> Context:
        return self._driver.engine.context

    async def poll(self) -> TaskStatus[R]:
        """As `Task.poll`."""
        return await self._driver.run(self._driver.engine.poll(self))

    async def result(self, timeout: float | None = None, on_progress: OnProgress[R] | None = None) -> R:
        """As `Task.result`."""
        finish = await self._driver.run(self._driver.engine.wait(self, timeout, on_progress))
        if finish.error is not None:
            raise finish.error
        return cast(R, finish.result)

    async def exception(self, timeout: float | None = None) -> TaskFailed | None:
        """As `Task.exception`."""
        error = (await self._driver.run(self._driver.engine.wait(self, timeout, None))).error
        if error is None or isinstance(error, TaskFailed):
            return error
        raise error

    def __await__(self) -> Generator[Any, None, R]:
        return self.result().__await__()
