"""What the handles on tasks have in common, whichever way their results are waited for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar, cast

from msgspec import Struct

from altcraft.hooks import Hooks, guarded
from altcraft.operations import Operation
from altcraft.tasks.resume import resume_token

if TYPE_CHECKING:
    from threading import RLock

    from typing_extensions import Self

    from altcraft.engine.schedule import Due
    from altcraft.errors import AltcraftError
    from altcraft.schema import Feedback, TaskStatus
    from altcraft.tasks.machine import TaskMachine

__all__ = ["Context", "Leader", "OnProgress", "TaskBase"]

R = TypeVar("R")

OnProgress: TypeAlias = "Callable[[TaskStatus[R]], object]"


class Context(Struct, frozen=True):
    """What all the tasks of a client share."""

    lock: RLock
    """Guards the machines and what hangs on them; it is never held during I/O, nor while strangers are called."""
    hooks: Hooks
    host: str


class Leader(Protocol):
    """Whoever polls for a task at the moment."""

    def notified(self, task: TaskBase[Any]) -> None:
        """The task was hinted at: have it looked at now. Called from any thread."""
        ...


class TaskBase(Generic[R]):
    """A task that the platform works on, whose result is an `R`.

    Nothing happens in the background: a task is looked at while somebody waits for it, or when `poll` is called.
    """

    __slots__ = (
        "__weakref__", "_callbacks", "_declared", "_hinted", "_leader", "_machine", "_place", "_watchers",
    )  # fmt: skip

    def __init__(self, declared: Operation[R], machine: TaskMachine) -> None:
        self._declared = declared
        self._machine = machine
        self._callbacks: tuple[Callable[[Self], object], ...] = ()
        self._watchers: tuple[OnProgress[R], ...] = ()
        self._leader: Leader | None = None
        self._place: Due[Any] | None = None  # where it stands in its leader's agenda, should that have one
        self._hinted = False

    @property
    def _context(self) -> Context:
        raise NotImplementedError

    @property
    def id(self) -> str:
        """The platform's id of the task: an opaque string."""
        return self._machine.task_id

    @property
    def operation(self) -> str:
        """The path that started the task, or "tasks/status" where that is not known."""
        return self._machine.operation

    @property
    def feedback(self) -> Feedback | None:
        """Where the platform was asked to report the end; None where it was not, or where the task was resumed."""
        awaited = self._machine.awaited
        return None if awaited is None else awaited.feedback

    @property
    def resume_token(self) -> str:
        """Versioned JSON that leads back to this task, in any process. There is no secret in it."""
        return resume_token(self.id, self.operation)

    def done(self) -> bool:
        """Whether the outcome is known here. No I/O: the platform may know more."""
        return self._machine.outcome is not None

    def add_done_callback(self, fn: Callable[[Self], object]) -> None:
        """Has `fn(task)` called once the outcome is known: by whoever learns it, or at once if that has been.

        What `fn` raises is logged.
        """
        with self._context.lock:
            if not self.done():
                self._callbacks += (fn,)
                return
        guarded(fn, self)

    def notify(self) -> None:
        """A hint, from any thread, that there may be news: whoever waits for the task looks now. It is not believed."""
        if not self._hinted:
            self._hinted = True
            leader = self._leader
            if leader is not None:
                leader.notified(self)

    def _take_hint(self) -> bool:
        """Whether there was a hint since the last call."""
        if not self._hinted:
            return False
        self._hinted = False  # only where one was seen: one that comes between looking and clearing must not get lost
        return True

    def _tell(self, what: str, value: object) -> None:
        """Passes on what the machine emits, to watchers, hooks and callbacks."""
        hooks = self._context.hooks
        if what == "progress":
            for watcher in self._watchers:
                guarded(cast("Callable[[object], object]", watcher), value)
            if "altcraft_task_progress" in hooks.heard:
                hooks.fire("altcraft_task_progress", task=self, status=value)
            return
        if what == "failed":
            cast("AltcraftError", value).locate(None, self._context.host)
            hooks.fire("altcraft_task_failed", task=self, error=value)
        else:
            hooks.fire("altcraft_task_completed", task=self, result=value)
        with self._context.lock:
            callbacks, self._callbacks = self._callbacks, ()
        for callback in callbacks:
            guarded(cast("Callable[[object], object]", callback), self)

    def __repr__(self) -> str:
        status = self._machine.status
        seen = status.status if status else "not looked at yet"
        return f"<{type(self).__name__} {self.id} of {self.operation}: {seen}>"
