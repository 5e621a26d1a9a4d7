"""The task loop as a state machine: events in, commands out. No I/O, no clock, no thread.

A driver feeds one event, carries out the commands that it gets, and turns what came of the last one into the next
event. Every event carries the time at which it happened, in seconds of the driver's monotonic clock.

Rules:

1. A wait ends with final data or an error, never with a partial state.
2. The first poll is immediate. Every sleep, and every exchange's timeout, is cut to what is left until the deadline;
   a sleep that was cut is followed by one last poll, at the deadline.
3. `request_timeout` bounds one exchange, `Retry` repeats a failed one, `Polling` paces a task that is not done.
4. Whoever watches progress sees the terminal state too; each task emits exactly one of completed and failed.
5. A hint makes the machine poll now, and only the poll is believed. A hint during a poll earns one more poll after it,
   however many hints there were; a hint during a backoff waits for the backoff to end.
6. A status may be asked for again after any failure. A submission only when nothing can have been sent.
7. Statuses that nobody has heard of are data: the task goes on.
8. A task with feedback is left alone until the hint is late, as long as hints can be trusted. It wakes now and then
   without a poll, to see whether they still can, and whether it is to be one of the few that are looked at meanwhile. A
   hint that came too early is spent: the task is polled like any other from then on.

A task's machine lives as long as its handle, and serves one wait at a time (`Began` starts it); what another exchange
has learnt meanwhile comes in as `Observed`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from math import inf
from typing import ClassVar, TypeAlias

from msgspec import Struct, field, structs

from altcraft.errors import (
    AltcraftError,
    ClientClosed,
    RequestTimeout,
    TaskFailed,
    TaskStalled,
    WaitTimeout,
    at_progress,
)
from altcraft.schema import Feedback, TaskStatus, TaskStatusRequest
from altcraft.tasks.events import (
    Began,
    Cancelled,
    Commands,
    Emit,
    Event,
    Failed,
    Finish,
    Notified,
    Observed,
    Responded,
    Send,
    Sleep,
    Woke,
)
from altcraft.tasks.hints import HintBreaker
from altcraft.tasks.polling import History, Polling
from altcraft.tasks.resume import resume_token
from altcraft.tasks.retry import Retry

__all__ = ["CallMachine", "Policies", "State", "TaskMachine"]

LAST_LOOK = 1.0
"""Seconds that the last poll, which starts at the deadline, may take."""

TOO_LATE_TO_ASK = 0.1
"""Seconds before the deadline in which no poll starts."""


class State(enum.Enum):
    """Where a machine stands. Only DONE is for good."""

    IDLE = "nobody waits"
    SENDING = "an exchange is under way"
    SLEEPING = "until the next poll is due"
    BACKING_OFF = "until a failed exchange is repeated"
    DONE = "the outcome is known"

    __hash__ = object.__hash__  # an enumeration's own is written in Python, and looked up with every event


_IDLE, _SENDING, _SLEEPING, _BACKING_OFF, _DONE = State  # State.IDLE runs Python code, too, until 3.12


Table: TypeAlias = "dict[tuple[State, type[Event]], Callable[..., Commands]]"


class Policies(Struct, frozen=True):
    """What the machines of one client go by, kept once for all of them. `request_timeout` is in seconds."""

    polling: Polling
    retry: Retry
    request_timeout: float
    trust: HintBreaker = field(default_factory=HintBreaker)


class Awaited(Struct):
    """What only a task needs whose end a hint is to announce.

    `prompted` says that a hint has led to the poll under way, `late_at` when a hint is late; 0 while none is awaited.
    """

    feedback: Feedback
    prompted: bool = False
    late_at: float = 0.0


class _Machine:
    """Looks every event up in its class's table. What the table doesn't have is a driver's mistake."""

    __slots__ = ("due", "failures", "policies", "state")

    TABLE: ClassVar[Table]

    def __init__(self, policies: Policies) -> None:
        self.policies = policies
        self.state = _IDLE
        self.failures = 0
        self.due = 0.0

    def handle(self, event: Event) -> Commands:
        """What to do now. Not thread-safe: the driver calls it under its lock."""
        step = self.TABLE.get((self.state, type(event)))
        if step is None:
            raise RuntimeError(f"{type(event).__name__} makes no sense while {self.state.value}")
        return step(self, event)

    def _sleep(self, at: float, until: float, state: State) -> Commands:
        self.state = state
        self.due = until
        return (Sleep(until - at),)

    def _ignore(self, event: Event) -> Commands:
        return ()


class CallMachine(_Machine):
    """One exchange with its retries: a submission (`safe` False), or a reading that may be repeated freely."""

    __slots__ = ("safe", "seed")

    def __init__(self, policies: Policies, *, safe: bool, seed: int = 0) -> None:
        super().__init__(policies)
        self.safe = safe
        self.seed = seed

    def _send(self, event: Event) -> Commands:
        self.state = _SENDING
        return (Send(self.policies.request_timeout),)

    def _answer(self, event: Responded) -> Commands:
        return self._end(Finish(result=event.answer))

    def _retry(self, event: Failed) -> Commands:
        self.failures += 1
        retry = self.policies.retry
        delay = retry.next_delay(self.failures, event.error, safe=self.safe, seed=self.seed)
        if delay is None or delay > retry.maximum:  # a server may ask for a day: that is the caller's to decide
            return self._end(Finish(error=event.error))
        return self._sleep(event.at, event.at + delay, _BACKING_OFF)

    def _wake(self, event: Woke) -> Commands:
        if event.at < self.due:
            return (Sleep(self.due - event.at),)
        return self._send(event)

    def _cancel(self, event: Cancelled) -> Commands:
        return self._end(Finish(error=ClientClosed()))

    def _end(self, finish: Finish) -> Commands:
        self.state = _DONE
        return (finish,)

    TABLE: ClassVar[Table] = {
        (_IDLE, Began): _send,
        (_IDLE, Cancelled): _cancel,
        (_SENDING, Responded): _answer,
        (_SENDING, Failed): _retry,
        (_SENDING, Cancelled): _cancel,
        (_BACKING_OFF, Woke): _wake,
        (_BACKING_OFF, Cancelled): _cancel,
    }


class TaskMachine(_Machine):
    """A task that is followed until it is done.

    `history` is what its polls have shown, `outcome` the Finish of a task that is done. `awaited` is there if a hint is
    to announce the end. Thousands of machines may be about at once, so each keeps no more than it needs.
    """

    __slots__ = (
        "_last", "awaited", "deadline", "hinted", "history", "operation", "outcome", "watched_from",
    )  # fmt: skip

    def __init__(
        self,
        task_id: str,
        operation: str,
        policies: Policies,
        *,
        at: float,
        submitted: bool,
        feedback: Feedback | None = None,
    ) -> None:
        self.history = History.begin(at, submitted, task_id, announced=feedback is not None)
        super().__init__(policies)
        self.operation = operation
        self.deadline: float | None = None
        self.watched_from = 0.0
        self.awaited = None if feedback is None else Awaited(feedback)
        self.hinted = False
        self._last: TaskStatus[object] | float | None = None  # the answer that was the last, else its progress
        self.outcome: Finish | None = None

    @property
    def task_id(self) -> str:
        """The platform's id of the task."""
        return self.history.task_id

    @property
    def status(self) -> TaskStatus[object] | None:
        """The last answer, without the part of a result that it may have held as long as the task goes on."""
        if isinstance(self._last, TaskStatus) or not self.history.polls:
            return self._last if isinstance(self._last, TaskStatus) else None
        return TaskStatus(self.history.status, self._last)

    @property
    def request(self) -> TaskStatusRequest:
        """What every poll of this task sends."""
        return TaskStatusRequest(self.history.task_id)

    # Waiting begins.

    def _begin(self, event: Began) -> Commands:
        self.deadline = event.deadline
        polling = self.policies.polling
        if polling.deadline is not None:
            self.deadline = min(self.history.started + polling.deadline, self._limit())
        self.failures = 0
        if polling.stall_after is not None:
            self.watched_from = event.at  # a stall is what this wait has seen, not what went on before it
        return self._poll(event)

    def _poll(self, event: Event) -> Commands:
        self.state = _SENDING
        if self.awaited is not None:
            self.awaited.prompted = self.hinted or isinstance(event, Notified)
        self.hinted = False
        timeout = self.policies.request_timeout
        if self.deadline is not None:
            left = self.deadline - event.at
            timeout = min(timeout, left if left > 0 else LAST_LOOK)
        return (Send(timeout),)

    # An exchange comes back.

    def _answer(self, event: Responded) -> Commands:
        self.failures = 0
        emits = self._learn(event)
        return emits + (self._pace(event) if self.outcome is None else (self.outcome,))

    def _pace(self, event: Event) -> Commands:
        """The task is not done: sleep until the next poll, unless the time is up."""
        limit = inf if self.deadline is None else self.deadline
        if event.at >= limit:
            return self._give_up(self.expired())
        polling = self.policies.polling
        stalled_at = inf
        if polling.stall_after is not None:
            stalled_at = max(self.history.moved_at, self.watched_from) + polling.stall_after
            if event.at >= stalled_at:
                text = f"no progress for {polling.stall_after:g} s, {self._standing()}"
                return self._give_up(TaskStalled(text, *self._leads()))
        awaited = self.awaited
        if awaited is not None and self.history.announced and (awaited.prompted or not self.policies.trust.is_closed):
            self.history = structs.replace(self.history, announced=False)
        if self.hinted:
            return self._poll(event)
        due = event.at + polling.next_delay(self.history)
        if due > stalled_at:
            due = stalled_at
        if due > limit - TOO_LATE_TO_ASK:  # it would be cut off: the last poll, at the deadline, has the time
            due = limit
        if awaited is not None:
            awaited.late_at = due if polling.awaits_hint(self.history) else 0.0
            if awaited.late_at:
                return self._leave(event.at, awaited)
        return self._sleep(event.at, due, _SLEEPING)

    def _leave(self, at: float, awaited: Awaited) -> Commands:
        """The task is left alone: sleep until it reconsiders that, or until the hint is late."""
        until = at + self.policies.polling.next_review(self.history, at)
        return self._sleep(at, min(until, awaited.late_at), _SLEEPING)

    def _retry(self, event: Failed) -> Commands:
        self.failures += 1
        delay = self.policies.retry.next_delay(self.failures, event.error, safe=True, seed=self.history.seed)
        time_is_up = self._left(event.at) <= 0 and (delay is not None or isinstance(event.error, RequestTimeout))
        if delay is None and not time_is_up:
            return self._give_up(event.error)
        if delay is None or time_is_up:
            return self._give_up(self.expired(event.error))
        return self._sleep(event.at, min(event.at + delay, self._limit()), _BACKING_OFF)

    # A sleep ends, or is to end.

    def _wake(self, event: Woke) -> Commands:
        if event.at < self.due:
            return (Sleep(self.due - event.at),)
        awaited = self.awaited
        is_early = awaited is not None and self.state is _SLEEPING and event.at < awaited.late_at
        if awaited is not None and is_early and self.policies.trust.is_closed and not self._is_to_check(event.at):
            return self._leave(event.at, awaited)
        return self._poll(event)

    def _is_to_check(self, at: float) -> bool:
        """Whether this task is one of the few that are looked at although a hint is to announce the end."""
        polling, history = self.policies.polling, self.history
        if not polling.predict or history.polls != 1 or at - history.started < 2 * polling.initial:
            return False
        return history.forecast() is None and self.policies.trust.check(polling.hint_checks)

    def _hint(self, event: Notified) -> Commands:
        self.hinted = True
        return ()

    def _hint_in_backoff(self, event: Notified) -> Commands:
        self.hinted = True
        return (Sleep(max(0.0, self.due - event.at)),)

    def _cancel(self, event: Cancelled) -> Commands:
        return self._give_up(
            ClientClosed("the client was closed while the task went on", resume_token=self._leads()[0])
        )

    # What is known.

    def _observe(self, event: Observed) -> Commands:
        return self._learn(event)

    def _learn(self, event: Responded | Observed) -> Commands:
        """Takes an answer in. The first terminal one settles the outcome, for good."""
        status = event.answer
        assert isinstance(status, TaskStatus)
        if self.outcome is not None:
            return ()
        self._last = status.progress
        self.history = self.history.observed(event.at, status.status, status.progress)
        seen = Emit("progress", status)
        polling = self.policies.polling
        if status.status in polling.done:
            self.outcome = Finish(result=status.result)
            end = Emit("completed", status.result)
        elif status.status in polling.failed:
            error = TaskFailed(status)
            error.locate(self.operation, None, self.task_id)
            self.outcome = Finish(error=error)
            end = Emit("failed", error)
        else:
            return (seen,)
        self.state = _DONE
        self._last = status
        if self.awaited is not None and isinstance(event, Responded):
            self.policies.trust.record(announced=self.awaited.prompted or self.hinted)
        return (seen, end)

    def _settled(self, event: Event) -> Commands:
        assert self.outcome is not None
        return (self.outcome,)

    def expired(self, cause: AltcraftError | None = None) -> WaitTimeout:
        """The error of a wait whose time is up, after a last exchange that failed with `cause`, if it did."""
        failed = "; the last poll failed" if cause is not None else ""
        error = WaitTimeout(f"not done in time, {self._standing()}{failed}", *self._leads())
        error.__cause__ = cause
        error.locate(self.operation, None, self.task_id)
        return error

    def _give_up(self, error: AltcraftError) -> Commands:
        """The wait ends; the task does not, and may be waited for again."""
        error.locate(self.operation, None, self.task_id)
        self.state = _IDLE
        return (Finish(error=error),)

    def _limit(self) -> float:
        return inf if self.deadline is None else self.deadline

    def _left(self, at: float) -> float:
        return self._limit() - at

    def _standing(self) -> str:
        status = self.status
        if status is None:
            return "and no poll was answered"
        return f"last seen {status.status!r}{at_progress(status.progress)}"

    def _leads(self) -> tuple[str, TaskStatus[object] | None]:
        return resume_token(self.task_id, self.operation), self.status

    TABLE: ClassVar[Table] = {
        (_IDLE, Began): _begin,
        (_IDLE, Notified): _hint,
        (_IDLE, Observed): _observe,
        (_IDLE, Cancelled): _cancel,
        (_SENDING, Responded): _answer,
        (_SENDING, Failed): _retry,
        (_SENDING, Notified): _hint,
        (_SENDING, Observed): _observe,
        (_SENDING, Cancelled): _cancel,
        (_SLEEPING, Woke): _wake,
        (_SLEEPING, Notified): _poll,
        (_SLEEPING, Observed): _observe,
        (_SLEEPING, Cancelled): _cancel,
        (_BACKING_OFF, Woke): _wake,
        (_BACKING_OFF, Notified): _hint_in_backoff,
        (_BACKING_OFF, Observed): _observe,
        (_BACKING_OFF, Cancelled): _cancel,
        (_DONE, Began): _settled,
        (_DONE, Responded): _settled,
        (_DONE, Failed): _settled,
        (_DONE, Woke): _settled,
        (_DONE, Notified): _settled,
        (_DONE, Observed): _Machine._ignore,
        (_DONE, Cancelled): _settled,
    }
