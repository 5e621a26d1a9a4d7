"""One task as it is followed. The only file that hands events to a task's machine.

A task has at most one leader: the wait, or the group, that polls for everyone who waits for the task. The leader feeds
the machine; other threads may hint at news, observe a status, or watch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar

import msgspec

from altcraft.hooks import Submission, guarded, refuse_coroutines
from altcraft.schema import TaskStatus
from altcraft.tasks.events import (
    Began,
    Cancelled,
    Command,
    Commands,
    Emit,
    Event,
    Failed,
    Finish,
    Notified,
    Observed,
    Sleep,
    Woke,
)
from altcraft.tasks.machine import State, TaskMachine
from altcraft.tasks.resume import Parked, ResumeToken

if TYPE_CHECKING:
    from altcraft.engine.engine import Engine, Polls
    from altcraft.errors import AltcraftError
    from altcraft.schema import Feedback

__all__ = ["Followed", "Handle", "Leader", "OnProgress", "followed_of"]

R = TypeVar("R")

OnProgress: TypeAlias = "Callable[[TaskStatus[R]], object]"
"""What `result(on_progress=…)` calls with every status of the task that is seen during the wait."""


class _Watcher(msgspec.Struct, frozen=True):
    """A function that hears of every "progress", or once that the task is "done"."""

    what: str
    call: Callable[[Any], object]


class Leader(Protocol):
    """The wait, or the group, that polls for a task at present.

    `process` is the engine's `process` at its beginning: after a fork, the child has none of the parent's leaders.
    """

    process: object

    def notified(self, followed: Followed[Any]) -> None:
        """There is a hint about the task: poll it now. Called from any thread."""
        ...


class Followed(Generic[R]):
    """One task's machine, its leader, and who watches it. Thread-safe under the engine's lock.

    `polls` says how the task is polled, `submission` what has started it, as far as that is known. `due` is when the
    machine wants the next event, on the engine's clock.
    """

    __slots__ = ("_hinted", "_leader", "_machine", "_watchers", "polls", "submission")

    def __init__(self, polls: Polls[R], machine: TaskMachine, submission: Submission | None) -> None:
        self.polls = polls
        self.submission = submission
        self._machine = machine
        self._leader: Leader | None = None
        self._hinted = False
        self._watchers: tuple[_Watcher, ...] = ()

    # What is known.

    @property
    def engine(self) -> Engine:
        """The engine that follows the task."""
        return self.polls.engine

    @property
    def id(self) -> str:
        """The platform's id of the task."""
        return self._machine.task_id

    @property
    def operation(self) -> str:
        """The path of the operation that started the task."""
        return self._machine.operation

    @property
    def feedback(self) -> Feedback | None:
        """Where the platform was asked to report the end."""
        awaited = self._machine.awaited
        return None if awaited is None else awaited.feedback

    @property
    def resume_token(self) -> str:
        """Leads back to the task, in any process."""
        engine, submission = self.engine, self.submission
        with engine.lock:
            parked = self._machine.park()
        # Saved when it was polled last, so that the token stays the same until the next poll.
        at = parked.history.at
        wall = engine.runner.wall(at)
        is_fresh = parked.state == "idle" and not parked.history.polls
        return ResumeToken(
            task_id=self.id,
            operation=self.operation,
            request=None if submission is None else submission.fields,
            key=None if submission is None else submission.key,
            note="" if submission is None else submission.note,
            traceparent="" if submission is None else submission.traceparent,
            saved_at=wall,
            submitted_at=None if submission is None else submission.submitted_at.timestamp(),
            parked=None if is_fresh else parked.shifted(wall - at),
        ).encode()

    @property
    def status(self) -> TaskStatus[object] | None:
        """The last answer to a poll, or None before the first."""
        return self._machine.status

    @property
    def answered(self) -> int:
        """How many polls were answered, in all processes."""
        return self._machine.history.polls

    @property
    def outcome(self) -> Finish | None:
        """The result, or the failure, once it is known."""
        return self._machine.outcome

    @property
    def due(self) -> float:
        """When the machine wants to be woken."""
        return self._machine.due

    @due.setter
    def due(self, due: float) -> None:
        self._machine.due = due

    @property
    def is_backing_off(self) -> bool:
        """Whether the last exchange failed, and its repetition is not due yet."""
        return self._machine.state is State.BACKING_OFF

    @property
    def is_parked(self) -> bool:
        """Whether the machine is in the middle of a wait."""
        return self._machine.state not in (State.IDLE, State.DONE)

    @property
    def failures(self) -> int:
        """How many exchanges have failed in a row."""
        return len(self._machine.failed)

    @property
    def is_hinted(self) -> bool:
        """Whether a hint has come that the machine has not heard of."""
        return self._hinted

    # Who leads.

    @property
    def leader(self) -> Leader | None:
        """The wait or the group that polls for the task, if one does."""
        leader = self._leader
        return leader if leader is not None and leader.process is self.engine.process else None

    def lead(self, leader: Leader, *, keep_place: bool = False) -> None:
        """Makes `leader` the one that polls. Under the lock, and only where there is no other leader.

        `keep_place` leaves a task that is parked in the middle of its schedule there; else its next poll is immediate.
        """
        self._leader = leader
        if self.is_parked and not (keep_place and self._machine.state is not State.SENDING):
            self._machine.handle(Cancelled(self.engine.now()))

    def release(self) -> None:
        """Lets another wait lead. A machine in the middle of a wait goes back to its beginning. Under the lock."""
        self._leader = None
        if self.is_parked:
            self._machine.handle(Cancelled(self.engine.now()))

    def park(self) -> None:
        """Lets another wait lead, and leaves the machine where it sleeps. Under the lock."""
        self._leader = None
        if self._machine.state is State.SENDING:  # the exchange was broken off
            self._machine.handle(Cancelled(self.engine.now()))

    def unpark(self, parked: Parked) -> None:
        """Goes on where another process has parked the task."""
        self._machine.unpark(parked, self.engine.hints)

    # What happens.

    def begin(self, at: float) -> Command:
        """Begins a wait without a deadline, or wakes the machine of one that has begun: the command to carry out."""
        return self.feed(Woke(at) if self.is_parked else Began(at))[-1]

    def feed(self, event: Event) -> Commands:
        """Hands an event to the machine. The last command is to be carried out; the others go to `announce`."""
        machine = self._machine
        with self.engine.lock:
            if self._hinted and not isinstance(event, Cancelled):
                self._hinted = False  # cleared only where it was seen, so that a hint that comes right now is kept
                if isinstance(event, Woke):
                    event = Notified(event.at)
                elif machine.state is not State.DONE:
                    machine.handle(Notified(event.at))
            failed = machine.failed
            commands = machine.handle(event)
            command = commands[-1]
            if isinstance(event, Failed) and isinstance(command, Sleep):
                wait = self.engine.budget.reserve(event.at)
                if wait > command.seconds:
                    return (machine.postpone(event.at, wait),)
            elif isinstance(command, Finish) and machine.outcome is None:
                self._completed(command, failed)
        return commands

    def observe(self, at: float, status: object, task: Handle[R]) -> None:
        """Takes in a status that was learnt outside the wait. Outside the lock."""
        with self.engine.lock:
            commands = self._machine.handle(Observed(at, status))
        self.announce(commands, task)
        if self.outcome is not None:
            self.hint()  # the leader may be asleep

    def hint(self) -> None:
        """There may be news: the leader polls now. From any thread. A hint proves nothing."""
        if not self._hinted:
            self._hinted = True
            leader = self.leader
            if leader is not None:
                leader.notified(self)

    def may_cure(self, error: AltcraftError) -> bool:
        """Whether another poll may be answered although one has failed so."""
        return self._machine.may_cure(error)

    def expired(self, cause: AltcraftError | None = None) -> Finish:
        """The end of a wait whose time is up and that did not lead."""
        return self.outcome or self._completed(self._machine.out_of_time(cause), self._machine.failed)

    def _completed(self, finish: Finish, failed: tuple[tuple[float, str], ...]) -> Finish:
        """Notes in the error that ends a wait how to go on, and what was tried."""
        if finish.error is not None:
            finish.error.resume_token = self.resume_token
            self.engine.add_attempts(finish.error, failed)
        return finish

    # Who watches.

    def watch(self, on_progress: Callable[[Any], object]) -> _Watcher:
        """Calls `on_progress` with every status that is seen, until `unwatch` gets what this returns.

        TypeError for a coroutine function, which nothing would await.
        """
        refuse_coroutines(on_progress, "on_progress")
        watcher = _Watcher("progress", on_progress)
        with self.engine.lock:
            self._watchers += (watcher,)
        return watcher

    def unwatch(self, watcher: _Watcher) -> None:
        """Takes the registration back."""
        with self.engine.lock:
            self._watchers = tuple(other for other in self._watchers if other is not watcher)

    def call_when_done(self, callback: Callable[[Any], object], task: Handle[R]) -> None:
        """Calls `callback(task)` once the outcome is known, or now if it is. TypeError for a coroutine function."""
        refuse_coroutines(callback, "the callback")
        with self.engine.lock:
            if self.outcome is None:
                self._watchers += (_Watcher("done", callback),)
                return
        guarded(callback, task)

    def announce(self, commands: Commands, task: Handle[R]) -> None:
        """Passes on what the machine emits, to watchers, hooks and callbacks. Never under the lock."""
        for command in commands:
            if isinstance(command, Emit):
                if command.what == "progress":
                    self._announce_progress(command.value, task)
                else:
                    self._announce_end(command, task)

    def _announce_progress(self, status: object, task: Handle[R]) -> None:
        for watcher in self._watchers:
            if watcher.what == "progress":
                guarded(watcher.call, status)
        hooks = self.engine.hooks
        if "altcraft_task_progress" in hooks.heard:
            hooks.fire("altcraft_task_progress", task=task, status=status)

    def _announce_end(self, end: Emit, task: Handle[R]) -> None:
        hooks = self.engine.hooks
        if end.what == "failed":
            error: AltcraftError = end.value  # type: ignore[assignment]  # "failed" comes with the error
            error.locate(None, self.engine.host)
            hooks.fire("altcraft_task_failed", task=task, error=error)
        else:
            hooks.fire("altcraft_task_completed", task=task, result=end.value)
        with self.engine.lock:
            done = [watcher for watcher in self._watchers if watcher.what == "done"]
            self._watchers = tuple(watcher for watcher in self._watchers if watcher.what != "done")
        for watcher in done:
            guarded(watcher.call, task)


class Handle(Generic[R]):
    """What a user holds of a followed task; `Task` and `AsyncTask` derive from it."""

    __slots__ = ("__weakref__", "_followed")

    def __init__(self, followed: Followed[R]) -> None:
        self._followed = followed


def followed_of(task: Handle[R]) -> Followed[R]:
    """The followed task behind a handle."""
    return task._followed
