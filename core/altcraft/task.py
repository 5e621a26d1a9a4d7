"""`Task` and `AsyncTask`: handles on a task of the platform, modelled on `concurrent.futures`."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

from msgspec import Struct

from altcraft.engine.followed import Handle, OnProgress
from altcraft.errors import TaskFailed
from altcraft.schema import TaskStatus

if TYPE_CHECKING:
    from datetime import datetime

    from typing_extensions import Self

    from altcraft.schema import Feedback, TaskRequest
    from altcraft.tasks.events import Finish

__all__ = ["AsyncTask", "Step", "Task"]

R = TypeVar("R")


class Step(Struct, frozen=True):
    """What `step` says. `delay` is the seconds until the schedule wants the next step, None once the task is done."""

    done: bool
    delay: float | None


class _Handle(Handle[R]):
    """What both handles have in common."""

    __slots__ = ()

    @property
    def id(self) -> str:
        """The platform's id of the task: an opaque string."""
        return self._followed.id

    @property
    def operation(self) -> str:
        """The path that started the task, or "tasks/status" where that is not known."""
        return self._followed.operation

    @property
    def request(self) -> TaskRequest[R] | None:
        """The request that started the task, without the token; None where only the id is known."""
        submission = self._followed.submission
        return None if submission is None else cast("TaskRequest[R]", submission.request)

    @property
    def key(self) -> str | None:
        """The key of the task's submission; None where only the id is known."""
        return None if self._followed.submission is None else self._followed.submission.key

    @property
    def note(self) -> str:
        """What the caller has given as `submit(note=…)`."""
        return "" if self._followed.submission is None else self._followed.submission.note

    @property
    def submitted_at(self) -> datetime | None:
        """When the submission began, aware, in UTC; None where only the id is known."""
        return None if self._followed.submission is None else self._followed.submission.submitted_at

    @property
    def traceparent(self) -> str:
        """The submission's place in a trace, where a plugin has set it; else empty. It travels in the resume token."""
        return "" if self._followed.submission is None else self._followed.submission.traceparent

    @property
    def polls(self) -> int:
        """How many polls were answered, in all processes that the resume token has been through."""
        return self._followed.answered

    @property
    def feedback(self) -> Feedback | None:
        """Where the platform was asked to report the end; None without feedback, and for a resumed task."""
        return self._followed.feedback

    @property
    def resume_token(self) -> str:
        """Leads back to this task, in any process. It holds no secret."""
        return self._followed.resume_token

    def done(self) -> bool:
        """Whether the outcome is known here. No I/O: the platform may know more."""
        return self._followed.outcome is not None

    def add_done_callback(self, fn: Callable[[Self], object]) -> None:
        """Calls `fn(task)` once the outcome is known, in the thread that learns it; at once if it is known already.

        What `fn` raises is logged.
        """
        self._followed.call_when_done(fn, self)

    def notify(self) -> None:
        """A hint that there may be news, from any thread: a wait for the task polls now. The hint proves nothing."""
        self._followed.hint()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} holds its client, and is neither pickled nor copied: send task.resume_token, "
            f"and call client.tasks.resume(token) on the other side"
        )

    def _run(self, effects: Generator[Any, Any, Any]) -> Any:
        return self._followed.engine.runner.run(effects)

    def __repr__(self) -> str:
        status = self._followed.status
        return f"<{type(self).__name__} {self.id} of {self.operation}: {status.status if status else 'not polled yet'}>"


class Task(_Handle[R]):
    """A task that the platform works on, whose result is an `R`. Made by a `Client`; threads may share it.

    Nothing happens in the background: the client polls a task while a caller waits for it, or calls `poll`.
    """

    __slots__ = ()

    def poll(self) -> TaskStatus[R]:
        """Polls the task: exactly one exchange, never retried. Raises the error of the exchange."""
        status: TaskStatus[R] = self._run(self._followed.engine.poll(self))
        return status

    def step(self) -> Step:
        """Polls the task if its poll is due: at most one exchange. The state is in `resume_token` afterwards.

        Once it is done, `result(timeout=0)` does no I/O. A failed exchange that time may cure is no error, but a later
        step. Raises as `result` does when the wait is over: WaitTimeout, TaskStalled, ClientClosed, or the error of the
        exchange.
        """
        return _step(self._run(self._followed.engine.step(self)))

    def result(self, timeout: float | None = None, on_progress: OnProgress[R] | None = None) -> R:
        """The final data, waited for at most `timeout` seconds.

        `on_progress` is called with every `TaskStatus` seen meanwhile, the terminal one too, in the thread that polls;
        what it raises is logged. Raises TaskFailed; WaitTimeout, and its subclass TaskStalled; ClientClosed; or the
        error of the exchange. After each of them but TaskFailed, the task can be waited for again.
        """
        result: R = _result(self._run(self._followed.engine.wait(self, timeout, on_progress)))
        return result

    def exception(self, timeout: float | None = None) -> TaskFailed | None:
        """The failure that the task ended with, or None after success. Waits, and raises, as `result` does."""
        return _failure(self._run(self._followed.engine.wait(self, timeout, None)))


class AsyncTask(_Handle[R]):
    """A `Task` whose `poll`, `result` and `exception` are awaited; awaiting the task itself gives its result.

    Belongs to the event loop that it was made in; `notify` may be called from any thread. Cancelling a wait ends that
    wait alone: the task can be waited for again.
    """

    __slots__ = ()

    async def poll(self) -> TaskStatus[R]:
        """As `Task.poll`."""
        status: TaskStatus[R] = await self._run(self._followed.engine.poll(self))
        return status

    async def step(self) -> Step:
        """As `Task.step`."""
        return _step(await self._run(self._followed.engine.step(self)))

    async def result(self, timeout: float | None = None, on_progress: OnProgress[R] | None = None) -> R:
        """As `Task.result`."""
        result: R = _result(await self._run(self._followed.engine.wait(self, timeout, on_progress)))
        return result

    async def exception(self, timeout: float | None = None) -> TaskFailed | None:
        """As `Task.exception`."""
        return _failure(await self._run(self._followed.engine.wait(self, timeout, None)))

    def __await__(self) -> Generator[Any, None, R]:
        return self.result().__await__()


def _step(delay: float | None) -> Step:
    return Step(delay is None, delay)


def _result(finish: Finish) -> Any:
    if finish.error is not None:
        raise finish.error
    return finish.result


def _failure(finish: Finish) -> TaskFailed | None:
    if finish.error is None or isinstance(finish.error, TaskFailed):
        return finish.error
    raise finish.error
